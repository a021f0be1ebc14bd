"""The end of a demo: the year by month, in a terminal."""

from __future__ import annotations

from rich.table import Table

from runtime.console.scores import Errors
from runtime.console.story import Story, Tally


def terminal_table(story: Story) -> Table:
    """By month, and in all: errors with and without Fleetward, alarms, retrainings and how they ended."""
    table = Table(title=f"Mean absolute error of {story.spec.data.target}, with Fleetward and never retrained")
    table.add_column("month", no_wrap=True)
    for heading in ("with", "without", "saved", "alarms", "retrained", "accepted", "refused"):
        table.add_column(heading, justify="right", no_wrap=True)
    for month in story.months:
        table.add_row(f"{month.first:%Y-%m}", *_cells(month.errors, month.tally))
    table.add_section()
    table.add_row("in all", *_cells(story.errors, story.tally), style="bold")
    if story.errors is None:
        table.caption = "No outcome has arrived for a served row yet: there are no errors to show."
    return table


def _cells(errors: Errors | None, tally: Tally) -> tuple[str, ...]:
    counts = (sum(tally.alarms.values()), tally.retrained, tally.accepted, tally.refused)
    return (*_error_cells(errors), *map(str, counts))


def _error_cells(errors: Errors | None) -> tuple[str, str, str]:
    if errors is None:
        return "-", "-", "-"
    saved = "-" if errors.saved is None else f"{errors.saved:.1%}"
    return f"{errors.served:.2f}", f"{errors.never_retrained:.2f}", saved
