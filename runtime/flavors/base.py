"""What a loaded version can do, whatever library trained it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.domain.schema import Schema

Column: TypeAlias = npt.NDArray[Any]
"""One input column, shape [rows]: float64 with NaN for missing, or object with text and None for missing."""

Columns: TypeAlias = Mapping[str, Column]

Floats: TypeAlias = npt.NDArray[np.float64]


class Predictor(Protocol):
    """A version in memory, ready to answer; safe to call from several threads."""

    @property
    def schema(self) -> Schema:
        """The columns it takes and gives."""
        ...

    def predict(self, columns: Columns) -> Floats:
        """One prediction a row, shape [rows]. Raises ``SchemaMismatch`` if a column is missing or not 1-D alike."""
        ...
