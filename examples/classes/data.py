"""Two real data sets that come with scikit-learn, in an order of time that is made up: they have none of their own.

cells   Breast Cancer Wisconsin (Diagnostic), 1995, 10.24432/C5DW2B: 569 tumours, malignant or benign
wines   Wine, 1992, 10.24432/C5PC7J: 178 wines of three growers, by what is dissolved in them
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets


def cells() -> pd.DataFrame:
    """One tumour an hour; ``finding`` is malignant or benign. Ten of the thirty columns: the means."""
    return _frame(datasets.load_breast_cancer(as_frame=True), "finding").iloc[:, [0, 1, *range(2, 12)]]


def wines() -> pd.DataFrame:
    """One wine an hour; ``grower`` is a, b or c."""
    frame = _frame(datasets.load_wine(as_frame=True), "grower")
    frame["grower"] = frame["grower"].map({"class_0": "a", "class_1": "b", "class_2": "c"})
    return frame


def _frame(found: Any, target: str) -> pd.DataFrame:
    """Shuffled, since one of the sets is sorted by its classes."""
    order = np.random.default_rng(2013).permutation(len(found.data))
    features = found.data.iloc[order].reset_index(drop=True)
    features.columns = [name.replace(" ", "_").replace("/", "_") for name in features.columns]
    time = pd.date_range("2026-01-01", periods=len(features), freq="h", tz="UTC")
    named = found.target_names[found.target.to_numpy()[order]].astype(object)
    rows: pd.DataFrame = pd.concat([pd.DataFrame({"time": time, target: named}), features], axis=1)
    return rows
