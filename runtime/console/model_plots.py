"""The pictures of a model's monitoring report: evidence over time, errors over time, and one of each feature."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from runtime.console.plots import BLUE, GREY, ORANGE, SKY, VERMILLION, Plot
from runtime.console.svg import MUTED, Drawing
from runtime.domain.events import FindingKind
from runtime.domain.monitored import FeatureReport, MonitoringReport

SHOWN_FEATURES = 12
"""So many features are drawn; the table has them all."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 12.0, 34.0, 30.0
_COLOURS = {FindingKind.DATA_DRIFT: SKY, FindingKind.PERFORMANCE: VERMILLION}


def evidence(report: MonitoringReport) -> Plot | None:
    """Log evidence at the end of each tick, with the threshold of an alarm, and what the ledger tells beside."""
    ticks = report.ticks
    if not ticks:
        return None
    title = f"{report.alarms} of {len(ticks)} ticks ended in an alarm"
    top = max(report.log_threshold * 1.15, *(tick.log_evidence for tick in ticks))
    frame = _Frame(Drawing(240), (report.since, report.until), top, "log evidence")
    drawing = frame.drawing
    limit = frame.y(report.log_threshold)
    drawing.line(_LEFT, limit, drawing.width - _RIGHT, limit, VERMILLION)
    points = [(frame.x(tick.end), frame.y(max(tick.log_evidence, 0.0))) for tick in ticks]
    drawing.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), "none", BLUE)
    for tick, (x, y) in zip(ticks, points, strict=True):
        hint = f"{tick.end:%Y-%m-%d %H:%M}: {tick.log_evidence:.2f} of {tick.rows} rows"
        drawing.rect(x - 2, y - 2, 4, 4, VERMILLION if tick.alarm else BLUE, hint)
    for found in report.findings:
        hint = f"{found.as_of:%Y-%m-%d}: finding, {found.about.value}"
        drawing.rect(frame.x(found.as_of) - 1, _TOP, 2, drawing.height - _TOP - _BOTTOM, _COLOURS[found.about], hint)
    drawing.legend(
        _LEFT + 130, 14, [("evidence", BLUE), ("alarm", VERMILLION), *((k.value, c) for k, c in _COLOURS.items())]
    )
    caption = (
        f"Natural logarithm, computed again from recorded rows; an alarm at {report.log_threshold:.2f}, after which it "
        "begins anew. Below 0 it is drawn as 0. Upright lines are findings that stand in the ledger."
    )
    return Plot(title, caption, drawing.render(f"Line of log evidence over time. {title}."))


def errors(report: MonitoringReport) -> Plot | None:
    """Mean absolute error by period."""
    if not report.periods or report.window is None:
        return None
    expected = report.baseline.mae
    title = f"Mean absolute error {report.window.mae:.3g}, of the baseline {expected:.3g}"
    top = max(expected, *(period.performance.mae for period in report.periods)) * 1.1
    frame = _Frame(Drawing(220), (report.since, report.until), top, f"MAE of {report.target}")
    drawing = frame.drawing
    drawing.line(_LEFT, frame.y(expected), drawing.width - _RIGHT, frame.y(expected), ORANGE)
    points = [(frame.x(period.start), frame.y(period.performance.mae)) for period in report.periods]
    drawing.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), "none", BLUE)
    for period, (x, y) in zip(report.periods, points, strict=True):
        of = period.performance
        drawing.rect(x - 2, y - 2, 4, 4, BLUE, f"from {period.start:%Y-%m-%d %H:%M}: {of.mae:.4g} over {of.rows} rows")
    drawing.legend(_LEFT + 170, 14, [("served", BLUE), ("baseline", ORANGE)])
    caption = "Rows whose outcomes are known, whichever version answered them, by the time they are of."
    return Plot(title, caption, drawing.render(f"Line of the mean absolute error over time. {title}."))


def features(report: MonitoringReport) -> list[tuple[FeatureReport, Markup]]:
    """The features that moved most surely, each with its two histograms."""
    return [(feature, histograms(feature)) for feature in report.features[:SHOWN_FEATURES]]


def histograms(feature: FeatureReport) -> Markup:
    """Bars of the baseline in grey, of the window in blue over them."""
    drawing = Drawing(132, width=420)
    ground, left = 112.0, 8.0
    top = max((max(share.baseline, share.window) for share in feature.shares), default=0.0) or 1.0
    slot = (drawing.width - 2 * left) / len(feature.shares)
    drawing.line(left, ground, drawing.width - left, ground)
    for place, share in enumerate(feature.shares):
        x = left + place * slot
        hint = f"{share.label}: baseline {share.baseline:.1%}, window {share.window:.1%}"
        for value, colour, inset in ((share.baseline, GREY, 0.06), (share.window, BLUE, 0.28)):
            height = value / top * (ground - 20)
            drawing.rect(x + slot * inset, ground - height, slot * (1 - 2 * inset), height, colour, hint)
    drawing.text(left, ground + 14, feature.shares[0].label[:26], size=10.5, fill=MUTED)
    drawing.text(drawing.width - left, ground + 14, "missing", anchor="end", size=10.5, fill=MUTED)
    drawing.text(left, 11, f"largest share {top:.0%}", size=10.5, fill=MUTED)
    words = "; ".join(f"{share.label} {share.baseline:.3f} and {share.window:.3f}" for share in feature.shares)
    return drawing.render(f"Shares of {feature.name} in the baseline and in the window: {words}.")


class _Frame:
    """Time from left to right, values from 0 upwards with lines at round numbers: the frame of a bar chart."""

    def __init__(self, drawing: Drawing, reach: tuple[datetime, datetime], top: float, y_label: str) -> None:
        self.drawing, self._reach, self._top = drawing, reach, max(top, 1e-9)
        drawing.text(4, 14, y_label, fill=MUTED)
        for number in range(5):
            value = self._top * number / 4
            drawing.line(_LEFT, self.y(value), drawing.width - _RIGHT, self.y(value))
            drawing.text(_LEFT - 7, self.y(value) + 4, f"{value:.3g}", anchor="end", fill=MUTED)
        for moment in _moments(reach):
            drawing.text(self.x(moment), drawing.height - 8, f"{moment:%d %b %Y}", anchor="middle", fill=MUTED)

    def x(self, moment: datetime) -> float:
        """Where a moment lies."""
        first, last = self._reach
        share = (moment - first) / max(last - first, timedelta(microseconds=1))
        return _LEFT + min(max(share, 0.0), 1.0) * (self.drawing.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """The height of a value."""
        ground = self.drawing.height - _BOTTOM
        return ground - value / self._top * (ground - _TOP)


def _moments(reach: tuple[datetime, datetime]) -> Sequence[datetime]:
    first, last = reach
    return [first + (last - first) * share for share in (0.08, 0.36, 0.64, 0.92)]
