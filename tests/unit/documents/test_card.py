"""One card in three forms: what the records say, and nothing that an owner wrote can break out of its place."""

from html.parser import HTMLParser
from typing import Any

import pytest
import yaml

from runtime.documents.card import as_document, as_html, as_markdown
from tests.unit.documents.versions import found, told
from tests.unit.domain.lives import MODEL, digest


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    @classmethod
    def of(cls, page: str) -> list[tuple[str, dict[str, str | None]]]:
        parser = cls()
        parser.feed(page)
        return parser.seen


def metadata(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(head)
    return read


def test_the_head_is_what_hugging_face_reads() -> None:
    assert metadata(as_markdown(told())) == {
        "language": "en",
        "library_name": "sklearn",
        "pipeline_tag": "tabular-regression",
        "tags": ["fleetward", "regression", "HistGradientBoostingRegressor"],
        "model_name": MODEL,
        "datasets": ["data:load"],
        "metrics": ["mae"],
        "model-index": [
            {
                "name": MODEL,
                "results": [
                    {
                        "task": {"type": "tabular-regression"},
                        "dataset": {"name": "data:load", "type": "data:load"},
                        "metrics": [{"type": "mae", "value": 12.0}],
                    }
                ],
            }
        ],
    }


def test_a_source_with_yaml_in_it_stays_one_value() -> None:
    data = {"source": {"sql": "SELECT a: 'b' # c", "connection": "W"}, "time": "at", "target": "y", "features": ["x"]}
    assert metadata(as_markdown(told(data=data)))["datasets"] == ["sql SELECT a: 'b' # c"]


def test_a_card_says_who_let_the_version_serve() -> None:
    card = as_markdown(told())
    approval = told().version.approval
    assert approval is not None
    for expected in (
        "| Status | champion",
        f"| Under policy | `{approval.policy}` |",
        "| Champion of the model | version 1 since 2026-03-02",
        f"| Package | `{digest('package 1')}` |",
        "None so far.",
    ):
        assert expected in card
    assert "The spec was changed" not in card


def test_a_card_says_what_was_found_and_what_followed() -> None:
    card = as_markdown(told(findings=(found("errors grew by 20%"),)))
    assert "| retrain: errors grew by 20% |" in card
    assert "None so far." not in card


def test_a_card_says_when_its_spec_is_newer_or_its_package_is_away() -> None:
    made = told()
    assert made.package is not None
    made.package["spec"]["digest"] = digest("another")
    assert "The spec was changed after this version was made" in as_markdown(made)
    assert "The package's document was not in the store at hand" in as_markdown(told(packaged=False))


def test_what_an_owner_says_stands_in_the_card_and_what_not_does_not() -> None:
    card = as_markdown(told(limitations="Short-haul only.", out_of_scope_use="Safety."))
    assert "**Out of scope:** Safety." in card
    assert "## Limits\n\nShort-haul only.\n\nTrained on one partition" in card
    assert "Assumptions" not in card


def test_a_bar_or_a_line_break_does_not_end_a_cell() -> None:
    card = as_markdown(told(findings=(found("a | b\n| c |"),)))
    assert "| retrain: a \\| b \\| c \\| |" in card


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = as_html(told(purpose="<script>alert(1)</script> ![i](https://x/y.png) [l](javascript:a)"))
    elements = Elements.of(page)
    assert {"script", "img", "link", "iframe"}.isdisjoint(tag for tag, _ in elements)
    assert not [attributes for tag, attributes in elements if "src" in attributes or "onload" in attributes]
    assert not [attributes for tag, attributes in elements if (attributes.get("href") or "").startswith("javascript:")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_is_read_by_light_and_in_the_dark() -> None:
    page = as_html(told())
    assert "color-scheme: light dark" in page
    assert "@media (prefers-color-scheme: dark)" in page


@pytest.mark.parametrize("said", ["<h1>flight", f"<code>{digest('artifact 1')}</code>", "<h2>Findings</h2>"])
def test_the_page_says_what_the_markdown_says(said: str) -> None:
    assert said in as_html(told())


def test_the_document_holds_the_records_themselves() -> None:
    made = told(findings=(found("errors grew"),))
    document = as_document(made)
    registered = made.version.registered.model_dump(mode="json", by_alias=True)
    assert document["version"]["registered"] == registered
    assert document["version"]["status"] == "champion"
    assert document["metadata"] == metadata(as_markdown(made))
    assert document["findings"][0]["verdict"]["reason"] == "errors grew"
    assert document["spec"]["digest"] == made.spec.digest
