"""The report of a fleet: one HTML file that needs nothing beside it, made from the ledger and the objects alone."""

from __future__ import annotations

import shlex
from datetime import date, datetime
from functools import cache
from pathlib import Path

import jinja2

from runtime.console.plots import plots
from runtime.console.story import Story, read_story
from runtime.ledger.database import without_password

_ABSENT = "\N{EN DASH}"


def write_report(database_url: str, store_url: str, path: Path, *, spec: str | None = None) -> Story:
    """Writes the report of a spec's models to ``path``, and gives the story it tells.

    Raises as ``read_story``; nothing is written then. The spec may be left out when the ledger knows only one.
    """
    story = read_story(database_url, store_url, spec=spec)
    page = render(story, database_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return story


def render(story: Story, database_url: str) -> str:
    """The page. The same story gives the same page."""
    return _template().render(
        story=story,
        plots=plots(story),
        labels={model.name: model.label for model in story.models},
        command=verify_command(story, database_url),
        database=without_password(database_url),
    )


def verify_command(story: Story, database_url: str) -> str:
    """What a reader runs to see that the ledger still begins with what this report was made from."""
    url = shlex.quote(without_password(database_url))
    return f"fleetward ledger verify --database {url} --expect-size {story.head.size} --expect-root {story.head.root}"


def environment() -> jinja2.Environment:
    """Where pages are made of templates: strict, and escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("runtime.console"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,  # names and reasons come from outside
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = _day
    made.filters["number"] = _number
    made.filters["percent"] = _percent
    return made


@cache
def _template() -> jinja2.Template:
    return environment().get_template("report.html.j2")


def _day(moment: date | datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _number(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.2f}"


def _percent(share: float | None) -> str:
    return _ABSENT if share is None else f"{share:.1%}".replace("-", "\N{MINUS SIGN}")
