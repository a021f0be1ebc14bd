"""One model's watch as a document and parts: everything it holds, so that the one read back goes on as it would have.

What JSON cannot hold exactly (numbers that may be infinite or not a number) and what is long stands in parts: counts
and detector states as ``runtime.statistics.packed`` writes them, columns as Arrow streams.
"""

from __future__ import annotations

import io
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa

from runtime.domain.guards import Guardrail
from runtime.domain.metrics import Metric
from runtime.domain.spec import Spec
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.pairs import RowKey, WaitingRows
from runtime.monitoring.trial import Trial
from runtime.monitoring.watch import TAKEN, Watch
from runtime.statistics.comparison import PairedMoments
from runtime.statistics.errors import CorruptState
from runtime.statistics.packed import model_digest, pack_counts, pack_state, unpack_counts, unpack_state
from runtime.statistics.sequential import Apart, Sums

Document: TypeAlias = dict[str, Any]
Place: TypeAlias = list[int]
"""Where a part stands: [start, length]."""
Columns: TypeAlias = Mapping[str, Sequence[Any]]

COUNTERS = ("unknown_outcomes", "erased", "week", *TAKEN)
WRITTEN = {
    *("model", "version", "spec", "classes", "closed_until", "baseline", "features", "errors", "trial", "recent"),
    *("waiting", "told", "spec_digest", "forecast", "slicing", "checks", "checking"),
    *COUNTERS,
}
"""The fields of a watch. One that is added must be written here as well, or a restart forgets it."""


class Parts:
    """Bytes that are added one after another; each is found again by its place."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, part: bytes) -> Place:
        place = [self._length, len(part)]
        self._parts.append(part)
        self._length += len(part)
        return place

    def table(self, columns: Columns) -> Place:
        """Equally long columns of texts, integers or floats."""
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return self.add(sink.getvalue())

    def joined(self) -> bytes:
        return b"".join(self._parts)


class Taken:
    """The parts, read back. Raises ``CorruptState`` for a place beyond them."""

    def __init__(self, parts: memoryview) -> None:
        self._parts = parts

    def at(self, place: Place) -> bytes:
        start, length = place
        if not 0 <= start <= start + length <= len(self._parts):
            raise CorruptState("a part", f"within {len(self._parts)} bytes", f"{start} and {length} more")
        return bytes(self._parts[start : start + length])

    def table(self, place: Place) -> dict[str, list[Any]]:
        with pa.ipc.open_stream(self.at(place)) as stream:
            columns: dict[str, list[Any]] = stream.read_all().to_pydict()
        return columns


def document_of(watch: Watch, parts: Parts) -> Document:
    """What ``watch_of`` reads; long things go into ``parts``."""
    document: Document = {
        "model": watch.model,
        "version": watch.version,
        "closed_until": _moment(watch.closed_until),
        "checks": watch.checks,
        "counters": {name: getattr(watch, name) for name in COUNTERS},
        "told": parts.table(_told_columns(watch.told)),
        "waiting": [parts.table(columns) for columns in watch.waiting.as_columns()],
        "given_up": watch.waiting.given_up,
        "trial": None if watch.trial is None else _trial_document(watch.trial),
    }
    if watch.version is not None and watch.baseline is not None and watch.spec is not None:
        model = model_digest(watch.model, watch.version)
        gauges = (watch.features, watch.errors)
        document["follows"] = {
            "spec": watch.spec_digest,
            "baseline": watch.baseline.as_document(),
            "gauges": [_gauge_document(gauge, model, parts) for gauge in gauges if gauge is not None],
            "recent": parts.table(_pairs(watch.recent)),
            "forecast": None if watch.forecast is None else watch.forecast.as_document(),
            "slicing": None if watch.slicing is None else watch.slicing.as_document(),
            "sliced": None if watch.slicing is None else parts.table(watch.slicing.as_columns()),
            "checking": None if watch.checking is None else watch.checking.as_document(),
        }
    return document


def watch_of(document: Document, parts: Taken, specs: Mapping[str, Spec]) -> Watch:
    """The inverse. Raises whatever a document raises that does not fit."""
    watch = Watch(document["model"])
    watch.checks = document["checks"]
    follows = document.get("follows")
    if follows is not None:
        _follow(watch, int(document["version"]), follows, parts, specs)
    watch.closed_until = _moment_of(document["closed_until"])
    for name in COUNTERS:
        setattr(watch, name, int(document["counters"][name]))
    watch.told = _told_of(parts.table(document["told"]))
    watch.waiting = WaitingRows.from_columns([parts.table(place) for place in document["waiting"]])
    watch.waiting.given_up = int(document["given_up"])
    watch.trial = None if document["trial"] is None else _trial_of(document["trial"])
    return watch


def _follow(watch: Watch, version: int, follows: Document, parts: Taken, specs: Mapping[str, Spec]) -> None:
    watch.follow(version, Baseline.from_document(follows["baseline"]), specs[follows["spec"]])
    model = model_digest(watch.model, version)
    for gauge, written in zip((watch.features, watch.errors), follows["gauges"], strict=True):
        if gauge is not None:
            _restore(gauge, written, model, parts)
    if watch.checking is not None:
        watch.checking.restore(follows["checking"])
    recent = parts.table(follows["recent"])
    if watch.forecast is not None:
        watch.forecast.restore(follows["forecast"])
    if watch.slicing is not None:
        watch.slicing.restore(follows["slicing"], parts.table(follows["sliced"]))
    watch.recent = deque(zip(recent["answer"], recent["actual"], strict=True), maxlen=watch.recent.maxlen)


# --- gauges ----------------------------------------------------------------------------------------


def _gauge_document(gauge: Gauge, model: bytes, parts: Parts) -> Document:
    return {
        "state": parts.add(pack_state(gauge.state, model)),
        "open_tick": parts.add(pack_counts(gauge.open_tick, model)),
        "window": parts.add(pack_counts(gauge.window, model)),
        "since": _moment(gauge.since),
        "quiet_until": _moment(gauge.quiet_until),
        "sums": [float.hex(gauge.evidence), float.hex(gauge.gained)],
        "unseen": gauge.unseen,
    }


def _restore(gauge: Gauge, written: Document, model: bytes, parts: Taken) -> None:
    layout = gauge.profile.layout
    gauge.state = unpack_state(parts.at(written["state"]), gauge.plan, model)
    gauge.open_tick = unpack_counts(parts.at(written["open_tick"]), layout, model)
    gauge.window = unpack_counts(parts.at(written["window"]), layout, model)
    gauge.since, gauge.quiet_until = _moment_of(written["since"]), _moment_of(written["quiet_until"])
    gauge.evidence, gauge.gained = (float.fromhex(each) for each in written["sums"])
    gauge.unseen = written["unseen"]


# --- rows and trials -------------------------------------------------------------------------------


def _told_columns(told: Mapping[RowKey, float]) -> Columns:
    return {"id": [key[0] for key in told], "row": [key[1] for key in told], "actual": list(told.values())}


def _told_of(columns: Columns) -> OrderedDict[RowKey, float]:
    keys = zip(columns["id"], columns["row"], strict=True)
    return OrderedDict(zip(keys, columns["actual"], strict=True))


def _pairs(rows: Sequence[tuple[float, float]]) -> Columns:
    return {"answer": [row[0] for row in rows], "actual": [row[1] for row in rows]}


def _trial_document(trial: Trial) -> Document:
    return {
        "version": trial.version,
        "champion": trial.champion,
        "step": trial.step,
        "needed": trial.needed,
        "metric": trial.metric.value,
        "classes": trial.classes,
        "guardrail": trial.guardrail.as_document(),
        "cuts": list(trial.cuts),
        "moments": trial.moments.as_document(),
        "excess": trial.excess.as_document(),
        "apart": None if trial.apart is None else trial.apart.as_document(),
        "pairs": [[float.hex(each) for each in pair] for pair in trial.pairs],
        **{name: getattr(trial, name) for name in _OF_TRIALS},
    }


def _trial_of(document: Document) -> Trial:
    names = ("version", "champion", "step", "needed", "classes", *_OF_TRIALS)
    return Trial(
        **{name: document[name] for name in names},
        metric=Metric(document["metric"]),
        guardrail=Guardrail.model_validate(document["guardrail"]),
        cuts=tuple(document["cuts"]),
        moments=PairedMoments.from_document(document["moments"]),
        excess=Sums.from_document(document["excess"]),
        apart=None if document["apart"] is None else Apart.from_document(document["apart"]),
        pairs=[(float.fromhex(mine), float.fromhex(theirs)) for mine, theirs in document["pairs"]],
    )


_OF_TRIALS = ("answered", "failed", "timed", "slow", "told", "ended")


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
