"""Every page of the console: what it shows, and what no page ever has."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest

from runtime.console.web.headers import POLICY
from runtime.domain.ids import derived_id
from tests.unit.console.fleets import SCRIPT
from tests.unit.console.web.ground import Browser, Served

PAGES = (
    "/",
    "/?group=owner&sort=error",
    "/?as_of=9",
    "/models/air-a",
    "/models/air-a?as_of=12",
    "/models/air-a/versions/1",
    "/approvals",
    "/findings",
    "/findings?show=all",
    "/rollouts",
    "/decisions",
    "/ledger",
    "/ledger?kind=version_promoted&actor=service:operator&model=air-a",
    "/ledger/0",
    "/inventory",
    "/policies",
    "/cluster",
    "/access",
)
OF_NOTHING = ("/", "/approvals", "/findings", "/rollouts", "/ledger", "/inventory", "/policies", "/access")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_script_or_a_style_within(path: str, visitor: Browser) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    page = answer.text
    assert re.findall(r"<script\b[^>]*>", page) == ['<script src="/api/console/static/console.js" defer>']
    assert not re.search(r"<style|<iframe|<object|\son\w+=|\sstyle=|javascript:", page)
    assert not re.search(r'(?:src|href)="(?!/api/console/|\?|#)', page), "nothing comes from elsewhere"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_landmarks_a_heading_and_a_way_past_the_navigation(path: str, visitor: Browser) -> None:
    page = visitor.page(path)
    assert page.count("<h1") == page.count("<main") == page.count("<footer") == 1
    assert 'class="skip" href="#main"' in page
    tables = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    assert all("<caption>" in table for table in tables)
    assert all('scope="' in head for table in tables for head in re.findall(r"<th\b[^>]*>", table))
    identities = re.findall(r'\sid="([^"]+)"', page)
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize("path", PAGES)
def test_what_comes_from_outside_is_never_markup(path: str, visitor: Browser) -> None:
    assert SCRIPT not in visitor.page(path)


@pytest.mark.parametrize("path", OF_NOTHING)
def test_a_fleet_of_nothing_has_every_page_and_says_so(
    path: str, nothing: Served, browser_of: Callable[[Served], Browser]
) -> None:
    page = browser_of(nothing).page(path)
    assert "<table" not in page
    assert 'class="note' in page


def test_a_model_that_is_not_there_is_told_with_a_way_back(visitor: Browser) -> None:
    answer = visitor.get("/models/air-z")
    assert answer.status_code == 404
    assert "air-z" in answer.text
    assert 'href="/api/console/"' in answer.text


def test_a_page_that_is_not_there_is_told(visitor: Browser) -> None:
    answer = visitor.get("/nowhere")
    assert answer.status_code == 404
    assert "nothing is at GET" in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_the_fleet_is_searched_filtered_and_sorted(visitor: Browser) -> None:
    def named(**asked: str) -> list[str]:
        rows = re.findall(r'<th scope="row" class="name"><a href="[^"]*">([^<]*)</a>', visitor.page("/", **asked))
        return [str(row) for row in rows]

    assert named(sort="model") == ["air-a", "air-b"]
    assert named(q="AIR B") == ["air-b"]
    assert named(tier="high") == []
    assert named(owner="planning & co", sort="findings") == ["air-a", "air-b"]
    assert named(as_of="0") == []


def test_a_thousand_models_are_shown_a_page_at_a_time_or_all_at_once(
    thousand: Served, browser_of: Callable[[Served], Browser]
) -> None:
    browser = browser_of(thousand)

    def rows(path: str) -> int:
        return browser.page(path).count('<th scope="row"')

    assert rows("/") == rows("/?page=5") == 200
    assert "page 2 of 5" in browser.page("/?page=2")
    assert rows("/?show=all") == rows("/inventory") == 1_000
    assert rows("/?q=r-0007") == 1
    assert rows("/?page=99") == 200, "the last one"


def test_a_model_shows_its_life_and_its_features_over_time(visitor: Browser) -> None:
    page = visitor.page("/models/air-a")
    assert "Timeline. 2 promoted, 2 found" in page
    assert "Heat map of drift by feature" in page
    assert "awaiting" not in page


def test_a_recorded_decision_is_looked_up_by_its_id(visitor: Browser, looked_at: Served) -> None:
    looked_at.publish()
    page = visitor.page("/decisions", id=derived_id("may, no outcome"))
    assert "planning" in page
    assert '<th scope="row">14</th>' in page
    assert "cloudy" in page
    assert "no sealed segment under the checkpoint holds it" in visitor.page("/decisions", id="never")


def test_the_proof_of_an_entry_is_computed_again_from_its_bytes(visitor: Browser, looked_at: Served) -> None:
    looked_at.publish()
    page = visitor.page("/ledger/7")
    assert page.count("holds</span>") == 3
    assert "does not hold" not in page


def test_the_inventory_is_a_table_and_a_file(visitor: Browser) -> None:
    answer = visitor.get("/inventory.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["model"] for row in rows] == ["air-a", "air-b"]
    assert rows[0]["purpose"] == f"minutes in the air {SCRIPT}"


def test_a_cell_that_a_spreadsheet_would_compute_is_only_text() -> None:
    from runtime.console.web.pages.inventory import _cell

    assert [_cell(each) for each in ("=1+1", "@a", "-2", "fine", 3)] == ["'=1+1", "'@a", "'-2", "fine", "3"]


def test_the_console_without_its_last_slash_leads_there(
    looked_at: Served, browser_of: Callable[[Served], Browser]
) -> None:
    answer = browser_of(looked_at).get("http://fleet/api/console")
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/console/")
