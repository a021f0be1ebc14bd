"""What a detector plays, worked out once for each baseline: steps, discounts and weights in flat vectors.

The alternatives are those of ``alternatives``; ``detector`` plays them. A baseline bin may be empty, and ln(q / p)
needs every share positive: half a row is added to each bin.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.statistics.alternatives import (
    CATEGORY_RATIOS,
    DECAYS,
    LEARNED_SHARE,
    MISSING_RATIOS,
    MISSING_SHARE,
    REFERENCE_SIGMAS,
    SCALES,
    SHIFTS,
    Matrix,
    even,
    log_discounts,
    normal_shapes,
    ratio_shares,
)
from runtime.statistics.bins import CategoricalBins, FloatVector
from runtime.statistics.errors import InvalidStatistic, NoEvidence
from runtime.statistics.profile import FeatureProfile, Layout, Profile

CHECKS_BETWEEN_FALSE_ALARMS = 288.0 * 1000
"""A: a check each five minutes for a thousand days."""

Index = npt.NDArray[np.intp]


def _require_not_negative(name: str, values: Iterable[float]) -> None:
    if not all(0 <= value < math.inf for value in values):
        raise InvalidStatistic(name, "must be finite and not negative")


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What the owner of a model may choose.

    ``checks_between_false_alarms``: A, at least so many checks on average. ``delta0``: drift to ignore, in
    chi units (about sigmas of a small shift of the mean), for all features or by name. ``weights``:
    importance by feature, any positive scale, uniform if None; a feature without one is displayed but raises no alarm.
    ``reference_sigmas``: z, plainly; None for the smaller discount of ``alternatives``, of independent rows.
    """

    checks_between_false_alarms: float = CHECKS_BETWEEN_FALSE_ALARMS
    delta0: float | Mapping[str, float] = 0.0
    weights: Mapping[str, float] | None = None
    reference_sigmas: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.checks_between_false_alarms < math.inf:
            raise InvalidStatistic("checks_between_false_alarms", "must be finite and at least 1")
        _require_not_negative("reference_sigmas", [self.reference_sigmas or 0.0])
        tolerances = self.delta0.values() if isinstance(self.delta0, Mapping) else (self.delta0,)
        _require_not_negative("delta0", tolerances)
        if self.weights is not None:
            _require_not_negative("weights", self.weights.values())

    def tolerance(self, name: str) -> float:
        """delta0 of one feature."""
        return self.delta0.get(name, 0.0) if isinstance(self.delta0, Mapping) else self.delta0

    def shares(self, names: Sequence[str]) -> FloatVector:
        """The weights of these features, adding up to 1."""
        weights = np.array([1.0 if self.weights is None else self.weights.get(n, 0.0) for n in names])
        if not weights.sum():
            raise NoEvidence("a detector that gives no feature a weight")
        shares: FloatVector = weights / weights.sum()
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class DetectorPlan:
    """All that follows from the baseline and the configuration alone: ln(q / p), discounts, weights.

    Alternatives lie in one vector, [shape of every numeric feature | Bernoulli | learned of every feature];
    ``order`` sorts it by feature, where feature f begins at ``score_starts[f]``.
    """

    layout: Layout
    threshold: float
    weights: FloatVector
    shares: FloatVector  # p, flat
    starts: Index  # of each feature in the flat vector
    tolerances: FloatVector  # delta0, by feature
    discounts: FloatVector  # z / sqrt(n_ref) + delta0, by feature
    shape_bins: Index  # (numeric features, bins), padded with the index of an appended zero
    shape_steps: Matrix  # (numeric features, bins, alternatives): ln(q / p) - ln B
    bernoulli_bin: Index
    bernoulli_hit: FloatVector  # added for each row in the bin
    bernoulli_row: FloatVector  # added for each row
    order: Index
    score_owner: Index  # the feature of each alternative, in the sorted order
    score_starts: Index
    score_mix: FloatVector  # weight of each alternative within its feature, in the sorted order
    log_weights: FloatVector = field(init=False)
    inverse_shares: FloatVector = field(init=False)

    def __post_init__(self) -> None:
        with np.errstate(divide="ignore"):
            object.__setattr__(self, "log_weights", np.log(self.weights))
        object.__setattr__(self, "inverse_shares", 1 / self.shares)

    @classmethod
    def build(
        cls,
        profile: Profile,
        *,
        checks_between_false_alarms: float = CHECKS_BETWEEN_FALSE_ALARMS,
        delta0: float | Mapping[str, float] = 0.0,
        weights: Mapping[str, float] | None = None,
        reference_sigmas: float | None = None,
    ) -> "DetectorPlan":
        """See DetectorConfig for the arguments. Raises InvalidStatistic, NoEvidence."""
        config = DetectorConfig(checks_between_false_alarms, delta0, weights, reference_sigmas)
        return cls.of(profile, config)

    @classmethod
    def of(cls, profile: Profile, config: DetectorConfig) -> "DetectorPlan":
        """The same from a configuration. Raises InvalidStatistic, NoEvidence."""
        return _build(profile, config)

    @property
    def size(self) -> int:
        """How many alternatives are played."""
        return int(self.order.size)


class _Played(NamedTuple):
    """Alternatives of one kind: their feature, and their weight within it."""

    owners: Index
    mix: FloatVector


class _Feature(NamedTuple):
    """What the alternatives of one feature have in common."""

    profile: FeatureProfile
    start: int
    end: int
    threshold: float
    """What the feature's own score must reach to alarm by itself, in nats."""
    sigmas: float | None
    tolerance: float

    @property
    def categorical(self) -> bool:
        return isinstance(self.profile.bins, CategoricalBins)

    def log_discounts(self, chi: FloatVector, mix: FloatVector, rows: int) -> FloatVector:
        return log_discounts(chi, self.threshold - np.log(mix), max(rows, 1), self.sigmas, self.tolerance)


def _build(profile: Profile, config: DetectorConfig) -> DetectorPlan:
    layout, weights = profile.layout, config.shares(profile.layout.names)
    features = _features(profile, config, weights)
    shape_bins, shape_steps, shapes = _shape_plan(features, layout.offsets[-1])
    bins, hits, rows, ratios = _bernoulli_plan(features)
    count = len(features)
    learned = _Played(
        np.tile(np.arange(count), len(DECAYS)),
        np.full(count * len(DECAYS), LEARNED_SHARE / len(DECAYS)),
    )
    owner = np.concatenate((shapes.owners, ratios.owners, learned.owners))
    order = np.argsort(owner, kind="stable")
    sigmas = REFERENCE_SIGMAS if config.reference_sigmas is None else config.reference_sigmas
    tolerances = np.array([feature.tolerance for feature in features])
    return DetectorPlan(
        layout=layout,
        threshold=math.log(config.checks_between_false_alarms),
        weights=weights,
        shares=np.concatenate([smooth(feature.profile.counts) for feature in features]),
        starts=np.array(layout.offsets[:-1]),
        tolerances=tolerances,
        discounts=sigmas / math.sqrt(profile.rows) + tolerances,
        shape_bins=shape_bins,
        shape_steps=shape_steps,
        bernoulli_bin=bins,
        bernoulli_hit=hits,
        bernoulli_row=rows,
        order=order,
        score_owner=owner[order],
        score_starts=np.searchsorted(owner[order], np.arange(count)),
        score_mix=np.concatenate((shapes.mix, ratios.mix, learned.mix))[order],
    )


def _features(profile: Profile, config: DetectorConfig, weights: FloatVector) -> list[_Feature]:
    threshold, offsets = math.log(config.checks_between_false_alarms), profile.layout.offsets
    return [
        _Feature(
            profile=feature,
            start=offsets[f],
            end=offsets[f + 1],
            threshold=threshold - math.log(weights[f]) if weights[f] else math.inf,
            sigmas=config.reference_sigmas,
            tolerance=config.tolerance(feature.name),
        )
        for f, feature in enumerate(profile.features)
    ]


def smooth(counts: Sequence[int]) -> FloatVector:
    """Shares: half a row is added to every bin, since ln(q / p) needs every share positive."""
    rows = np.array(counts)
    shares: FloatVector = (rows + 0.5) / (rows.sum() + 0.5 * rows.size)
    return shares


def _shape_plan(features: list[_Feature], beyond: int) -> tuple[Index, Matrix, _Played]:
    """Flat indices of the present bins, and ln(q / p) - ln B over them, of each numeric feature.

    ``beyond``: the index of a zero, for bins that a feature does not have.
    """
    numeric = [f for f, feature in enumerate(features) if not feature.categorical]
    widest = max((features[f].profile.bins.size - 1 for f in numeric), default=1)
    mix = (1 - LEARNED_SHARE - MISSING_SHARE) * even((*SHIFTS.values(), *SCALES.values()))
    index = np.full((len(numeric), widest), beyond, dtype=np.intp)
    steps = np.zeros((len(numeric), widest, mix.size))
    for row, f in enumerate(numeric):
        feature = features[f]
        width = feature.profile.bins.size - 1
        index[row, :width] = np.arange(feature.start, feature.start + width)
        steps[row, :width] = _shape_steps(feature, mix)
    owners = np.repeat(np.array(numeric, dtype=np.intp), mix.size)
    return index, steps, _Played(owners, np.tile(mix, len(numeric)))


def _shape_steps(feature: _Feature, mix: FloatVector) -> Matrix:
    """(bins, alternatives): what one row adds to ln R."""
    present = feature.profile.counts[:-1]
    p = smooth(present)
    q = normal_shapes(p)
    chi = np.sqrt(np.sum((q - p) ** 2 / p, axis=1))
    steps: Matrix = (np.log(q / p) - feature.log_discounts(chi, mix, sum(present))[:, None]).T
    return steps


def _bernoulli_plan(features: list[_Feature]) -> tuple[Index, FloatVector, FloatVector, _Played]:
    """(bin, step for a row in it, step for any row, played) of every bin-against-the-rest alternative."""
    parts = [_ratio_steps(f, feature) for f, feature in enumerate(features)]
    bins, hits, rows, owners, mix = (np.concatenate(part) for part in zip(*parts, strict=True))
    return bins, hits, rows, _Played(owners, mix)


def _ratio_steps(f: int, feature: _Feature) -> tuple[Index, FloatVector, FloatVector, Index, FloatVector]:
    """Of one feature: missing against the rest, or each category's bin against the rest."""
    family, share = (CATEGORY_RATIOS, 1 - LEARNED_SHARE) if feature.categorical else (MISSING_RATIOS, MISSING_SHARE)
    bins = np.arange(feature.start if feature.categorical else feature.end - 1, feature.end)
    p = smooth(feature.profile.counts)[bins - feature.start]
    q = ratio_shares(p, list(family)).ravel()
    p = np.repeat(p, len(family))
    mix = np.tile(share / bins.size * even(family.values()), bins.size)
    rest = np.log((1 - q) / (1 - p))
    rows = rest - feature.log_discounts(np.abs(q - p) / np.sqrt(p * (1 - p)), mix, feature.profile.rows)
    return np.repeat(bins, len(family)), np.log(q / p) - rest, rows, np.full(q.size, f), mix
