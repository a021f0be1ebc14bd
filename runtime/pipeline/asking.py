"""Rows of a frame as HTTP requests of the Open Inference Protocol, and their truth as outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from runtime.domain.spec import Spec

Positions: TypeAlias = np.ndarray[tuple[int], np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: ``rows`` predictions asked for, or outcomes told."""

    path: str
    body: bytes
    rows: int


class Asking:
    """Makes requests of a frame's rows. Its columns are taken out once, since a year has thousands of requests."""

    def __init__(self, spec: Spec, frame: pd.DataFrame) -> None:
        self._columns = [(feature, *_values(frame[feature])) for feature in spec.data.features]
        _, self._target = _values(frame[spec.data.target])
        if spec.classes is not None:  # by name, since a number would be a class's place in the spec
            self._target = np.array(pa.array(frame[spec.data.target]).cast(pa.string()).to_pylist(), dtype=object)

    def question(self, model: str, rows: Positions, parameters: Mapping[str, str] | None = None) -> Request:
        """What asks a model for a prediction of each row; missing values are null."""
        tensors = [
            {"name": name, "datatype": datatype, "shape": [len(rows)], "data": _data(values[rows])}
            for name, datatype, values in self._columns
        ]
        document = ({"parameters": parameters} if parameters else {}) | {"inputs": tensors}
        return Request(f"/v2/models/{model}/infer", _encode(document), len(rows))

    def outcomes(self, model: str, decision_id: str, rows: Positions) -> Request:
        """What tells the truth about each row of a decision."""
        document = {"decision_id": decision_id, "actuals": _data(self._target[rows])}
        return Request(f"/v2/models/{model}/outcomes", _encode(document), len(rows))


def infer_request(spec: Spec, model: str, part: pd.DataFrame) -> Request:
    """What asks a model for a prediction of each row of ``part``."""
    return Asking(spec, part).question(model, np.arange(len(part)))


def _values(column: pd.Series) -> tuple[str, np.ndarray[tuple[int], np.dtype[np.generic]]]:
    """A column as the protocol types it."""
    if pd.api.types.is_numeric_dtype(column):
        return "FP64", column.to_numpy(dtype=np.float64, na_value=np.nan)
    return "BYTES", column.astype(object).where(column.notna(), None).to_numpy()


def _data(values: np.ndarray[tuple[int], np.dtype[np.generic]]) -> object:
    """Orjson takes arrays of numbers as they are, and writes NaN as null."""
    return values.tolist() if values.dtype == object else values


def _encode(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
