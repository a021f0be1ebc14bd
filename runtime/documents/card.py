"""The model card: one text, rendered from the records alone, in three forms.

body        what was made, of what, how it was judged       in the package, and in every form of the card
standing    who let it serve, and what was found since      only in a card that is written later
metadata    what Hugging Face reads (``hugging_face.py``)   YAML in Markdown, an object in JSON
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import TypeAdapter

from runtime.documents.hugging_face import front_matter, metadata
from runtime.documents.told import Told
from runtime.domain.events import VersionRegistered
from runtime.domain.model_state import VersionState
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec

_VERSION = TypeAdapter(VersionState)
_SPEC_SAYS = (
    "name",
    "owner",
    "purpose",
    "intended_use",
    "out_of_scope_use",
    "operating_boundaries",
    "assumptions",
    "limitations",
    "risk_tier",
    "risk_rationale",
    "task",
    "classes",
)


def packaged_card(
    spec: Spec,
    registered: VersionRegistered,
    report: EvaluationReport,
    *,
    partition: Mapping[str, str],
    used: Collection[str],
) -> str:
    """The card that a package holds; the same for the same records. ``used``: columns that the version looks at."""
    head = front_matter(metadata(spec, registered, report))
    return head + _body(spec, registered, report, partition, used)


def as_markdown(told: Told) -> str:
    """The card with how the version stands now."""
    return front_matter(_metadata(told)) + _text(told)


def as_html(told: Told) -> str:
    """The same card as one page that needs nothing else; HTML in what owners wrote is shown, not obeyed."""
    page = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(_text(told))
    return _template("card.html.j2").render(
        title=f"{told.model.name}, version {told.version.number}", tags=_metadata(told)["tags"], body=_widened(page)
    )


def as_document(told: Told) -> dict[str, Any]:
    """What the card is rendered from, for programs."""
    spec = told.spec.model_dump(mode="json", include=set(_SPEC_SAYS), exclude_none=True)
    return {
        "metadata": _metadata(told),
        "model": told.model.name,
        "partition": told.model.partition,
        "champion": told.model.champion,
        "spec": {**spec, "digest": told.spec.digest},
        "made_by_this_spec": told.made_by_this_spec,
        "data": {"source": told.spec.data.named, "target": told.spec.data.target},
        "version": _VERSION.dump_python(told.version, mode="json", by_alias=True),
        "findings": [
            {**each.opened.as_document(), "verdict": each.verdict.as_document() if each.verdict else None}
            for each in told.findings
        ],
    }


def _metadata(told: Told) -> dict[str, Any]:
    return metadata(told.spec, told.version.registered, told.report)


def _text(told: Told) -> str:
    body = _body(told.spec, told.version.registered, told.report, told.model.partition, None)
    return body + _template("card_standing.md.j2").render(
        version=told.version, model=told.model, findings=told.findings, unchanged=told.made_by_this_spec
    )


def _body(
    spec: Spec,
    registered: VersionRegistered,
    report: EvaluationReport | None,
    partition: Mapping[str, str],
    used: Collection[str] | None,
) -> str:
    return _template("card_body.md.j2").render(
        spec=spec,
        registered=registered,
        report=report,
        partition=partition,
        used=used,
        refit=spec.retrain.refit and spec.train.is_fitted,
    )


def _widened(page: str) -> Markup:
    """Each table in a box of its own that scrolls: digests are long, and a page must not."""
    boxed = page.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return Markup(boxed)  # noqa: S704 - markdown-it escaped every HTML character of the text


def _cell(value: object) -> str:
    """A value as a cell of a Markdown table: no line ends it, and no bar."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _second(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runtime.documents", "."),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=name.endswith(".html.j2"),
    )
    environment.filters |= {"cell": _cell, "second": _second}
    return environment.get_template(name)
