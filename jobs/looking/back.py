"""Rows of a past, as many as there are, through the monitor's code on the cluster.

    source -> blocks -> ticks of each model in a block -> by model: sum -> gauge and checks, tick after tick

What travels is counts: a few kilobytes for each tick of a block, however many rows it has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from runtime.domain.data import name_of
from runtime.domain.errors import DataError
from runtime.domain.spec import Spec
from runtime.domain.watched import Monitoring
from runtime.monitoring.past import Counting, Reference, checked, document_of, packed, times_of, unpacked
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.replay import models_of
from runtime.pipeline.sources import arrow_schema, as_dataset, called, quiet
from runtime.statistics.errors import NoEvidence
from runtime.statistics.facts import countable, facts_of
from runtime.statistics.profile import Kind, Profile

REFERENCE_ROWS = 200_000
"""A reference of more rows is a random sample of so many."""
_SEED = 2_600
_MODEL = "__model"

Found = dict[str, Any]
"""JSON values: models by name, each with its ticks and findings; and what was not looked at."""


@dataclass(frozen=True)
class Rows:
    """Rows of the past: where they are, the column of their time, whose they are, and which are looked at."""

    source: Any
    """What ``runtime.domain.data`` describes, or the callable of a spec."""
    time: str
    name: str
    """The model, where no spec says which rows are whose."""
    spec: Spec | None = None
    since: datetime | None = None
    until: datetime | None = None
    only: str | None = None
    """The one model whose rows are looked at."""

    def parts(self, frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows of each model. Raises ``SpecError`` for rows that no model can be named of."""
        if self.spec is None or not self.spec.group_columns:
            yield self.name if self.spec is None else self.spec.name, frame
            return
        for name, rows in frame.groupby(models_of(self.spec, frame), sort=True):
            if self.only in {None, name}:
                yield str(name), rows

    def looked_at(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Those between the bounds; rows without a time stay, to be counted."""
        times = times_of(frame, self.time)
        inside = np.ones(len(frame), dtype=np.bool_)
        if self.since is not None:
            inside &= ~(times < self.since).to_numpy()
        if self.until is not None:
            inside &= ~(times >= self.until).to_numpy()
        return frame[inside]


@dataclass(frozen=True, slots=True)
class Against:
    """What each model's rows are compared with, and by which settings."""

    monitor: Monitoring
    references: Mapping[str, Reference] = field(default_factory=dict)
    """By model; the one under "" is for all."""

    def of(self, model: str) -> Reference | None:
        """A model's."""
        return self.references.get(model) or self.references.get("")


def look_back(rows: Rows, against: Against) -> Found:
    """What a monitor would have found in the rows. Raises ``DataError`` for a source that cannot be used."""
    dataset, names = _opened(rows)
    known = Against(against.monitor, {name: _within(each, names, rows) for name, each in against.references.items()})
    absent = {name: sorted(set(each.features.layout.names) - set(names)) for name, each in against.references.items()}
    given = {"rows": rows, "against": known}
    counted = dataset.map_batches(_count, batch_format="pandas", batch_size=None, fn_kwargs=given)
    ticks: dict[str, list[str]] = {}
    untimed, nobodys = Counter[str](), Counter[str]()
    for each in counted.iter_rows():
        if each["ticks"]:
            ticks.setdefault(each["model"], []).append(each["ticks"])
            untimed[each["model"]] += each["rows"]
        else:
            nobodys[each["model"]] += each["rows"]
    models = _closed(ticks, known)
    for name, found in models.items():
        found["untimed"] = untimed[name]
        found["not_in_the_data"] = absent.get(name, absent.get("", []))
    return {"models": models, "without_a_reference": dict(sorted(nobodys.items()))}


def _within(reference: Reference, names: Sequence[str], rows: Rows) -> Reference:
    try:
        return reference.within(names)
    except NoEvidence as error:
        wanted, there = ", ".join(reference.features.layout.names), ", ".join(names)
        raise DataError(name_of(rows.source), f"no column of the baseline's: {wanted}; columns are {there}") from error


def _count(frame: pd.DataFrame, rows: Rows, against: Against) -> pd.DataFrame:
    """Runs in a worker, on one block: the ticks of its models; of models without a reference how many rows."""
    found = []
    for name, part in rows.parts(rows.looked_at(frame)):
        reference = against.of(name)
        if reference is None:
            found.append((name, "", len(part)))
        else:
            ticks, untimed = Counting(reference, against.monitor, rows.time).ticks(part)
            found.append((name, json.dumps(packed(ticks)), untimed))
    return pd.DataFrame(found, columns=["model", "ticks", "rows"])


def _closed(ticks: Mapping[str, list[str]], against: Against) -> dict[str, Found]:
    from ray import data

    if not ticks:
        return {}
    items = [{"model": name, "parts": parts} for name, parts in sorted(ticks.items())]
    blocks = min(len(items), 2 * cluster_cores())
    told = data.from_items(items, override_num_blocks=blocks).map(partial(_close, against=against))
    found = {each["model"]: json.loads(each["found"]) for each in told.iter_rows()}
    return dict(sorted(found.items()))


def _close(row: dict[str, Any], against: Against) -> dict[str, str]:
    """Runs in a worker, on one model: its ticks are summed and closed in order."""
    name = str(row["model"])
    reference = against.of(name)
    assert reference is not None  # noqa: S101 - its rows were counted with it
    parts = (document for part in row["parts"] for document in json.loads(part))
    closed = checked(name, reference, against.monitor, unpacked(parts, reference))
    return {"model": name, "found": json.dumps(document_of(closed))}


# --- what rows are compared with -------------------------------------------------------------------


def references_before(rows: Rows, moment: datetime, features: Sequence[str] | None = None) -> dict[str, Reference]:
    """Each model's rows before the moment; ``features`` are all columns but the time, unless given.

    Raises ``DataError`` as ``look_back``, for a feature that is no column, and if no row is of a time before.
    """
    dataset, names = _opened(rows)
    wanted = [name for name in (features or names) if name != rows.time]
    if absent := [name for name in wanted if name not in names]:
        raise DataError(name_of(rows.source), f"no column {', '.join(absent)}; columns are {', '.join(names)}")
    before = dataset.map_batches(
        _before, batch_format="pandas", batch_size=None, fn_kwargs={"rows": rows, "moment": moment}
    )
    if rows.spec is None or not rows.spec.group_columns:
        count = before.count()
        if count > REFERENCE_ROWS:
            before = before.random_sample(REFERENCE_ROWS / count, seed=_SEED)
    groups = before.groupby(_MODEL, num_partitions=2 * cluster_cores())
    made = groups.map_groups(_reference, batch_format="pandas", fn_kwargs={"wanted": wanted}).take_all()
    found = {each["model"]: _reference_of(json.loads(each["reference"])) for each in made}
    if not found:
        raise DataError(
            name_of(rows.source), f"no row is of a time before {moment.isoformat()}: nothing to compare with"
        )
    return found


def _before(frame: pd.DataFrame, rows: Rows, moment: datetime) -> pd.DataFrame:
    """Runs in a worker, on one block."""
    early = frame[(times_of(frame, rows.time) < moment).to_numpy()]
    parts = [part.assign(**{_MODEL: name}) for name, part in rows.parts(early)]
    return pd.concat(parts) if parts else early.assign(**{_MODEL: ""})


def _reference(frame: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    """Runs in a worker, on one model; or on no row, of a block that was left empty."""
    if not len(frame):
        return pd.DataFrame({"model": [], "reference": []}, dtype="str")
    if len(frame) > REFERENCE_ROWS:
        frame = frame.sample(REFERENCE_ROWS, random_state=_SEED)
    columns = {name: frame[name].to_numpy() for name in wanted}
    kinds: dict[str, Kind] = {
        name: "numeric" if np.asarray(values).dtype.kind in "iuf" else "categorical" for name, values in columns.items()
    }
    profile = Profile.from_columns(columns, kinds=kinds)
    spans = facts_of(profile, countable(profile, columns)[0], {}, {}).spans
    bounds = {name: span for name, span in spans.items() if kinds[name] == "numeric"}
    document = json.dumps({"features": profile.as_document(), "bounds": bounds})
    return pd.DataFrame({"model": [frame[_MODEL].iloc[0]], "reference": [document]})


def _reference_of(document: dict[str, Any]) -> Reference:
    bounds = {name: (float(low), float(high)) for name, (low, high) in document["bounds"].items()}
    return Reference(Profile.from_document(document["features"]), bounds)


def _opened(rows: Rows) -> tuple[Any, list[str]]:
    """The source as a dataset, and its columns. Raises ``DataError``."""
    if isinstance(rows.source, str):
        from ray import data

        quiet()
        dataset = data.from_pandas(called(rows.source))
    else:
        dataset = as_dataset(rows.source)
    names = list(arrow_schema(rows.source, dataset).names)
    needed = [rows.time, *(() if rows.spec is None else rows.spec.group_columns)]
    if absent := [name for name in needed if name not in names]:
        raise DataError(name_of(rows.source), f"no column {', '.join(absent)}; columns are {', '.join(names)}")
    return dataset, names
