"""Records of segments by their keys: the first record of each, and the outcome beside the decision it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

KEY = ("decision_id", "row")


def first_of_each(table: pa.Table, keys: Sequence[str] = KEY) -> pa.Table:
    """The first record of every key, in order: what is told again changes nothing."""
    numbered = table.select(list(keys)).append_column("place", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(list(keys)).aggregate([("place", "min")])["place_min"]
    return table.take(pa.array(np.sort(first.to_numpy())))


def with_actuals(decisions: pa.Table, told: pa.Table, keys: Sequence[str] = KEY) -> pa.Table:
    """The decisions, in their order, with a column ``actual``: null where no outcome is told.

    ``told`` has each key once.
    """
    # Only keys and places take part: Arrow's join carries no lists.
    names = list(keys)
    places = decisions.select(names).append_column("place", pa.array(np.arange(decisions.num_rows)))
    joined = places.join(told.select([*names, "actual"]), keys=names, join_type="left outer").sort_by("place")
    return decisions.append_column("actual", joined["actual"])
