"""A model made of a spec and a frame, as a worker makes it: checked, canonical, trained on one window."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Layout, Rows
from runtime.pipeline.search import constants
from runtime.pipeline.train import TrainedModel, train_model


def arranged(spec: Spec, frame: pd.DataFrame) -> tuple[Layout, Rows]:
    """The frame's rows in canonical types. Raises what the checks raise."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    layout = checks.layout_of(spec, table.schema)
    given = checks.canonical(table, layout)
    checks.check_values(spec.name, given, layout)
    return layout, Rows.from_table(given, layout)


def made_of(spec: Spec, frame: pd.DataFrame) -> TrainedModel:
    """With the parameters that the spec leaves no choice of."""
    layout, rows = arranged(spec, frame)
    return train_model(spec, layout.schema, spec.name, {}, rows, constants(spec), Plan.first(spec))
