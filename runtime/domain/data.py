"""The ``data`` part of a spec: where rows come from, which columns they have, and what must hold of each row.

    source: package.module:callable                        a pandas DataFrame
    source: {parquet: s3://bucket/flights/}                files, read by Ray Data: more than memory holds is fine
    source: {csv: [a.csv, b.csv]}
    source: {sql: "SELECT ...", connection: WAREHOUSE}     a database; the variable holds its address
    source: {delta: s3://bucket/table}                     a Delta table
    source: {iceberg: flights.departures, catalog: {...}}  an Iceberg table
    source: {decisions: flights}                           what a spec's models answered, with the outcomes told since

A row that breaks a check goes into quarantine with what it broke, and the rest go on, up to ``bad_rows``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.terms import Duration, Share
from runtime.domain.training import Named, Period, Variable

Paths = Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)]


class ParquetSource(Document):
    """Parquet files or folders of them; folders named ``column=value`` are columns."""

    parquet: Paths


class CsvSource(Document):
    """CSV files with a header line."""

    csv: Paths


class SqlSource(Document):
    """What a query gives. ``connection`` names the environment variable that holds the database's SQLAlchemy URL."""

    sql: str = Field(min_length=1)
    connection: Variable


class DeltaSource(Document):
    """A Delta table, at ``version`` or as it is now. Needs the package ``deltalake``."""

    delta: str = Field(min_length=1)
    version: int | None = Field(default=None, ge=0)


class IcebergSource(Document):
    """An Iceberg table of a catalog, at ``snapshot`` or as it is now. Needs the package ``pyiceberg``."""

    iceberg: str = Field(min_length=1)
    catalog: dict[str, str] = {}
    snapshot: int | None = None


class DecisionsSource(Document):
    """Recorded decisions whose outcomes are known: of a spec's models, by the spec's name, or of one model by its own.

    Time is a decision's event time. Those younger than ``outcomes_after`` (absent, that of ``monitor``) are left out
    even if their outcome is there: else what ends soon would stand for everything.
    """

    decisions: Paths
    outcomes_after: Duration | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of specs or models."""
        return (self.decisions,) if isinstance(self.decisions, str) else self.decisions


READ = {
    "parquet": ParquetSource,
    "csv": CsvSource,
    "sql": SqlSource,
    "delta": DeltaSource,
    "iceberg": IcebergSource,
    "decisions": DecisionsSource,
}
"""What is no callable, by the field that says so. All but decisions are read by Ray Data."""

_PYTHON = "a callable"


def _source_tag(value: Any) -> str | None:
    if isinstance(value, str):
        return _PYTHON
    kind = _kind_of(value, READ)
    return f"a source of {kind}" if kind else None


def _kind_of(value: Any, kinds: Iterable[str]) -> str | None:
    """Which of the kinds a document or its mapping is: the first that is one of its fields."""
    keys = type(value).model_fields if isinstance(value, Document) else value
    return next((kind for kind in kinds if kind in keys), None) if isinstance(keys, dict) else None


Source = Annotated[
    Annotated[Named, Tag(_PYTHON)]
    | Annotated[ParquetSource, Tag("a source of parquet")]
    | Annotated[CsvSource, Tag("a source of csv")]
    | Annotated[SqlSource, Tag("a source of sql")]
    | Annotated[DeltaSource, Tag("a source of delta")]
    | Annotated[IcebergSource, Tag("a source of iceberg")]
    | Annotated[DecisionsSource, Tag("a source of decisions")],
    Discriminator(
        _source_tag,
        custom_error_type="source",
        custom_error_message="expected package.module:callable, or one of {parquet: PATH}, {csv: PATH}, "
        "{sql: QUERY, connection: VARIABLE}, {delta: PATH}, {iceberg: TABLE} and {decisions: SPEC}",
    ),
]


def is_framed(source: Any) -> bool:
    """Whether its rows come as one frame in the job's memory, without a Ray."""
    return isinstance(source, str | DecisionsSource)


class ColumnCheck(Document):
    """What must hold of a column in every row; a missing value breaks only ``missing: false``."""

    column: str
    min: float | None = None
    max: float | None = None
    one_of: Annotated[tuple[str | float, ...], Field(min_length=1)] | None = None
    matches: str | None = None
    missing: bool = True
    not_in_future: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        rules = self.model_fields_set - {"column"}
        if not rules or (rules == {"missing"} and self.missing):
            raise misfit("column", repr(self.column), "min, max, one_of, matches, missing: false or not_in_future")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise misfit("min", f"{self.min:g}", f"at most max, which is {self.max:g}")
        return self

    @field_validator("matches")
    @classmethod
    def _is_an_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"expected a regular expression ({error})") from error
        return value


class UniqueCheck(Document):
    """No two rows of a partition may agree in all these columns; of those that do, the first stays."""

    unique: tuple[str, ...] = Field(min_length=1)


class SchemaCheck(Document):
    """A pandera ``DataFrameSchema`` of the user's own, as ``package.module:name``."""

    pandera: Named


def _check_tag(value: Any) -> str | None:
    kind = _kind_of(value, ("column", "unique", "pandera"))
    return f"a check of {kind}" if kind else None


RowCheck = Annotated[
    Annotated[ColumnCheck, Tag("a check of column")]
    | Annotated[UniqueCheck, Tag("a check of unique")]
    | Annotated[SchemaCheck, Tag("a check of pandera")],
    Discriminator(
        _check_tag,
        custom_error_type="check",
        custom_error_message="expected a check such as {column: distance, min: 0}, {unique: [flight, time]} or "
        "{pandera: package.module:schema}",
    ),
]


class BadRows(Document):
    """How many rows may break a check: of one partition, else it is skipped; and of all, else the job stops."""

    of_a_partition: Share = 0.05
    of_all: Share = 0.01


class Join(Document):
    """Columns of another source as they were known at a row's own time: never a value from its future.

    Of the rows with the same ``on``, the newest whose ``time`` is not after the row's, and at most ``within`` older.
    ``delay``: how long after its ``time`` a row of the other source was really known.
    """

    source: Source
    on: tuple[str, ...] = Field(min_length=1)
    time: str
    columns: tuple[str, ...] = Field(min_length=1)
    within: Period | None = None
    delay: Duration = timedelta(0)

    @field_validator("source")
    @classmethod
    def _is_a_table(cls, value: Source) -> Source:
        if isinstance(value, DecisionsSource):
            raise misfit("", "decisions", "a table; what was recorded with a decision is joined to it already")
        return value


class RandomSplit(Document):
    """Rows are dealt out by chance, each class in its share, with this seed. Rows that are equal stay together."""

    random: int = Field(ge=0)


class GroupedSplit(Document):
    """Values of a column are dealt out by chance: no value has rows on both sides. A row without one stands alone."""

    grouped: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)


def _split_tag(value: Any) -> str | None:
    if value == "time":
        return "time"
    kind = _kind_of(value, ("random", "grouped"))
    return f"a split {kind}" if kind else None


Split = Annotated[
    Annotated[Literal["time"], Tag("time")]
    | Annotated[RandomSplit, Tag("a split random")]
    | Annotated[GroupedSplit, Tag("a split grouped")],
    Discriminator(
        _split_tag,
        custom_error_type="split",
        custom_error_message="expected time, {random: SEED} or {grouped: COLUMN}",
    ),
]
"""Which rows judge what is trained on the others: in order of time the newest, else as chance deals them out."""


class Data(Document):
    """Where rows come from and what they are made of.

    ``time_zone``: of times that carry none. ``leakage``: a feature that ranks the rows as the target does, up to this
    correlation (Spearman's, of the fewest rows that say anything), knows the answer, and its partition is refused.
    ``split``: how rows that judge are parted from those that train, in the holdout and in every fold; absent, by time.
    ``duplicates``: at most this share of the rows that judge may equal one that trains in target and every feature.
    """

    source: Source
    time: str
    target: str
    features: tuple[str, ...] = Field(min_length=1)
    time_zone: str | None = None
    join: tuple[Join, ...] = ()
    checks: tuple[RowCheck, ...] = ()
    bad_rows: BadRows = BadRows()
    leakage: Share | Literal["allowed"] = 0.9999
    split: Split | None = None
    duplicates: Share | None = None

    @model_validator(mode="after")
    def _target_is_no_feature(self) -> Self:
        if self.target in self.features:
            raise misfit("features", repr(self.target), "features without the target, which would leak into training")
        if self.time in self.features:
            raise misfit("features", repr(self.time), "features without the time, which every new row would exceed")
        if isinstance(self.split, GroupedSplit) and self.split.grouped in {self.time, self.target}:
            raise misfit("split.grouped", repr(self.split.grouped), "a column that is neither the time nor the target")
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        if twice:
            raise misfit("features", ", ".join(twice) + " twice", "distinct names")
        return self

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("expected a time zone such as UTC or America/New_York") from error
        return value

    @property
    def named(self) -> str:
        """The source in one line, for messages and records."""
        return name_of(self.source)

    @property
    def kept_together(self) -> str | None:
        """The column whose values a split keeps on one side."""
        return self.split.grouped if isinstance(self.split, GroupedSplit) else None


def name_of(source: Any) -> str:
    """A source in one line: the callable, the first path, the table, or the start of the query."""
    if isinstance(source, str):
        return source
    kind = _kind_of(source, READ) or ""
    value = getattr(source, kind)
    first = value if isinstance(value, str) else value[0]
    return f"{kind} {first if len(first) <= _SHOWN else first[:_SHOWN] + '...'}"


_SHOWN = 80
