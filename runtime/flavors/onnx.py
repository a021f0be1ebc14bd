"""The ONNX flavor: a file that its owner brings, whatever made it.

Its graph takes either one matrix of float or double, [rows, columns in schema order], or one tensor for each column,
by name, [rows] or [rows, 1]. A missing number is NaN where a float is taken, and refused where an integer is; a missing
text is the empty text. It answers [rows], [rows, 1], or [rows, 2] of probabilities, of which the second counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.domain.errors import SchemaMismatch
from runtime.domain.ids import Digest
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.flavors.base import Column, Columns, Floats
from runtime.flavors.brought import BroughtPredictor, read_file
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import check_columns
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.session import Session

FLAVOR = "onnx"
FILE = "model.onnx"

_NUMBERS: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_TEXT = "tensor(string)"


class OnnxPredictor(BroughtPredictor):
    """A graph with its columns bound. Raises ``ArtifactInvalid`` if they do not fit, or one row cannot be answered."""

    flavor = FLAVOR

    def __init__(self, session: Session, schema: Schema) -> None:
        super().__init__(schema)
        self.session = session
        self._matrix = _matrix_input(session, schema)
        if self._matrix is None:
            _check_names(session, schema)
        self._try_one()

    def _options(self) -> dict[str, str]:
        """``output`` names the tensor that answers."""
        return {"output": self.session.output}

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``."""
        rows = check_columns(columns, self._schema)
        if not rows:
            return np.empty(0)
        return self.session.run(self._feeds(columns))

    def _feeds(self, columns: Columns) -> dict[str, npt.NDArray[Any]]:
        if self._matrix is not None:
            name, kind = self._matrix
            stacked = np.stack([columns[field.name] for field in self._schema.inputs], axis=1)
            return {name: np.ascontiguousarray(stacked, dtype=kind)}
        feeds = {}
        for field in self._schema.inputs:
            kind, shape = self.session.inputs[field.name]
            values = _tensor(field, columns[field.name], kind)
            feeds[field.name] = values.reshape(-1, 1) if len(shape) == 2 else values
        return feeds

    def _try_one(self) -> None:
        blank = {
            field.name: np.zeros(1) if field.kind is FieldKind.NUMBER else np.array([""], dtype=object)
            for field in self._schema.inputs
        }
        try:
            found = self.session.run(self._feeds(blank))
        except ArtifactInvalid:
            raise
        except Exception as error:
            raise ArtifactInvalid(f"its ONNX graph cannot answer one row: {str(error).splitlines()[0]}") from error
        if len(found) != 1:
            raise ArtifactInvalid(f"its ONNX graph gives {len(found)} answers to one row")


def bring(file: str, digest: Digest | None, output: str | None, schema: Schema) -> OnnxPredictor:
    """The version in a file of the job's folder. Raises ``SpecError``, ``ArtifactInvalid``."""
    return OnnxPredictor(Session(read_file("train.onnx.file", file, digest), output or ""), schema)


def files(predictor: OnnxPredictor) -> dict[str, bytes]:
    """The file as it was brought."""
    return {FILE: predictor.session.model}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> OnnxPredictor:
    """The predictor of a manifest and its file. Raises ``ArtifactInvalid``."""
    if list(files) != [FILE]:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {FILE}")
    return OnnxPredictor(Session(files[FILE], (manifest.options or {}).get("output", "")), manifest.model_schema)


def _matrix_input(session: Session, schema: Schema) -> tuple[str, Any] | None:
    """Name and type of the one matrix that the graph takes; None if it takes columns by name."""
    names = [field.name for field in schema.inputs]
    if len(session.inputs) != 1 or list(session.inputs) == names:
        return None
    ((name, (kind, shape)),) = session.inputs.items()
    if kind not in {"tensor(float)", "tensor(double)"} or len(shape) != 2:
        raise ArtifactInvalid(f"its ONNX graph takes {name} as {kind} of {len(shape)} dimensions; expected a matrix")
    if isinstance(shape[1], int) and shape[1] != len(names):
        raise ArtifactInvalid(f"its ONNX graph takes {shape[1]} columns, its schema has {len(names)}")
    if schema.texts:
        raise ArtifactInvalid(f"its ONNX graph takes numbers alone, its schema has the text {schema.texts[0]!r}")
    return name, _NUMBERS[kind]


def _check_names(session: Session, schema: Schema) -> None:
    given = {field.name: field.kind for field in schema.inputs}
    for name, (kind, shape) in session.inputs.items():
        if name not in given:
            raise ArtifactInvalid(f"its ONNX graph takes {name!r}, which is no column; columns are {', '.join(given)}")
        fits = kind == _TEXT if given[name] is FieldKind.TEXT else kind in _NUMBERS
        if not fits or len(shape) not in {1, 2}:
            raise ArtifactInvalid(f"its ONNX graph takes {name!r} as {kind}, where the column is {given[name].value}")
    if unused := [name for name in given if name not in session.inputs]:
        raise ArtifactInvalid(f"its ONNX graph does not take the column {unused[0]!r}")


def _tensor(field: Field, values: Column, kind: str) -> npt.NDArray[Any]:
    if field.kind is FieldKind.TEXT:
        return np.array(["" if value is None else value for value in values.tolist()], dtype=object)
    wanted = _NUMBERS[kind]
    if wanted in {np.float32, np.float64}:
        return values.astype(wanted)
    if not np.isfinite(values).all():
        raise SchemaMismatch(field.name, "a missing value", f"a number: the model takes it as {kind}")
    cast: npt.NDArray[Any] = values.astype(wanted)
    if not np.array_equal(cast, values):
        raise SchemaMismatch(field.name, "a number with a fraction or out of range", f"what fits {kind}")
    return cast
