"""A first spec for a table of somebody's own: what can be inferred from it is, and what was decided is said beside it.

time        named, else the first column that holds times
task        classification of a text, or of 0 and 1; else regression
features    every other column that is no key: numbers, and texts that repeat
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pyarrow import csv

from runtime.domain.errors import DataError

LOOKED_AT = 20_000
"""Rows of the beginning, which are enough to tell kinds by."""
MOST_CLASSES = 20
MOST_TEXTS = 200
_KEYS = 0.5
_EXPECTED = "expected one that says when each row was, such as 2026-03-01 or 2026-03-01T08:30:00Z"


@dataclass(frozen=True)
class Starter:
    """What was inferred. ``left_out``: by column, why it is no feature."""

    source: str
    name: str
    time: str
    is_naive: bool
    target: str
    classes: tuple[str, ...] | None
    is_regression: bool
    features: tuple[str, ...]
    left_out: dict[str, str]
    team: str

    def text(self) -> str:
        """The spec's file. Each line is one that its owner may want to change."""
        metric, estimator = ("mae", "Regressor") if self.is_regression else ("log_loss", "Classifier")
        kind = "parquet" if Path(self.source).suffix == ".parquet" or Path(self.source).is_dir() else "csv"
        zone = [
            "  time_zone: UTC                              # of times that name no zone: change it if they are local"
        ]
        classes = [] if self.classes is None else [f"classes: [{', '.join(map(_quoted, self.classes))}]"]
        out = [f"  # not a feature: {column}, {why}" for column, why in self.left_out.items()]
        return "\n".join(
            [
                "# Begun by `fleetward init`. Try it: fleetward check FILE",
                "kind: model",
                f"name: {self.name}",
                f"owner: {{team: {_quoted(self.team)}, contact: {_quoted(self.team + '@example.com')}}}",
                f"purpose: {_quoted(f'say what {self.target} will be')}        # say for what, and for whom",
                "risk_tier: low                                # medium and high ask people before a version serves",
                f"task: {'regression' if self.is_regression else 'classification'}",
                *classes,
                "data:",
                f"  source: {{{kind}: {_quoted(self.source)}}}",
                f"  time: {_quoted(self.time)}",
                *(zone if self.is_naive else []),
                f"  target: {_quoted(self.target)}",
                f"  features: [{', '.join(map(_quoted, self.features))}]",
                *out,
                "train:",
                "  trainer: sklearn",
                f"  estimator: HistGradientBoosting{estimator}",
                '  search: {learning_rate: "loguniform(0.03, 0.3)", max_leaf_nodes: "choice(7, 15, 31)"}',
                "  trials: 4",
                "  folds: 3",
                f"  metric: {metric}",
                "  holdout: 20%                                # the newest rows judge",
                "gates:",
                f"  - {{better_than: baseline, metric: {metric}}}",
                f"  - {{better_than: champion, metric: {metric}, confidence: 0.95}}",
                "  - {latency_ms_p99: 100}",
                "  - {round_trip: true}",
                "monitor: {every: 1d, outcomes_after: 1d}",
                "retrain: {when: [performance], degraded_by: 10%, window: 7d}",
                "approval: {automatic_if: [all_gates_pass, {risk_tier: low}], valid_for: 90d}",
                "rollout: [{shadow: 100 decisions}, {canary: 20%, for: 100 decisions}, {full: true}]",
                "",
            ]
        )


def start(path: Path, target: str, time: str | None, name: str | None, team: str) -> Starter:
    """What a first spec for this table says. Raises ``DataError`` where the table cannot be one."""
    rows = head_of(path)
    for column in (target, *([] if time is None else [time])):
        if column not in rows:
            raise DataError(str(path), f"no column {column!r}; it has {', '.join(map(str, rows))}")
    time = time or next(iter(times_of(rows, besides=target)), None)
    if time is None:
        raise DataError(str(path), f"no column of times; {_EXPECTED}")
    if not _holds_times(rows[time]):
        raise DataError(str(path), f"column {time!r} holds {rows[time].dtype}; {_EXPECTED}")
    classes, is_regression = _task(path, rows[target])
    features, left_out = _features(rows, (target, time))
    if not features:
        raise DataError(str(path), f"nothing to tell {target!r} by: {left_out}")
    return Starter(
        source=str(path),
        name=name or _name(target),
        time=time,
        is_naive=rows[time].dt.tz is None,
        target=target,
        classes=classes,
        is_regression=is_regression,
        features=features,
        left_out=left_out,
        team=team,
    )


def head_of(path: Path) -> pd.DataFrame:
    """The first rows of a CSV file, or of a Parquet file or folder. Raises ``DataError``."""
    try:
        if path.is_dir() or path.suffix == ".parquet":
            files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
            if not files:
                raise DataError(str(path), "no Parquet file in this folder")
            batch = next(pq.ParquetFile(files[0]).iter_batches(LOOKED_AT), None)
        else:
            batch = next(iter(csv.open_csv(path)), None)  # as Ray Data reads it, kinds included
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"it cannot be read as a table: {error}") from error
    if batch is None or not batch.num_rows:
        raise DataError(str(path), "no rows")
    rows: pd.DataFrame = batch.slice(0, LOOKED_AT).to_pandas(date_as_object=False)
    return rows


def times_of(rows: pd.DataFrame, besides: str | None = None) -> list[str]:
    """Columns that hold times."""
    return [str(name) for name in rows if name != besides and _holds_times(rows[name])]


def _holds_times(column: pd.Series) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(column))


def _task(path: Path, target: pd.Series) -> tuple[tuple[str, ...] | None, bool]:
    """The classes of a text, none of numbers; and whether numbers are to be told."""
    known = target.dropna()
    if known.nunique() < 2:
        raise DataError(str(path), f"{target.name!r} is the same in all of the first {len(target):,} rows")
    if not _is_text(target):
        return None, not set(known.unique()) <= {0, 1}
    classes = tuple(sorted(known.astype(str).unique()))
    if len(classes) > MOST_CLASSES:
        raise DataError(str(path), f"{target.name!r} has {len(classes)} texts; expected at most {MOST_CLASSES} classes")
    return classes, False


def _features(rows: pd.DataFrame, taken: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    features, left_out = [], {}
    for name in map(str, rows):
        if name not in taken:
            why = _no_feature(rows[name])
            if why:
                left_out[name] = why
            else:
                features.append(name)
    return tuple(features), left_out


def _no_feature(column: pd.Series) -> str:
    """Why it is none; empty where it is one."""
    known = column.dropna()
    if known.empty:
        return "never known"
    different = known.nunique()
    if different == 1:
        return "always the same"
    if _holds_times(column):
        return "a time"
    if not _is_text(column):
        return (
            "" if pd.api.types.is_numeric_dtype(column) else f"of a kind that is no number and no text ({column.dtype})"
        )
    if different > MOST_TEXTS or different > _KEYS * len(known):
        return f"{different:,} different texts in {len(known):,} rows"
    return ""


def _is_text(column: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column))


def _name(target: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-") or "model"


def _quoted(text: str) -> str:
    """As YAML reads it: plain where it can be."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ./-]*[A-Za-z0-9_/]|[A-Za-z]", text)
    reserved = text.lower() in {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
    if plain and not reserved:
        return text
    return "'" + text.replace("'", "''") + "'"
