"""What the governor tells: the ledger it writes, and the fleet that the ledger folds into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from time import perf_counter
from typing import TypeVar

from runtime.domain.errors import FleetwardError
from runtime.domain.model_state import ModelState
from runtime.domain.state import FleetState
from runtime.telemetry import families as f
from runtime.telemetry.durations import Durations
from runtime.telemetry.samples import Names, Sample

_Given = TypeVar("_Given")
_Answer = TypeVar("_Answer")


class Commits:
    """Group commits since the last export, counted by the thread that commits."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._durations, self._ended = Durations(), Counter[str]()

    def timed(
        self, commit: Callable[[Sequence[_Given]], list[list[_Answer]]]
    ) -> Callable[[Sequence[_Given]], list[list[_Answer]]]:
        """The same commit, counted: how long it took, and how its drafts ended."""

        def counted(commands: Sequence[_Given]) -> list[list[_Answer]]:
            started = perf_counter()
            answers = commit(commands)
            refused = sum(isinstance(each, FleetwardError) for command in answers for each in command)
            with self._lock:
                self._durations.add(perf_counter() - started)
                self._ended["refused"] += refused
                self._ended["recorded"] += sum(map(len, answers)) - refused
            return answers

        return counted

    def take(self) -> list[Sample]:
        """What was counted since this was last called."""
        with self._lock:
            durations, self._durations = self._durations, Durations()
            ended, self._ended = self._ended, Counter()
        return [
            Sample(f.COMMITS, (), durations.count),
            Sample(f.COMMIT_SECONDS, (), durations.seconds),
            *(Sample(f.COMMIT_WITHIN, (le,), count) for le, count in durations.within()),
            *(Sample(f.RECORDED, (name,), count) for name, count in ended.items()),
        ]


def fleet_samples(state: FleetState) -> Iterator[Sample]:
    """The fleet in gauges. What is none is told as 0, so that an alert sees it end."""
    yield Sample(f.LEDGER_SIZE, (), state.size)
    yield Sample(f.TICKS_UNTIL, (), max(state.ticks_until.timestamp(), 0.0))
    models = state.models.values()
    doing = Counter(_doing(model) for model in models)
    for name in ("serving", "rolling out", "due", "retraining", "suspended", "retired", "idle"):
        yield Sample(f.MODELS, (name,), doing[name])
    stages = Counter(model.rollout.current.stage.value for model in models if model.rollout is not None)
    for name in ("shadow", "canary", "full"):
        yield Sample(f.ROLLOUTS, (name,), stages[name])
    is_open = Counter(each.opened.about.value for each in state.findings.values() if each.answered is None)
    for name in ("data_drift", "performance"):
        yield Sample(f.OPEN_FINDINGS, (name,), is_open[name])
    ended = Counter(_ended(each.finished, each.succeeded) for each in state.batches.values())
    for name in ("running", "succeeded", "failed"):
        yield Sample(f.RETRAININGS, (name,), ended[name])
    totals = state.totals
    for name in ("decisions", "outcomes", "lost", "dropped", "refused_loads", "refused_commands", "refused_requests"):
        yield Sample(f.RECORDS, (name,), getattr(totals, name))
    names = Names(state.models)
    for model in models:
        if names.keeps(model.name):
            yield Sample(f.MODEL_FINDINGS, (model.name,), model.findings)


def _doing(model: ModelState) -> str:
    """What a model is doing: the first of these that is so."""
    if model.retired:
        return "retired"
    if model.suspended:
        return "suspended"
    if model.rollout is not None:
        return "rolling out"
    if model.batch is not None:
        return "retraining"
    if model.due is not None:
        return "due"
    return "idle" if model.champion is None else "serving"


def _ended(finished: bool, succeeded: bool) -> str:  # noqa: FBT001 - the two fields of a batch
    if not finished:
        return "running"
    return "succeeded" if succeeded else "failed"
