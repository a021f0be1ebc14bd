"""What flavors have in common that see a row as one line of a float64 matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from runtime.domain.schema import PROBABILITY, Schema
from runtime.flavors.base import Columns, Floats
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid


class TabularPredictor(ABC):
    """A fitted model with the encoding of its columns."""

    def __init__(self, schema: Schema, encoding: Encoding) -> None:
        self._schema = schema
        self.encoding = encoding

    @property
    def schema(self) -> Schema:
        """The columns it takes and gives."""
        return self._schema

    @property
    def classifies(self) -> bool:
        """Whether it gives the probability of one of two classes."""
        return self._schema.outputs[0].name == PROBABILITY

    @property
    def used(self) -> tuple[str, ...]:
        """The columns of the matrix: those that were not empty in training."""
        return self.encoding.columns

    @property
    @abstractmethod
    def flavor(self) -> str:
        """The name of its flavor."""

    def manifest(self) -> Manifest:
        """What its artifact says of itself."""
        return Manifest(flavor=self.flavor, model_schema=self._schema, encoding=self.encoding)

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``."""
        return self.predict_matrix(self.encoding.matrix(columns))

    def predict_matrix(self, matrix: Floats) -> Floats:
        """As ``predict``, of columns encoded already; shape [rows, columns of the encoding]."""
        if not len(matrix):
            return np.empty(0)
        if self._schema.gives_class:
            return np.asarray(self._chances(matrix).argmax(axis=1), dtype=np.float64)
        return self._answer(matrix)

    def chances(self, columns: Columns) -> Floats:
        """Of more than two classes, the probability of each, shape [rows, classes]. Raises ``SchemaMismatch``."""
        matrix = self.encoding.matrix(columns)
        if not len(matrix):
            return np.empty((0, self._schema.class_count))
        return self._chances(matrix)

    @abstractmethod
    def _answer(self, matrix: Floats) -> Floats:
        """Of at least one row."""

    @abstractmethod
    def _chances(self, matrix: Floats) -> Floats:
        """As ``chances``, of at least one row."""


def encoding_of(manifest: Manifest, found: object) -> Encoding:
    """The manifest's encoding. Raises ``ArtifactInvalid`` unless it makes so many columns as the model takes."""
    if manifest.encoding is None:
        raise ArtifactInvalid("its manifest has no encoding")
    given = len(manifest.encoding.columns)
    if found != given:
        raise ArtifactInvalid(f"its estimator takes {found} columns, its encoding gives {given}")
    return manifest.encoding
