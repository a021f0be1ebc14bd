"""What is sent to a remote endpoint, and what comes back: columns to bytes, bytes to one number a row.

oip      {inputs: [{name, shape: [rows], datatype, data}]}          {outputs: [{name, shape, data}]}
mlflow   {dataframe_split: {columns, data}}                         {predictions: [...]}
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson

from runtime.domain.schema import FieldKind, Schema
from runtime.domain.training import Remote
from runtime.flavors.base import Columns, Floats


class NotAsAgreed(Exception):
    """An answer that is not of the agreed form."""


def question(remote: Remote, schema: Schema, columns: Columns, rows: int) -> bytes:
    """The body of a request; a missing value is ``null``."""
    values = {field.name: _plain(columns[field.name].tolist()) for field in schema.inputs}
    if remote.speaks == "mlflow":
        data = list(zip(*values.values(), strict=True))
        return orjson.dumps({"dataframe_split": {"columns": list(values), "data": data}})
    inputs = [
        {
            "name": field.name,
            "shape": [rows],
            "datatype": "FP64" if field.kind is FieldKind.NUMBER else "BYTES",
            "data": values[field.name],
        }
        for field in schema.inputs
    ]
    return orjson.dumps({"inputs": inputs})


def answer(remote: Remote, body: bytes, rows: int) -> Floats:
    """One number a row. Raises ``NotAsAgreed``."""
    try:
        document = orjson.loads(body)
        found = document["predictions"] if remote.speaks == "mlflow" else _output(remote, document)
        numbers = np.asarray(found, dtype=np.float64)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise NotAsAgreed(f"its answer cannot be read: {type(error).__name__}: {error}") from error
    if numbers.ndim == 2 and numbers.shape[1] in {1, 2}:
        numbers = numbers[:, -1]
    if numbers.shape != (rows,):
        raise NotAsAgreed(f"its answer has shape {list(numbers.shape)}, where {rows} rows were asked")
    return numbers.copy()


def _output(remote: Remote, document: dict[str, Any]) -> Any:
    outputs = document["outputs"]
    named = [each for each in outputs if remote.output is None or each["name"] == remote.output]
    if not named:
        raise NotAsAgreed(f"its answer has no output {remote.output!r}")
    return np.reshape(named[0]["data"], named[0]["shape"])


def _plain(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
