"""A back-test as one picture: error, alarms and retrainings week by week, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from runtime.backtest.report import Report
from runtime.backtest.tally import Tally
from runtime.console.plots import BLUE, ORANGE, SKY
from runtime.console.svg import MUTED, WIDTH, Drawing, Series, grouped_bars

Values = Sequence[float | None]
_HEIGHT, _GAP = 240.0, 34.0
_ROW = Markup('<g transform="translate(0 {:.0f})">{}</g>')
_PAGE = Markup(
    '<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg" '
    'font-family="sans-serif">{}</svg>\n'
)


def plot(report: Report) -> Markup:
    """The whole SVG document."""
    weeks = [date.fromisoformat(each["week"]) for each in report.weeks]
    rows: list[tuple[str, list[Values]]] = [
        ("mean absolute error", [_errors(each, weeks) for each in _tallies(report)]),
        ("alarms a week", [_counts(each.alarms_by_week, weeks) for each in _tallies(report)]),
        ("retrainings a week", [_counts(each.retrains_by_week, weeks) for each in _tallies(report)]),
    ]
    drawn = Markup("").join(
        _ROW.format(_GAP + place * (_HEIGHT + _GAP), _chart(label, values, weeks).render(label))
        for place, (label, values) in enumerate(rows)
    )
    title = Drawing(_GAP)
    words = f"policy {report.policy.name}, {report.since:%Y-%m-%d} to {report.until:%Y-%m-%d}, {report.models} models"
    title.text(4, 20, words, size=14)
    title.text(WIDTH - 4, 20, "between the two ends lies what nobody can know", anchor="end", fill=MUTED)
    return _PAGE.format(WIDTH, _GAP + 3 * (_HEIGHT + _GAP), words, title.render(words) + drawn)


def _tallies(report: Report) -> tuple[Tally, Tally, Tally]:
    helps, fails = report.proposed
    return report.current.tally, helps.tally, fails.tally


def _counts(counted: Counter[date], weeks: list[date]) -> Values:
    return [float(counted[week]) for week in weeks]


def _errors(tally: Tally, weeks: list[date]) -> Values:
    return [tally.errors.get(week, 0.0) / tally.rows[week] if tally.rows[week] else None for week in weeks]


def _chart(label: str, values: list[Values], weeks: list[date]) -> Drawing:
    names = (("as it was", BLUE), ("under the policy, if challengers help", SKY), ("if they fail", ORANGE))
    series = [Series(name, colour, row) for (name, colour), row in zip(names, values, strict=True)]
    return grouped_bars([_label(week, weeks) for week in weeks], series, y_label=label, height=_HEIGHT)


def _label(week: date, weeks: list[date]) -> str:
    """Every week's where there is room, else the first of each month."""
    if len(weeks) <= 14 or week == weeks[0] or week.day <= 7:
        return f"{week.day} {week:%b}"
    return ""
