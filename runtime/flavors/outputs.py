"""All outputs of a version, from the one that it predicts; and what its metrics are computed from."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.domain.schema import LABEL, Schema
from runtime.flavors.base import Column, Columns, Floats, Predictor


def outputs(schema: Schema, first: Floats) -> dict[str, Column]:
    """Every output column of the schema, in its order, shape [rows].

    >>> import numpy as np
    >>> from runtime.domain.schema import Field, FieldKind, Task, outputs_of
    >>> schema = Schema(inputs=(Field(name="age", kind=FieldKind.NUMBER),), outputs=outputs_of(Task.CLASSIFICATION))
    >>> {name: column.tolist() for name, column in outputs(schema, np.array([0.2, 0.5])).items()}
    {'probability': [0.2, 0.5], 'label': [0.0, 1.0]}
    """
    named: dict[str, Column] = {schema.outputs[0].name: first}
    for field in schema.outputs[1:]:
        if field.name != LABEL:
            raise ValueError(f"output {field.name!r} follows from no other; only {LABEL!r} does")
        named[LABEL] = (first >= 0.5).astype("float64")
    return named


def scores(predictor: Predictor, columns: Columns) -> Floats:
    """What metrics are computed from: the first output, [rows]; of a class, all probabilities, [rows, classes]."""
    known: Any = predictor
    return np.asarray(known.chances(columns)) if predictor.schema.gives_class else predictor.predict(columns)
