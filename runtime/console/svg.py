"""Drawing as SVG text: marks and bar charts that need no library, no script and no second request.

Everything that is drawn goes through ``Markup.format``, which escapes: names and reasons come from outside.
Lengths are in user units of the view box (about one CSS pixel when the drawing is shown in its own size).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH = 880.0
INK, MUTED, GRID = "#1b1f24", "#57606a", "#d8dee4"

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 12.0, 34.0, 44.0
_WIDEST_SLOT = 120.0

_RECT = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"><title>{}</title></rect>')
_LINE = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{}" fill="{}">{}</text>')
_OPENING = Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">')
_PATH = Markup('<path d="{}" fill="{}" stroke="{}"/>')


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values, one for each slot; ``None`` where there is none."""

    name: str
    colour: str
    values: Sequence[float | None]


@dataclass(slots=True)
class Drawing:
    """Marks, in the order in which they are painted."""

    height: float
    width: float = WIDTH
    _marks: list[Markup] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, fill: str, hint: str = "") -> None:
        """A filled rectangle; ``hint`` is shown under the pointer."""
        self._marks.append(_RECT.format(x, y, max(width, 0), max(height, 0), fill, hint))

    def line(self, x: float, y: float, to_x: float, to_y: float, stroke: str = GRID) -> None:
        """A hair line."""
        self._marks.append(_LINE.format(x, y, to_x, to_y, stroke))

    def path(self, commands: str, fill: str, stroke: str = "none") -> None:
        """Any shape, in SVG's path language."""
        self._marks.append(_PATH.format(commands, fill, stroke))

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: float = 12, fill: str = INK) -> None:
        """One line of text; ``anchor`` is start, middle or end."""
        self._marks.append(_TEXT.format(x, y, anchor, size, fill, words))

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
        """(name, colour) side by side."""
        for name, colour in entries:
            self.rect(x, y - 10, 12, 12, colour)
            self.text(x + 17, y, name)
            x += 17 + 6.6 * len(name) + 22

    def render(self, alt: str) -> Markup:
        """The whole element; ``alt`` says in words what it shows."""
        return _OPENING.format(self.width, self.height, alt) + Markup("").join(self._marks) + Markup("</svg>")


def grouped_bars(slots: Sequence[str], series: Sequence[Series], *, y_label: str, height: float = 300) -> Drawing:
    """Bars side by side in each slot, each with its value above it (one decimal)."""
    chart = _Chart(Drawing(height), slots, _largest(each.values for each in series), y_label, series)
    share = 0.8 / len(series)
    for position, each in enumerate(series):
        for slot, value in enumerate(each.values):
            if value is None:
                continue
            x, width = chart.x(slot + 0.1 + position * share), chart.slot * share * 0.94
            chart.bar(x, width, (0.0, value), each.colour, f"{slots[slot]}: {each.name} {value:.2f}")
            if width > 18:
                chart.drawing.text(x + width / 2, chart.y(value) - 4, f"{value:.1f}", anchor="middle", size=10.5)
    return chart.drawing


def stacked_bars(
    slots: Sequence[str], series: Sequence[Series], *, y_label: str, hints: Sequence[str] = (), height: float = 260
) -> Drawing:
    """Bars of whole counts on top of each other; ``hints`` name the slots where their labels are too few."""
    totals = [sum(each.values[slot] or 0 for each in series) for slot in range(len(slots))]
    chart = _Chart(Drawing(height), slots, _largest([totals]), y_label, series)
    bottoms = [0.0] * len(slots)
    for each in series:
        for slot, value in enumerate(each.values):
            if value:
                reach = (bottoms[slot], bottoms[slot] + value)
                hint = f"{(hints or slots)[slot]}: {each.name} {value:.0f}"
                chart.bar(chart.x(slot + 0.12), chart.slot * 0.76, reach, each.colour, hint)
                bottoms[slot] += value
    if chart.slot > 18:
        for slot, total in ((slot, total) for slot, total in enumerate(totals) if total):
            chart.drawing.text(chart.x(slot + 0.5), chart.y(total) - 4, f"{total:.0f}", anchor="middle", size=10.5)
    return chart.drawing


class _Chart:
    """Axes: slots from left to right, values from 0 upwards with lines at round numbers."""

    def __init__(
        self, drawing: Drawing, slots: Sequence[str], largest: float, y_label: str, series: Sequence[Series]
    ) -> None:
        self.drawing = drawing
        self.slot = min((drawing.width - _LEFT - _RIGHT) / max(len(slots), 1), _WIDEST_SLOT)
        step = _round_step(largest)
        self._top = max(math.ceil(largest * 1.04 / step), 1) * step
        for number in range(round(self._top / step) + 1):
            y = self.y(number * step)
            drawing.line(_LEFT, y, drawing.width - _RIGHT, y)
            drawing.text(_LEFT - 7, y + 4, f"{number * step:g}", anchor="end", fill=MUTED)
        for place, label in enumerate(slots):
            for row, words in enumerate(label.split("\n")):
                drawing.text(self.x(place + 0.5), self.y(0) + 16 + 14 * row, words, anchor="middle", fill=MUTED)
        drawing.text(4, 14, y_label, fill=MUTED)
        names = [(each.name, each.colour) for each in series]
        width = sum(39 + 6.6 * len(name) for name, _ in names)
        drawing.legend(drawing.width - _RIGHT - width + 22, 14, names)

    def x(self, slot: float) -> float:
        """Where a slot begins; fractions lie within it."""
        return _LEFT + slot * self.slot

    def y(self, value: float) -> float:
        """The height of a value."""
        ground = self.drawing.height - _BOTTOM
        return ground - value / self._top * (ground - _TOP)

    def bar(self, x: float, width: float, reach: tuple[float, float], colour: str, hint: str) -> None:
        """A bar from one value up to another."""
        low, high = reach
        self.drawing.rect(x, self.y(high), width, self.y(low) - self.y(high), colour, hint.replace("\n", " "))


def _largest(rows: Iterable[Sequence[float | None]]) -> float:
    return max((value for row in rows for value in row if value is not None), default=0.0)


def _round_step(largest: float) -> float:
    """1, 2 or 5 times a power of ten, so that about five of them reach the largest value."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 5 >= largest)
