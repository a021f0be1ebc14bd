"""Phrases that sentences are made of: numbers with their nouns, dates, short digests, what was measured."""

from __future__ import annotations

from datetime import datetime

from runtime.domain import events as e
from runtime.domain.metrics import METRICS, Metric, headline, shown, spelled
from runtime.domain.reports import Comparison, EvaluationReport
from runtime.domain.schema import Task

SHOWN = 12
"""Characters of a digest or id that are shown."""


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural unless it is one: ``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def ordinal(number: int) -> str:
    """``1st``, ``12th``."""
    tens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if tens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def short(text: str) -> str:
    """Enough of a digest or id to find it by."""
    return text.removeprefix("sha256:")[:SHOWN]


def day(moment: datetime) -> str:
    """The date."""
    return f"{moment:%Y-%m-%d}"


def minute(moment: datetime) -> str:
    """Date, hour and minute."""
    return f"{moment:%Y-%m-%d %H:%M}"


def listed(names: tuple[str, ...]) -> str:
    """Joined by "and"; ``nobody`` for none."""
    return " and ".join(names) or "nobody"


def partition_in_words(partition: dict[str, str]) -> str:
    """``carrier AA, dest LAX``."""
    return ", ".join(f"{column} {value}" for column, value in partition.items())


def report_in_words(report: EvaluationReport) -> str:
    """How many gates passed, on how many rows, with which error."""
    passed = len(report.gates) - len(report.failures)
    gates = f"{passed} of {count(len(report.gates), 'gate')} passed on {count(report.rows, 'row')}"
    first = headline(report.metrics)
    return gates if first is None else f"{gates}, {spelled(first)} {shown(first, report.metrics[first])}"


def comparison_in_words(comparison: Comparison) -> str:
    """A challenger's error against the champion's, with the interval of their difference."""
    metric = comparison.metric
    mine, theirs = shown(metric, comparison.challenger), shown(metric, comparison.champion)
    numbers = f"challenger {spelled(metric)} {mine} against the champion's {theirs}"
    bounds = ""
    if comparison.low is not None and comparison.high is not None:
        level = f"{comparison.confidence:.0%} confidence"
        low, high = (shown(metric, each, sign="+") for each in (comparison.low, comparison.high))
        bounds = f" (difference {low} to {high} at {level})"
    return f"{numbers} on {count(comparison.rows, 'row')}{bounds}"


def step_in_words(step: e.Step) -> str:
    """A rollout's step: whose traffic, for how long."""
    if step.stage is e.Stage.FULL:
        return "all traffic"
    share = {
        e.Stage.SHADOW: "shadow",
        e.Stage.CANARY: f"canary at {step.share:.0%}",
        e.Stage.BLUE_GREEN: "all traffic with the champion kept beside it",
    }[step.stage]
    held = "" if step.hold is None else f" and {step.hold.total_seconds() / 3600:g} h"
    return f"{share} for {count(step.decisions, 'decision')}{held}"


FOUND = {
    e.FindingKind.DATA_DRIFT: "data drift",
    e.FindingKind.PERFORMANCE: "change of performance",
    e.FindingKind.DATA_QUALITY: "broken data",
    e.FindingKind.SERVICE: "slow or failing answers",
    e.FindingKind.USE: "use beyond what is approved",
    e.FindingKind.GOVERNANCE: "a duty of governance",
}
"""What a finding is about, as people say it."""


def worst_feature(event: e.FindingOpened) -> str:
    """The feature that drifted most; empty for a finding of another kind."""
    if event.about is not e.FindingKind.DATA_DRIFT or not event.features:
        return ""
    first = event.features[0]
    return f", mostly in {first.feature} (PSI {first.psi:.2f})"


def errors_compared(event: e.FindingOpened) -> str:
    """The recent error against the baseline's; empty where there is none."""
    if event.recent is None or event.baseline is None:
        return ""
    named = [metric for metric in METRICS[Task.CLASSIFICATION] if metric.value in event.recent.metrics]
    metric = named[0] if named else Metric.MAE
    recent, baseline = event.recent.error(metric), event.baseline.error(metric)
    if recent is None or baseline is None:
        return ""
    numbers = f"{shown(metric, recent)} against the baseline's {shown(metric, baseline)}"
    return f", recent {spelled(metric.error_name)} {numbers}"
