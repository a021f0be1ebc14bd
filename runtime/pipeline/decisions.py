"""Recorded decisions with their outcomes as rows to train on: what production saw, from the ledger and the store.

    segments of decisions ── of the models ── answered ── first of its key ── due ── in the clear ──┐
    segments of outcomes ─── of the models ── first of its key ────────── by model, decision and row ┴── rows

A row has the decision's event time, the outcome as the target, the recorded inputs by their names, and the columns
that part its fleet. Whatever is left out is counted, each row under the first reason that it meets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain import canonical
from runtime.domain.data import DecisionsSource
from runtime.domain.decision import Variant
from runtime.domain.errors import DataError
from runtime.domain.events import ModelDeclared, SegmentContent
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.flags import TESTED
from runtime.domain.fleet import model_name
from runtime.domain.schema import FieldKind, Schema, Task
from runtime.domain.spec import Spec
from runtime.pipeline.production import Past, Production
from runtime.storage.inputs import has_inputs
from runtime.storage.keyed import KEY, first_of_each, with_actuals
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segment_columns import OUTCOME_SCHEMA, SUBJECT_SCHEMA
from runtime.storage.segments import read_segment, recorded_inputs, with_subjects

_KEYS = ("model", *KEY)
_DECIDED = (*_KEYS, "event_time", "version", "variant", "flags", "numbers", "texts", "subject")
_KEPT = [name for name in _DECIDED if name not in {"variant", "flags"}]
_TOLD = (*_KEYS, "actual")


class Left(StrEnum):
    """Why a recorded decision is no row, in the order in which it is asked."""

    DELETED = "deleted: the time of keeping was over (rows of the whole segments)"
    SHADOW = "answers of a shadow, which nobody received"
    TESTED = "asked for by testers"
    REPEATED = "sent again under the same id"
    YOUNG = "too young for an outcome"
    ERASED = "of a data subject that was erased"
    SEALED = "sealed for a data subject"
    UNKNOWN = "without an outcome"
    UNUSABLE = "with an outcome that is no number or no class"
    OTHER = "of versions that take other columns"


@dataclass(frozen=True, eq=False)
class Decided:
    """The rows, and what is to be recorded of how they were read."""

    frame: pd.DataFrame
    document: Mapping[str, Any]

    def kept(self, store: ObjectStore) -> DecisionsRead:
        """What an entry says of it; the rest is an object in the store."""
        return DecisionsRead(
            read=store.put(canonical.encode(self.document)),
            entries=self.document["ledger"]["entries"],
            rows=self.document["rows"],
            left_out=self.document["left_out"],
        )


def decided(
    spec: Spec, production: Production, as_of: datetime | None, wanted: Collection[str] | None = None
) -> Decided:
    """The decisions that the spec's source names, with an outcome and of before ``as_of``, if that is given.

    ``wanted``: only those that become rows of these models. Raises ``DataError`` if there is no such row, if no model
    has the name, or if a segment is gone that no entry calls deleted.
    """
    source = spec.data.source
    if not isinstance(source, DecisionsSource):
        raise TypeError(f"a source of decisions was expected, not {spec.data.named}")
    past = production.past(spec.data.named)
    models = _models(spec, source, past, wanted)
    after = spec.monitor.outcomes_after if source.outcomes_after is None else source.outcomes_after
    until = None if as_of is None else as_of - after
    reading = _Reading(spec, past, models, production.store)
    table = reading.rows(until)
    left = {reason.value: reading.left[reason] for reason in Left if reading.left[reason]}
    if not len(table):
        told = ", ".join(f"{count:,} {what}" for what, count in left.items()) or "none is recorded"
        raise DataError(spec.data.named, f"no decision can be used: {told}")
    document = {
        "models": sorted(models),
        "ledger": {"entries": past.entries, "root": past.root},
        "segments": reading.segments,
        "until": None if until is None else until.isoformat(),
        "rows": len(table),
        "left_out": left,
    }
    return Decided(table.to_pandas(), document)


def _models(
    spec: Spec, source: DecisionsSource, past: Past, wanted: Collection[str] | None
) -> dict[str, ModelDeclared]:
    chosen: dict[str, ModelDeclared] = {}
    for name in source.names:
        own = {model: each for model, each in past.models.items() if name in {each.spec, model}}
        if not own:
            known = ", ".join(sorted({each.spec for each in past.models.values()})) or "none"
            raise DataError(spec.data.named, f"no spec and no model is named {name!r}; specs with models are {known}")
        chosen |= own
    return {name: each for name, each in chosen.items() if wanted is None or _becomes(spec, each, wanted)}


def _becomes(spec: Spec, declared: ModelDeclared, wanted: Collection[str]) -> bool:
    """Whether its decisions may be rows of one of these models; unless its partition says so, they may."""
    if not set(spec.group_columns) <= declared.partition.keys():
        return True
    return model_name(spec, declared.partition) in wanted


@dataclass(frozen=True, eq=False)
class _Reading:
    """One pass over the segments; ``left`` grows by what is left out, ``segments`` by what is read."""

    spec: Spec
    past: Past
    models: Mapping[str, ModelDeclared]
    store: ObjectStore
    left: Counter[Left] = field(default_factory=Counter)
    segments: list[str] = field(default_factory=list)
    """Digests of those that hold a record of the models, in the ledger's order."""

    def rows(self, until: datetime | None) -> pa.Table:
        """What is left, as columns by name."""
        decisions = pa.concat_tables([_EMPTY, *self._decisions(until)]).combine_chunks()
        once = first_of_each(decisions, _KEYS)
        self.left[Left.REPEATED] += len(decisions) - len(once)
        erased = pa.array(sorted(self.past.erased), pa.string())
        rows = self._without(once, pc.is_in(once["subject"], value_set=erased), Left.ERASED)
        rows = self._without(rows, pc.invert(has_inputs(rows)), Left.SEALED)
        told = pa.concat_tables([_NONE_TOLD, *self._tables(SegmentContent.OUTCOMES, _TOLD)]).combine_chunks()
        rows = with_actuals(rows, first_of_each(told, _KEYS), _KEYS)
        return self._columns(self._without(rows, pc.is_null(rows["actual"]), Left.UNKNOWN))

    def _decisions(self, until: datetime | None) -> Iterator[pa.Table]:
        for table in self._tables(SegmentContent.DECISIONS, _DECIDED):
            rows = self._without(table, pc.equal(table["variant"], Variant.SHADOW.value), Left.SHADOW)
            rows = self._without(rows, _tested(rows), Left.TESTED)
            if until is not None:
                young = pc.greater(rows["event_time"], pa.scalar(until, rows["event_time"].type))
                rows = self._without(rows, young, Left.YOUNG)
            yield rows.select(_KEPT)

    def _tables(self, content: SegmentContent, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows of the models, segment after segment; at least one table."""
        for segment in self.past.segments:
            if segment.content is not content:
                continue
            if (of := self.past.deleted.get(segment.digest)) is not None:
                if content is SegmentContent.DECISIONS and self.models.keys() & set(of):
                    self.left[Left.DELETED] += segment.records
                continue
            try:
                table = read_segment(self.store, segment.digest, columns, models=self.models.__contains__)
            except ObjectMissing as error:
                what = f"this segment of {segment.records} {content.value}"
                raise DataError(self.spec.data.named, f"{error}, and no entry says that {what} was deleted") from error
            if len(table):
                self.segments.append(segment.digest)
            if content is SegmentContent.DECISIONS:
                table = with_subjects(table)
            yield table.select(list(columns)).replace_schema_metadata(None)

    def _without(self, table: pa.Table, left: Any, reason: Left) -> pa.Table:
        """The rows that are not left out, which are counted."""
        count = pc.sum(left).as_py() or 0
        self.left[reason] += count
        return table.filter(pc.invert(left)) if count else table

    def _columns(self, rows: pa.Table) -> pa.Table:
        """Version by version: the newest that takes the features says which are numbers."""
        wanted = _wanted(self.spec)
        parts: list[pa.Table] = []
        kinds: dict[str, FieldKind] = {}
        for schema, part in _by_schema(rows, self.past.schemas):
            own = {field.name: field.kind for field in schema.inputs}
            if not wanted <= own.keys() or any(kinds.get(name, own[name]) is not own[name] for name in wanted):
                self.left[Left.OTHER] += len(part)
                continue
            kinds = kinds or own
            told = _actuals(part, schema)
            usable = self._without(part, pc.is_null(told), Left.UNUSABLE)
            if len(usable):
                parts.append(self._named(usable, pc.drop_null(told), schema))
        return pa.concat_tables(parts, promote_options="default") if parts else pa.table({})

    def _named(self, part: pa.Table, told: pa.Array, schema: Schema) -> pa.Table:
        data, owner = self.spec.data, part["model"].combine_chunks().dictionary_encode()
        declared = [self.models[name].partition for name in owner.dictionary.to_pylist()]
        keys = sorted({key for each in self.models.values() for key in each.partition})
        values = {key: pa.array([each.get(key) for each in declared], pa.string()) for key in keys}
        columns = {key: value.take(owner.indices) for key, value in values.items()}
        numbers, texts = recorded_inputs(part)
        for at, name in enumerate(schema.numbers):
            column = pa.array(numbers[:, at], from_pandas=True)
            columns[name] = _as_numbers(columns[name], column) if name in columns else column
        columns |= {name: pa.array(texts[:, at].tolist(), pa.string()) for at, name in enumerate(schema.texts)}
        return pa.table({**columns, data.time: part["event_time"], data.target: told})


def _wanted(spec: Spec) -> set[str]:
    """Features that must have been recorded: those that no join brings."""
    return set(spec.data.features) - {name for join in spec.data.join for name in join.columns}


def _tested(rows: pa.Table) -> pa.Array:
    """Which rows testers asked for."""
    flags = rows["flags"].combine_chunks()
    tested = np.zeros(len(rows), dtype=np.bool_)
    tested[pc.filter(pc.list_parent_indices(flags), pc.equal(pc.list_flatten(flags), TESTED)).to_numpy()] = True
    return pa.array(tested)


def _by_schema(rows: pa.Table, schemas: Mapping[tuple[str, int], Schema]) -> Iterator[tuple[Schema, pa.Table]]:
    """Parts of the rows whose versions take and tell the same, those of the newest versions first."""
    places: dict[str, list[int]] = {}
    newest: dict[str, tuple[int, Schema]] = {}
    spelt = {key: schema.model_dump_json() for key, schema in schemas.items()}
    for place, key in enumerate(zip(rows["model"].to_pylist(), rows["version"].to_pylist(), strict=True)):
        text = spelt[key]
        places.setdefault(text, []).append(place)
        if newest.get(text, (0,))[0] < key[1]:
            newest[text] = key[1], schemas[key]
    for text in sorted(places, key=lambda each: (-newest[each][0], each)):
        yield newest[text][1], rows.take(pa.array(places[text]))


def _actuals(part: pa.Table, schema: Schema) -> pa.Array:
    """The target's values, null where an outcome is none; a class's name where classes have names."""
    actual = part["actual"].to_numpy(zero_copy_only=False).astype(np.float64)
    usable = np.isfinite(actual)
    if schema.task is Task.CLASSIFICATION:
        usable &= np.isin(actual, np.arange(schema.class_count))
    if schema.classes is None:
        return pa.array(actual, mask=~usable)
    place = pa.array(np.where(usable, actual, 0).astype(np.int64), mask=~usable)
    return pa.array(schema.classes, pa.string()).take(place)


def _as_numbers(texts: pa.Array, recorded: pa.Array) -> pa.Array:
    """Values that part the fleet and are a feature too, as numbers that read like the partition's text."""
    for kind in (pa.int64(), pa.float64(), pa.bool_()):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    return recorded


_EMPTY = pa.schema([SUBJECT_SCHEMA.field(name) for name in _KEPT]).empty_table()
_NONE_TOLD = pa.schema([OUTCOME_SCHEMA.field(name) for name in _TOLD]).empty_table()
