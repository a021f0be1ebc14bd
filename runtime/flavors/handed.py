"""A version handed to another process: a folder with its artifact, rows to ask it about, and their truth.

folder
├── artifact       the version's bytes
└── rows.json      {columns: {name: [...]}, truth: [...]}       NaN where a number is missing, null where a text is
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.domain.schema import FieldKind
from runtime.flavors import container
from runtime.flavors.base import Column, Columns, Floats, Storable
from runtime.flavors.load import load

ARTIFACT = "artifact"
ROWS = "rows.json"


@dataclass(frozen=True, eq=False)
class Handed:
    """What the other process is given."""

    artifact: bytes
    columns: Columns
    truth: Floats

    def write(self, folder: Path) -> None:
        """Into a folder that is there."""
        columns = {name: column.tolist() for name, column in self.columns.items()}
        rows = {"columns": columns, "truth": self.truth.tolist()}
        (folder / ARTIFACT).write_bytes(self.artifact)
        (folder / ROWS).write_text(json.dumps(rows), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Handed:
        """The inverse. Raises ``ArtifactInvalid``."""
        artifact = (folder / ARTIFACT).read_bytes()
        rows = json.loads((folder / ROWS).read_text(encoding="utf-8"))
        schema = container.unpack(artifact)[0].model_schema
        columns: dict[str, Column] = {
            each.name: np.array(rows["columns"][each.name], np.float64 if each.kind is FieldKind.NUMBER else object)
            for each in schema.inputs
        }
        return cls(artifact, columns, np.array(rows["truth"], dtype=np.float64))

    def model(self) -> Storable:
        """The version. Raises as ``flavors.load``."""
        return load(self.artifact)
