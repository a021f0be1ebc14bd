"""The report's four pictures. Their titles say what is seen, whichever way it went.

Colours are those of Okabe and Ito (2008) and ColorBrewer's RdBu, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from runtime.console.attempts import Ending
from runtime.console.scores import Errors, month_before
from runtime.console.story import ModelStory, Story
from runtime.console.svg import INK, MUTED, WIDTH, Drawing, Series, grouped_bars, stacked_bars
from runtime.domain.events import FindingKind

BLUE, ORANGE, SKY, VERMILLION, GREY = "#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#b0b7bf"
GREEN = "#009e73"

_WEEK = timedelta(days=7)
_NAMES = {
    FindingKind.DATA_DRIFT: "data drift",
    FindingKind.PERFORMANCE: "performance",
    FindingKind.DATA_QUALITY: "broken data",
    FindingKind.SERVICE: "slow or failing answers",
    FindingKind.USE: "use beyond what is approved",
    FindingKind.GOVERNANCE: "governance",
}
_ALWAYS_SHOWN = (FindingKind.PERFORMANCE, FindingKind.DATA_DRIFT)
_ALARM_COLOURS = {
    FindingKind.DATA_DRIFT: SKY,
    FindingKind.PERFORMANCE: VERMILLION,
    FindingKind.DATA_QUALITY: ORANGE,
    FindingKind.SERVICE: GREY,
    FindingKind.USE: BLUE,
    FindingKind.GOVERNANCE: GREEN,
}
_RATIOS = (
    (0.7, "#2166ac", "below 0.70"),
    (0.85, "#67a9cf", "0.70 to 0.85"),
    (0.95, "#d1e5f0", "to 0.95"),
    (1.05, "#f0f0f0", "to 1.05"),
    (1.15, "#fddbc7", "to 1.15"),
    (1.3, "#ef8a62", "to 1.30"),
    (float("inf"), "#b2182b", "above"),
)


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: ``title`` says what is seen, ``caption`` how to read it."""

    title: str
    caption: str
    svg: Markup


def plots(story: Story) -> tuple[Plot, ...]:
    """The pictures for which there is something to show."""
    drawn = (error_months(story), alarm_weeks(story), retraining_months(story), ratio_map(story))
    return tuple(plot for plot in drawn if plot is not None)


def error_months(story: Story) -> Plot | None:
    """Mean absolute error by month, with Fleetward and never retrained."""
    judged = [(month, month.errors) for month in story.months if month.errors is not None]
    if story.errors is None or not judged:
        return None
    title = f"{_saved_words(story.errors)}; {_compared_words([errors for _, errors in judged])}"
    series = (
        Series("with Fleetward", BLUE, [errors.served for _, errors in judged]),
        Series("never retrained", ORANGE, [errors.never_retrained for _, errors in judged]),
    )
    target = story.spec.data.target
    drawing = grouped_bars(_month_slots([month.first for month, _ in judged]), series, y_label=f"MAE of {target}")
    numbers = "; ".join(
        f"{month.first:%B %Y} {errors.served:.2f} with, {errors.never_retrained:.2f} without"
        for month, errors in judged
    )
    return Plot(
        title=title,
        caption=f"Mean absolute error of {target}, in its own unit, on the same {story.errors.rows:,} rows: what was "
        "served, and what each model's first version answers to the same inputs. Less is better.",
        svg=drawing.render(f"Bar chart of the mean absolute error of {target} by month: {numbers}."),
    )


def alarm_weeks(story: Story) -> Plot | None:
    """Alarms by week and kind."""
    weeks = story.alarm_weeks
    if not weeks:
        return None
    slots = _span(min(weeks), max(weeks))
    counts = story.tally.alarms
    worst = max(weeks, key=lambda week: (sum(weeks[week].values()), week))
    total = sum(counts.values())
    others = tuple(kind for kind in FindingKind if kind not in _ALWAYS_SHOWN and counts.get(kind))
    more = "".join(f", {counts[kind]} for {_NAMES[kind]}" for kind in others)
    title = (
        f"{total} {_plural(total, 'alarm')}: {counts[FindingKind.DATA_DRIFT]} for data drift, "
        f"{counts[FindingKind.PERFORMANCE]} for performance{more}; most ({sum(weeks[worst].values())}) "
        f"in the week of {_day(worst)}"
    )
    series = [
        Series(_NAMES[kind], _ALARM_COLOURS[kind], [weeks.get(week, {}).get(kind, 0) for week in slots])
        for kind in (*_ALWAYS_SHOWN, *others)
    ]
    drawing = stacked_bars(
        _week_slots(slots), series, y_label="alarms a week", hints=[f"week of {_day(week)}" for week in slots]
    )
    return Plot(
        title=title,
        caption="Each alarm stands in the ledger with its evidence and with the policy's answer to it.",
        svg=drawing.render(f"Bar chart of alarms by week. {title}."),
    )


def retraining_months(story: Story) -> Plot | None:
    """Retrainings by month: accepted, refused, not decided."""
    if not story.attempts:
        return None
    tally = story.tally
    firsts = _months_between(story.months[0].first, story.months[-1].first)
    by_first = {month.first: month.tally for month in story.months}
    tallies = [by_first.get(first) for first in firsts]
    endings = [(month_before(each.as_of), each.ending) for each in story.attempts]
    undecided = [sum(at == first and ending is Ending.UNDECIDED for at, ending in endings) for first in firsts]
    series = [
        Series("accepted", BLUE, [0 if each is None else each.accepted for each in tallies]),
        Series("refused", ORANGE, [0 if each is None else each.refused for each in tallies]),
    ]
    if any(undecided):
        series.append(Series("not decided", GREY, undecided))
    refused = {0: "none was refused", 1: "1 was refused and changed nothing"}.get(
        tally.refused, f"{tally.refused} were refused and changed nothing"
    )
    title = f"{tally.accepted} of {tally.retrained} {_plural(tally.retrained, 'retraining')} became champion; {refused}"
    drawing = stacked_bars(_month_slots(firsts), series, y_label="retrainings of single models")
    return Plot(
        title=title,
        caption="Refused: at the gates, by a person, in production beside the champion, or because training failed. "
        "A retraining stands in the month whose data caused it.",
        svg=drawing.render(f"Bar chart of retrainings by month. {title}."),
    )


def ratio_map(story: Story) -> Plot | None:
    """Weekly error ratio of every model that replaced its first version, with its promotions."""
    changed = [model for model in story.models if len(model.promotions) > 1 and model.errors is not None]
    if not changed:
        return None
    changed.sort(key=lambda model: (_ratio(model.errors), model.name))
    weeks = _span(min(min(m.weeks) for m in changed), max(max(m.weeks) for m in changed))
    better = sum(_ratio(model.errors) < 1 for model in changed)
    rest = sum(model.errors is not None for model in story.models) - len(changed)
    models = _plural(len(changed), "model")
    title = f"{better} of {len(changed)} {models} with a new champion erred less than the first would have"
    svg = _heat(changed, weeks).render(
        f"Heat map of the weekly error ratio by model. {title}. Overall ratios: "
        + "; ".join(f"{model.label} {_ratio(model.errors):.2f}" for model in changed)
        + "."
    )
    return Plot(
        title=title,
        caption="Weekly mean absolute error divided by that of the never retrained first version: blue is better, red "
        "is worse, white had no rows. A triangle marks a promotion (before it a canary answers part of the rows); the "
        f"number is the ratio over all weeks. {rest} other judged {_plural(rest, 'model')} kept the first version and "
        f"{'is' if rest == 1 else 'are'} not drawn: but for canaries that were aborted, nothing differs.",
        svg=svg,
    )


def _heat(models: Sequence[ModelStory], weeks: Sequence[date]) -> Drawing:
    row = 18.0 if len(models) <= 40 else 11.0
    size = 12.0 if len(models) <= 40 else 9.0
    left = min(230.0, 14 + 0.6 * size * max(len(model.label) for model in models))
    cell = (WIDTH - left - 56) / len(weeks)
    drawing = Drawing(44 + row * len(models) + 34)
    drawing.legend(left, 14, [(words, colour) for _, colour, words in _RATIOS])
    places = {week: place for place, week in enumerate(weeks)}
    cells: dict[str, list[str]] = {}
    for number, model in enumerate(models):
        y = 34 + row * number
        drawing.text(left - 7, y + row / 2 + size / 3, model.label, anchor="end", size=size)
        for week, errors in model.weeks.items():
            box = f"M{left + cell * places[week]:.1f} {y:.1f}h{cell - 0.8:.1f}v{row - 1:.1f}h{0.8 - cell:.1f}z"
            cells.setdefault(_colour(errors), []).append(box)
        drawing.text(WIDTH - 48, y + row / 2 + size / 3, f"{_ratio(model.errors):.2f}", size=size)
    for colour, boxes in cells.items():  # one path a colour: a year of a large fleet has thousands of cells
        drawing.path("".join(boxes), colour)
    for number, model in enumerate(models):
        for promotion in model.promotions[1:]:
            place = (promotion.at.date() - weeks[0]).days / 7
            if 0 <= place <= len(weeks):
                x, y = left + cell * place, 34 + row * number
                drawing.path(f"M{x - 5:.1f} {y:.1f}h10l-5 {row * 0.6:.1f}z", INK, "#ffffff")
    for place, label in enumerate(_week_slots(weeks)):
        for line, words in enumerate(label.split("\n")):
            drawing.text(left + cell * place, 34 + row * len(models) + 14 + 13 * line, words, fill=MUTED)
    return drawing


# --- words and slots -------------------------------------------------------------------------------


def _saved_words(errors: Errors) -> str:
    if errors.saved is None:
        return f"With Fleetward the error was {errors.served:.2f}, never retrained {errors.never_retrained:.2f}"
    if abs(errors.saved) < 0.0005:
        return "With Fleetward the error was the same as never retrained"
    return f"With Fleetward the error was {abs(errors.saved):.1%} {'lower' if errors.saved > 0 else 'higher'}"


def _compared_words(months: Sequence[Errors]) -> str:
    """In how many months it was lower, the same, higher; what did not occur is left out."""
    lower = sum(errors.served < errors.never_retrained for errors in months)
    higher = sum(errors.served > errors.never_retrained for errors in months)
    counted = ((lower, "lower"), (len(months) - lower - higher, "the same"), (higher, "higher"))
    words = ", ".join(f"{word} in {count}" for count, word in counted if count)
    return f"it was {words} of {len(months)} {_plural(len(months), 'month')}"


def _ratio(errors: Errors | None) -> float:
    ratio = None if errors is None else errors.ratio
    return float("inf") if ratio is None else ratio


def _colour(errors: Errors) -> str:
    ratio = _ratio(errors)
    return next(colour for limit, colour, _ in _RATIOS if ratio < limit or limit == float("inf"))


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _months_between(first: date, last: date) -> list[date]:
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def _span(first: date, last: date) -> list[date]:
    return [first + _WEEK * number for number in range((last - first) // _WEEK + 1)]


def _month_slots(firsts: Sequence[date]) -> list[str]:
    """The month's name, with the year below the first and below each January."""
    return [f"{day:%b}\n{day:%Y}" if not n or day.month == 1 else f"{day:%b}" for n, day in enumerate(firsts)]


def _week_slots(mondays: Sequence[date]) -> list[str]:
    """The month's name below its first Monday, nothing below the others; the year below the first and each January."""
    named = [n for n, day in enumerate(mondays) if day.day <= 7]
    if not named or named[0] > 2:  # a first month that is cut off gets its name too, if there is room
        named.insert(0, 0)
    labels = [""] * len(mondays)
    for n in named:
        opens_year = n == named[0] or mondays[n].month == 1
        labels[n] = f"{mondays[n]:%b}\n{mondays[n]:%Y}" if opens_year else f"{mondays[n]:%b}"
    return labels
