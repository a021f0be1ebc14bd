"""Outcomes out of a source handed in to a fleet, over HTTP as any client hands them in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from actors.connect import governor
from actors.credentials import credential_of
from actors.quiescence import ask
from runtime.domain.data import CsvSource, ParquetSource, SqlSource, name_of
from runtime.domain.errors import DataError
from runtime.domain.events import SegmentSealed
from runtime.domain.model_state import ModelState
from runtime.ledger.log import Log
from runtime.pipeline.asking import Request
from runtime.pipeline.outcomes import Columns, Period, Recorded, Sorting, Tally, recorded_of, requests
from runtime.pipeline.replay import CONCURRENT, Replay
from runtime.pipeline.sources import arrow_schema, as_dataset
from runtime.serving.protocols.outcomes import truth_of
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore

OutcomeSource = ParquetSource | CsvSource | SqlSource
Asked = tuple[str, str, str | None, str | None]


def source_of(text: str, connection: str | None) -> OutcomeSource:
    """A query, where a connection is named; else files, by their ending: ``.csv`` is CSV, all else Parquet."""
    if connection is not None:
        return SqlSource(sql=text, connection=connection)
    return CsvSource(csv=text) if text.lower().endswith(".csv") else ParquetSource(parquet=text)


def hand_in(source: OutcomeSource, model: str, columns: Asked, period: Period, url: str) -> Tally:
    """Hands in what of the source's rows is new. ``columns``: of decision ids, actuals, rows and times.

    Raises ``UnknownModel``, and ``DataError`` for a source that cannot be read or lacks a column.
    """
    settings = Settings.from_environment()
    known = ask(governor().model.remote, model)
    dataset, chosen = _opened(source, *columns)
    truth = truth_of(None if known.serving is None else known.serving.registered.schema_)
    sorting = Sorting(chosen, truth, _recorded(known, settings), period)
    sender = Replay(url, credential_of(settings.principal, settings))
    rows = (row for batch in _batches(source, dataset, chosen) for row in sorting.take(batch))
    waiting = requests(model, rows)
    while some := tuple(islice(waiting, CONCURRENT)):
        _send(sender, some, sorting.tally)
    return sorting.tally


def _opened(
    source: OutcomeSource, decision: str, actual: str, row: str | None, time: str | None
) -> tuple[Any, Columns]:
    dataset = as_dataset(source)
    names = arrow_schema(source, dataset).names
    chosen = Columns.found_in(names, decision, actual, row, time)
    if isinstance(source, CsvSource):
        dataset = _texts(source, chosen)
    return dataset.select_columns(list(chosen.names)), chosen


def _texts(source: CsvSource, columns: Columns) -> Any:
    """The columns as texts: what a cell means is not to hang on the other cells of its block."""
    from pyarrow import csv
    from ray import data

    texts = csv.ConvertOptions(column_types=dict.fromkeys(columns.names, pa.string()), strings_can_be_null=True)
    paths = source.csv if isinstance(source.csv, str) else list(source.csv)
    return data.read_csv(paths, convert_options=texts)


def _batches(source: OutcomeSource, dataset: Any, columns: Columns) -> Iterator[pa.Table]:
    """Block by block: joined ones would have to agree on every column's type. Raises ``DataError``."""
    try:
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield batch.select(list(columns.names))
    except Exception as error:  # each reader has errors of its own
        cause = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
        raise DataError(name_of(source), f"it cannot be read to its end: {cause.splitlines()[0]}") from error


def _recorded(model: ModelState, settings: Settings) -> Recorded:
    """Of all that was answered by now: what replicas still hold is sealed first."""
    if model.pool:
        ask(governor().flush.remote, model.pool)
    with Log.open_read_only(settings.database) as log:
        sealed = [entry.event for entry in log.entries(kinds=["segment_sealed"])]
    segments = [event for event in sealed if isinstance(event, SegmentSealed)]
    return recorded_of(ObjectStore.open(settings.store), segments, model.name)


def _send(sender: Replay, some: tuple[Request, ...], tally: Tally) -> None:
    told = sender.tell(some)
    tally.handed_in += told.outcomes
    tally.failed += sum(request.rows for request in some) - told.outcomes
    tally.failures = [*tally.failures, *told.failures][:10]
