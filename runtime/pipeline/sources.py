"""What a spec's source gives: a DataFrame of a callable, or a Ray Dataset that is read as a stream."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from typing import Any, cast

import pandas as pd
import pyarrow as pa

from runtime.domain.data import (
    CsvSource,
    DeltaSource,
    IcebergSource,
    ParquetSource,
    Source,
    SqlSource,
    name_of,
)
from runtime.domain.errors import DataError
from runtime.domain.spec import Spec


def load_source(spec: Spec) -> pd.DataFrame:
    """All rows of the spec's source in memory; needs a running Ray unless it is a callable. Raises ``DataError``."""
    return load_frame(spec.data.source)


def load_frame(source: Source) -> pd.DataFrame:
    """All rows of a source in memory. Raises ``DataError``."""
    return called(source) if isinstance(source, str) else cast("pd.DataFrame", as_dataset(source).to_pandas())


def called(source: str) -> pd.DataFrame:
    """What a callable gives. Raises ``DataError`` if it cannot be imported, raises, or gives no DataFrame."""
    module, _, function = source.partition(":")
    try:
        give = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise DataError(source, str(error)) from error
    except Exception as error:  # whatever a user's module raises when it is imported
        raise DataError(source, f"it cannot be imported: {type(error).__name__}: {error}") from error
    try:
        frame = give()
    except Exception as error:  # whatever a user's function raises is named with it
        raise DataError(source, f"it raised {type(error).__name__}: {error}") from error
    if not isinstance(frame, pd.DataFrame):
        raise DataError(source, f"it gave a {type(frame).__name__}; expected a pandas DataFrame")
    return frame


def frame_schema(spec: Spec, frame: pd.DataFrame) -> pa.Schema:
    """Columns and types of a DataFrame. Raises ``DataError`` for a column of several types."""
    fields: list[pa.Field] = []
    if twice := sorted({str(name) for name in frame.columns[frame.columns.duplicated()]}):
        raise DataError(spec.data.named, f"column {twice[0]!r} stands there twice")
    for name in frame.columns:
        try:
            fields += pa.Schema.from_pandas(frame[[name]], preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            expected = "expected numbers or text alone"
            raise DataError(
                spec.data.named, f"column {str(name)!r} mixes types: {error.args[0]}; {expected}"
            ) from error
    return pa.schema(fields)


def as_dataset(source: Any) -> Any:
    """A Ray Dataset that reads the source when it is run. Raises ``DataError`` for one that cannot be opened."""
    quiet()
    try:
        dataset = _READERS[type(source)](source)
        dataset.schema()  # opens it: a missing file or table is known here, not in the middle of a job
    except ImportError as error:
        raise DataError(name_of(source), f"it needs a package that is not installed: {error}") from error
    except DataError:
        raise
    except Exception as error:  # each reader has errors of its own
        raise DataError(name_of(source), f"it cannot be read: {_told(error)}") from error
    return dataset


def arrow_schema(source: Any, dataset: Any) -> pa.Schema:
    """Columns and types. Raises ``DataError`` for a source without any row."""
    schema = dataset.schema()
    if schema is None or not schema.names:
        raise DataError(name_of(source), "it has no rows")
    return pa.schema([pa.field(name, _arrow(kind)) for name, kind in zip(schema.names, schema.types, strict=True)])


def _arrow(kind: Any) -> pa.DataType:
    return kind if isinstance(kind, pa.DataType) else pa.from_numpy_dtype(kind)


def quiet() -> None:
    """No progress bars, and no word of Ray Data below a warning."""
    from ray import data

    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns of the line above


def _paths(paths: str | tuple[str, ...]) -> str | list[str]:
    return paths if isinstance(paths, str) else list(paths)


def _parquet(source: ParquetSource) -> Any:
    from ray import data

    return data.read_parquet(_paths(source.parquet))


def _csv(source: CsvSource) -> Any:
    from pyarrow import csv
    from ray import data

    missing = csv.ConvertOptions(strings_can_be_null=True)  # nothing between two commas is no text of length 0
    return data.read_csv(_paths(source.csv), convert_options=missing)


def _sql(source: SqlSource) -> Any:
    from ray import data

    if source.connection not in os.environ:
        raise DataError(name_of(source), f"the environment variable {source.connection} with its address is not set")
    return data.read_sql(source.sql, _Connection(os.environ[source.connection]), override_num_blocks=1)


class _Connection:
    """Opens a DBAPI connection in whichever process reads; the address never stands in a plan that is printed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> Any:
        from sqlalchemy import create_engine

        return create_engine(self._url).raw_connection()


def _delta(source: DeltaSource) -> Any:
    from ray import data

    return data.read_delta(source.delta, version=source.version)


def _iceberg(source: IcebergSource) -> Any:
    from ray import data

    return data.read_iceberg(
        table_identifier=source.iceberg, snapshot_id=source.snapshot, catalog_kwargs=dict(source.catalog) or None
    )


_READERS: dict[type, Callable[[Any], Any]] = {
    ParquetSource: _parquet,
    CsvSource: _csv,
    SqlSource: _sql,
    DeltaSource: _delta,
    IcebergSource: _iceberg,
}


def _told(error: Exception) -> str:
    """The first line of what went wrong in the worker that read, without Ray's account of where."""
    cause = getattr(error, "cause", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
