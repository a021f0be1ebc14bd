"""Small pictures of the console, beside those of the reports, drawn with the same pen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from runtime.console.model_plots import histograms
from runtime.console.plots import BLUE, GREY, ORANGE, SKY, VERMILLION, Plot
from runtime.console.svg import MUTED, Drawing
from runtime.domain.monitored import FeatureReport, Share

_SPARK = Markup(
    '<svg class="spark" viewBox="0 0 {:d} 20" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">{}{}</svg>'
)
_BARS = Markup('<path d="{}" fill="{}"/>')
_WEEK_WIDTH = 4


def spark(alarms: Mapping[str, Sequence[int]]) -> Markup | str:
    """Alarms by week as bars, those of errors below the others; nothing where there were none."""
    errors, others = alarms["performance"], alarms["other"]
    total = sum(errors) + sum(others)
    if not total:
        return ""
    low, high = [], []
    for week, (error, other) in enumerate(zip(errors, others, strict=True)):
        x, of_errors = week * _WEEK_WIDTH, _height(error)
        of_others = min(_height(other), 20 - of_errors)
        if error:
            low.append(f"M{x} 20v-{of_errors}h3v{of_errors}z")
        if of_others:
            high.append(f"M{x} {20 - of_errors}v-{of_others}h3v{of_others}z")
    words = f"{total} {'alarm' if total == 1 else 'alarms'} in {len(errors)} weeks, {sum(errors)} about errors"
    return _SPARK.format(
        len(errors) * _WEEK_WIDTH, words, _BARS.format("".join(low), VERMILLION), _BARS.format("".join(high), SKY)
    )


def _height(alarms: int) -> int:
    """One alarm is seen, five fill the line."""
    return min(20, 6 + 3 * alarms) if alarms else 0


# --- one model over time ---------------------------------------------------------------------------

_LEFT, _RIGHT = 92.0, 12.0
_LANES = ("versions", "rollouts", "retraining", "drift", "errors")
_LANE = 22.0
_PLOT = 150.0


def timeline(history: Mapping[str, Any], metric: str) -> Plot | None:
    """A model's life in data time: its errors as the ledger has them, and below what happened."""
    points = _errors(history, metric)
    marks = _marks(history)
    moments = [*(moment for moment, *_ in points), *(moment for moment, *_ in marks)]
    if not moments:
        return None
    first, last = min(moments), max(moments)
    span = max(last - first, timedelta(days=1))
    drawing = Drawing(_PLOT + _LANE * len(_LANES) + 44)

    def x(moment: datetime) -> float:
        return _LEFT + (moment - first) / span * (drawing.width - _LEFT - _RIGHT - 6)

    _draw_errors(drawing, points, metric, x)
    for at, lane in enumerate(_LANES):
        y = _PLOT + 14 + _LANE * at
        drawing.line(_LEFT, y + _LANE - 3, drawing.width - _RIGHT, y + _LANE - 3)
        drawing.text(4, y + 13, lane, fill=MUTED)
    for moment, lane, colour, shape, hint in marks:
        _draw_mark(drawing, x(moment), _PLOT + 14 + _LANE * _LANES.index(lane), colour, shape, hint)
    for share in (0.0, 0.33, 0.66, 1.0):
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        drawing.text(
            x(first + span * share), drawing.height - 8, f"{first + span * share:%d %b %Y}", anchor=anchor, fill=MUTED
        )
    found = sum(lane in {"drift", "errors"} for _, lane, *_ in marks)
    promoted = sum(event["kind"] == "version_promoted" for event in history["events"])
    title = f"{promoted} promoted, {found} found, over {max(span.days, 1)} days of data"
    caption = (
        f"In the data's own time. Errors ({metric}) are those that the ledger holds: of tests at the gates, of "
        "rollouts (challenger and champion on the same rows), and recent ones that a finding told. A filled triangle "
        "is a promotion, one that points down a rollback; hover for the entry."
    )
    words = "; ".join(f"{moment:%Y-%m-%d} {hint}" for moment, _, _, _, hint in marks[-40:])
    return Plot(title, caption, drawing.render(f"Timeline. {title}. {words}"))


_Point = tuple[datetime, float, str, str]
_Mark = tuple[datetime, str, str, str, str]


def _errors(history: Mapping[str, Any], metric: str) -> list[_Point]:
    """(when, error, colour, what it is of), oldest first."""
    found: list[_Point] = []
    as_of = {each["version"]: each["as_of"] for each in history["events"] if each["kind"] == "version_registered"}
    for event in history["events"]:
        if event["kind"] == "version_evaluated" and event["version"] in as_of:
            value = error_in(event["metrics"], metric)
            if value is not None:
                moment = _moment(as_of[event["version"]])
                found.append((moment, value, GREY, f"version {event['version']} tested"))
        elif event["kind"] == "rollout_measured" and event["comparison"]["metric"] == metric.removeprefix("1 - "):
            moment, compared = _moment(event["as_of"]), event["comparison"]
            found.append((moment, compared["champion"], BLUE, "champion in a rollout"))
            found.append((moment, compared["challenger"], ORANGE, f"version {event['version']} in a rollout"))
    for finding in history["findings"]:
        recent = finding.get("recent")
        value = None if recent is None else error_in(recent, metric)
        if value is not None:
            found.append((_moment(finding["as_of"]), value, VERMILLION, "recent, as a finding told"))
    return sorted(found)


def error_in(metrics: Mapping[str, Any], metric: str) -> float | None:
    """The error of that name among metrics: the metric itself, or what it lacks of 1."""
    name = metric.removeprefix("1 - ")
    value = metrics.get(name)
    if not isinstance(value, int | float):
        return None
    return 1.0 - value if metric.startswith("1 - ") else float(value)


def _draw_errors(drawing: Drawing, points: Sequence[_Point], metric: str, x: Any) -> None:
    top = max((value for _, value, _, _ in points), default=1.0) * 1.1 or 1.0
    ground = _PLOT

    def y(value: float) -> float:
        return ground - value / top * (ground - 30)

    for number in range(4):
        value = top * number / 3
        drawing.line(_LEFT, y(value), drawing.width - _RIGHT, y(value))
        drawing.text(_LEFT - 7, y(value) + 4, f"{value:.3g}", anchor="end", fill=MUTED)
    drawing.text(4, 14, metric, fill=MUTED)
    told = [(moment, value) for moment, value, colour, _ in points if colour in {VERMILLION, BLUE}]
    if len(told) > 1:
        drawing.path("M" + "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in told), "none", BLUE)
    for moment, value, colour, of in points:
        drawing.rect(x(moment) - 3, y(value) - 3, 6, 6, colour, f"{moment:%Y-%m-%d}: {value:.4g}, {of}")
    drawing.legend(
        _LEFT + 70,
        14,
        [("served, recent", VERMILLION), ("champion", BLUE), ("challenger", ORANGE), ("tested", GREY)],
    )


def _marks(history: Mapping[str, Any]) -> list[_Mark]:
    as_of = {each["version"]: each["as_of"] for each in history["events"] if each["kind"] == "version_registered"}
    found: list[_Mark] = []
    for event in history["events"]:
        told = event.get("as_of") or as_of.get(event.get("version", 0))
        lane = _EVENT_LANES.get(event["kind"])
        if told is None or lane is None:
            continue
        name, colour, shape, words = lane
        number = f" {event['version']}" if "version" in event else ""
        found.append((_moment(told), name, colour, shape, f"{words}{number} (entry {event['seq']})"))
    for finding in history["findings"]:
        is_error = finding["about"] == "performance"
        hint = f"finding: {finding['about'].replace('_', ' ')} (entry {finding['entry']})"
        colour = VERMILLION if is_error else SKY
        found.append((_moment(finding["as_of"]), "errors" if is_error else "drift", colour, "bar", hint))
    return sorted(found, key=lambda mark: (mark[0], mark[3] in {"up", "down"}))  # promotions are painted last


_EVENT_LANES = {
    "version_registered": ("versions", GREY, "box", "version"),
    "version_refused": ("versions", ORANGE, "box", "refused version"),
    "version_promoted": ("versions", BLUE, "up", "promoted version"),
    "rolled_back": ("versions", VERMILLION, "down", "rolled back version"),
    "rollout_started": ("rollouts", SKY, "box", "rollout of version"),
    "rollout_measured": ("rollouts", BLUE, "bar", "measured version"),
    "rollout_aborted": ("rollouts", ORANGE, "box", "aborted version"),
    "retraining_started": ("retraining", BLUE, "box", "retraining started"),
    "training_failed": ("retraining", ORANGE, "box", "training failed"),
}


def _draw_mark(drawing: Drawing, x: float, y: float, colour: str, shape: str, hint: str) -> None:
    if shape == "bar":
        drawing.rect(x - 1.5, y + 1, 3, 15, colour, hint)
    elif shape == "box":
        drawing.rect(x - 4, y + 4, 8, 8, colour, hint)
    else:
        tip, foot = (y + 1, y + 13) if shape == "up" else (y + 13, y + 1)
        drawing.path(f"M{x - 6:.1f} {foot:.1f}L{x + 6:.1f} {foot:.1f}L{x:.1f} {tip:.1f}z", colour)
        drawing.rect(x - 6, y + 1, 12, 12, "transparent", hint)


# --- features over time ----------------------------------------------------------------------------

_STEPS = (
    (0.05, "#f0f0f0", "PSI below 0.05"),
    (0.1, "#fddbc7", "to 0.1"),
    (0.2, "#ef8a62", "to 0.2"),
    (float("inf"), "#b2182b", "above"),
)
_MOST_ROWS, _MOST_COLUMNS = 24, 60


def heatmap(findings: Sequence[Mapping[str, Any]]) -> Plot | None:
    """How far each feature had moved when each finding was told: a column a finding, a row a feature."""
    told = [each for each in findings if each["features"]][-_MOST_COLUMNS:]
    if not told:
        return None
    largest: dict[str, float] = {}
    for finding in told:
        for each in finding["features"]:
            largest[each["feature"]] = max(largest.get(each["feature"], 0.0), each["psi"])
    names = sorted(largest, key=lambda name: (-largest[name], name))[:_MOST_ROWS]
    rows = {name: at for at, name in enumerate(names)}
    drawing = Drawing(34 + 20.0 * len(names) + 30)
    left = min(240.0, 20 + 7.0 * max(map(len, names)))
    cell = min((drawing.width - left - 8) / len(told), 60.0)
    for name, at in rows.items():
        drawing.text(left - 7, 34 + 20 * at + 14, name, anchor="end")
    for column, finding in enumerate(told):
        for each in finding["features"]:
            if each["feature"] in rows:
                y = 34 + 20 * rows[each["feature"]]
                hint = f"{finding['as_of'][:10]} {each['feature']}: PSI {each['psi']:.3f}"
                colour = next(colour for limit, colour, _ in _STEPS if each["psi"] < limit)
                drawing.rect(left + cell * column, y, max(cell - 1, 1), 19, colour, hint)
    for column in sorted({0, len(told) // 2, len(told) - 1}):
        drawing.text(left + cell * column, 34 + 20 * len(names) + 18, told[column]["as_of"][:10], fill=MUTED, size=11)
    drawing.legend(left, 16, [(words, colour) for _, colour, words in _STEPS])
    first = names[0]
    title = f"{first} moved most: PSI {largest[first]:.2f}"
    caption = (
        f"The newest {len(told)} findings that told of features, a column each, with the features that moved most. "
        "White: the finding did not tell of it. PSI raises no alarm; it says how far, not how surely."
    )
    words = "; ".join(f"{name} {largest[name]:.3f}" for name in names)
    return Plot(title, caption, drawing.render(f"Heat map of drift by feature. Largest PSI: {words}."))


def evidence_pictures(document: Mapping[str, Any]) -> list[tuple[FeatureReport, Markup]]:
    """A finding's features, each with the histogram of the baseline and of the window."""
    return [(report, histograms(report)) for report in map(_feature, document["features"])]


def _feature(each: Mapping[str, Any]) -> FeatureReport:
    base, window = sum(each["baseline"]) or 1, sum(each["window"]) or 1
    return FeatureReport(
        name=each["feature"],
        kind="numeric",
        log_score=each["log_score"],
        psi=each["psi"],
        js=each["js"],
        missing_rate=each["missing_rate"],
        baseline_missing_rate=each["baseline_missing_rate"],
        unseen=each["unseen"],
        shares=tuple(
            Share(label=label, baseline=old / base, window=new / window)
            for label, old, new in zip(each["labels"], each["baseline"], each["window"], strict=True)
        ),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
