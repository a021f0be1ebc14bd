"""Rows drawn from a baseline: what an answer is compared with where a method needs to leave a column out.

A baseline keeps each column's bins and counts, not rows. A drawn row takes each column on its own, a bin by its share
and then the bin's middle. Gaps are not drawn, since some versions answer them with no number, nor the categories
counted as "other", which have no name; a column that held nothing else is missing.
"""

from __future__ import annotations

import numpy as np

from runtime.domain.schema import FieldKind, Schema
from runtime.flavors import Column, Columns
from runtime.statistics.bins import NumericBins
from runtime.statistics.profile import FeatureProfile, Profile


def drawn(profile: Profile, schema: Schema, rows: int, chance: np.random.Generator) -> Columns:
    """So many rows in the schema's columns. Raises ``InvalidStatistic`` if the baseline lacks a column."""
    return {field.name: _column(profile.feature(field.name), field.kind, rows, chance) for field in schema.inputs}


def _column(feature: FeatureProfile, kind: FieldKind, rows: int, chance: np.random.Generator) -> Column:
    named = feature.bins.positions.tolist() if isinstance(feature.bins, NumericBins) else list(feature.bins.categories)
    shares = feature.shares[: len(named)]
    total = float(shares.sum())
    empty = np.nan if kind is FieldKind.NUMBER else None
    values = [named[at] for at in chance.choice(len(named), size=rows, p=shares / total)] if total else [empty] * rows
    return np.array(values, dtype=np.float64 if kind is FieldKind.NUMBER else object)
