"""What a detector plays: alternatives, discounts and weights, worked out once for each baseline.

The alternatives and the discount B are those of the table in ``detector``, which plays them. ``delta0`` can be
measured on held-out rows of the baseline's own time: ``estimate_delta0``.

A baseline bin may be empty, and ln(q / p) needs every share positive: half a row is added to each bin.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import CategoricalBins, FloatVector, NumericBins
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence
from runtime.statistics.profile import Counts, FeatureProfile, Layout, Profile

SHIFTS = (-0.8, -0.4, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4, 0.8)
SCALES = (0.7, 0.85, 1.18, 1.4)
MISSING_RATIOS = (0.33, 0.5, 0.7, 1.25, 1.6, 2.5, 4.0)
CATEGORY_RATIOS = (0.5, 0.75, 0.87, 1.15, 1.33, 2.0)
DECAYS = (0.8, 0.97)
LEARNED_FLOOR = 0.1
LEARNED_PRIOR_ROWS = 50.0
REFERENCE_SIGMAS = 5.0
"""z: how many standard errors of the baseline's shares are allowed for."""
CHECKS_BETWEEN_FALSE_ALARMS = 288.0 * 1000
"""A: a check each five minutes for a thousand days."""
_SMALLEST_RATIO = 1e-9

Matrix = npt.NDArray[np.float64]
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
    ``reference_sigmas``: z.
    """

    checks_between_false_alarms: float = CHECKS_BETWEEN_FALSE_ALARMS
    delta0: float | Mapping[str, float] = 0.0
    weights: Mapping[str, float] | None = None
    reference_sigmas: float = REFERENCE_SIGMAS

    def __post_init__(self) -> None:
        if not 1 <= self.checks_between_false_alarms < math.inf:
            raise InvalidStatistic("checks_between_false_alarms", "must be finite and at least 1")
        if not 0 <= self.reference_sigmas < math.inf:
            raise InvalidStatistic("reference_sigmas", "must be finite and not negative")
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
        reference_sigmas: float = REFERENCE_SIGMAS,
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


def estimate_delta0(profile: Profile, ticks: Sequence[Counts]) -> dict[str, float]:
    """How far held-out baseline ticks stray from the baseline beyond sampling error, by feature.

    What a tick's chi-square distance from p holds beyond the sampling variance of the tick and of the baseline
    is drift that a healthy day has too. Its mean over the ticks, less one standard error (so that independent
    rows give 0 and not noise), as a root; times sqrt(2), since a daily wave peaks at that many times its root
    mean square. Give it ticks that span whole waves: a day, or better a week.

    Raises LayoutMismatch, and NoEvidence with fewer than two ticks of two or more rows.
    """
    used = [tick for tick in ticks if tick.rows > 1]
    if len(used) < 2:
        raise NoEvidence("the spread between baseline ticks")
    for tick in used:
        if tick.layout != profile.layout:
            raise LayoutMismatch(profile.layout.digest, tick.layout.digest)
    excess = np.array([_excess(profile, tick) for tick in used])
    sure = excess.mean(axis=0) - excess.std(axis=0, ddof=1) / math.sqrt(len(used))
    return dict(zip(profile.layout.names, np.sqrt(2 * np.maximum(sure, 0)).tolist(), strict=True))


def _excess(profile: Profile, tick: Counts) -> FloatVector:
    """Chi-square distance of a tick's true shares from the baseline's, without bias, by feature."""
    p, reference = _smoothed(profile), profile.counts.values / profile.rows
    now = tick.values / tick.rows
    noise = now * (1 - now) / (tick.rows - 1) + reference * (1 - reference) / profile.rows
    excess: FloatVector = np.add.reduceat(((now - p) ** 2 - noise) / p, profile.layout.offsets[:-1])
    return excess


def _build(profile: Profile, config: DetectorConfig) -> DetectorPlan:
    layout, features = profile.layout, profile.features
    allowance = config.reference_sigmas / math.sqrt(profile.rows)
    tolerances = np.array([config.tolerance(name) for name in layout.names])
    numeric = [f for f, feature in enumerate(features) if isinstance(feature.bins, NumericBins)]
    shape_bins, shape_steps = _shape_plan(profile, config, numeric)
    bins, hits, rows, owners = _bernoulli_plan(profile, allowance + tolerances)
    feature_count, shape_count = len(features), len(SHIFTS) + len(SCALES)
    groups = [  # (feature, share of the whole group within its feature) of each alternative
        (np.repeat(np.array(numeric, dtype=np.intp), shape_count), 0.6, 0.6),
        (owners, 0.2, 0.8),
        (np.tile(np.arange(feature_count), len(DECAYS)), 0.2, 0.2),
    ]
    is_numeric = np.array([isinstance(feature.bins, NumericBins) for feature in features])
    owner = np.concatenate([group[0] for group in groups])
    mix = np.concatenate([_mix(*group, is_numeric) for group in groups])
    order = np.argsort(owner, kind="stable")
    return DetectorPlan(
        layout=layout,
        threshold=math.log(config.checks_between_false_alarms),
        weights=config.shares(layout.names),
        shares=_smoothed(profile),
        starts=np.array(layout.offsets[:-1]),
        discounts=allowance + tolerances,
        shape_bins=shape_bins,
        shape_steps=shape_steps,
        bernoulli_bin=bins,
        bernoulli_hit=hits,
        bernoulli_row=rows,
        order=order,
        score_owner=owner[order],
        score_starts=np.searchsorted(owner[order], np.arange(feature_count)),
        score_mix=mix[order],
    )


def _mix(owner: Index, numeric: float, categorical: float, is_numeric: npt.NDArray[np.bool_]) -> FloatVector:
    """The weight of each alternative of a group: the group's, split evenly within the feature."""
    members = np.bincount(owner, minlength=is_numeric.size)
    group = np.where(is_numeric[owner], numeric, categorical).astype(np.float64)
    mix: FloatVector = group / members[owner]
    return mix


def _smoothed(profile: Profile) -> FloatVector:
    """p, flat: half a row is added to every bin, since ln(q / p) needs every share positive."""
    return np.concatenate([_smooth(np.array(feature.counts)) for feature in profile.features])


def _smooth(counts: npt.NDArray[np.int64]) -> FloatVector:
    shares: FloatVector = (counts + 0.5) / (counts.sum() + 0.5 * counts.size)
    return shares


def _shape_plan(profile: Profile, config: DetectorConfig, numeric: list[int]) -> tuple[Index, Matrix]:
    """Flat indices of the present bins, and ln(q / p) - ln B over them, of each numeric feature."""
    widest = max((profile.layout.sizes[f] - 1 for f in numeric), default=1)
    index = np.full((len(numeric), widest), profile.layout.offsets[-1], dtype=np.intp)
    steps = np.zeros((len(numeric), widest, len(SHIFTS) + len(SCALES)))
    for row, f in enumerate(numeric):
        feature = profile.features[f]
        width = feature.bins.size - 1
        index[row, :width] = profile.layout.offsets[f] + np.arange(width)
        steps[row, :width] = _feature_shapes(feature, config)
    return index, steps


def _feature_shapes(feature: FeatureProfile, config: DetectorConfig) -> Matrix:
    """(bins, alternatives): the baseline's shape read as a normal one, then shifted or scaled."""
    present = np.array(feature.counts[:-1])
    p = _smooth(present)
    discount = config.reference_sigmas / math.sqrt(max(int(present.sum()), 1))
    discount += config.tolerance(feature.name)
    cuts = [NormalDist().inv_cdf(min(total, 1 - 1e-15)) for total in np.cumsum(p)[:-1].tolist()]
    normals = [NormalDist(shift, 1.0) for shift in SHIFTS] + [NormalDist(0.0, s) for s in SCALES]
    columns = []
    for normal in normals:
        below = np.array([0.0, *(normal.cdf(cut) for cut in cuts), 1.0])
        q = np.maximum(np.diff(below), _SMALLEST_RATIO * p)
        q /= q.sum()
        chi = math.sqrt(float(np.sum((q - p) ** 2 / p)))
        columns.append(np.log(q / p) - math.log1p(discount * chi))
    return np.stack(columns, axis=1)


def _bernoulli_plan(profile: Profile, discounts: FloatVector) -> tuple[Index, FloatVector, FloatVector, Index]:
    """(bin, step for a row in it, step for any row, feature) of every bin-against-the-rest alternative."""
    bins: list[int] = []
    owners: list[int] = []
    ratios: list[float] = []
    for f, feature in enumerate(profile.features):
        start, end = profile.layout.offsets[f], profile.layout.offsets[f + 1]
        categorical = isinstance(feature.bins, CategoricalBins)
        played = CATEGORY_RATIOS if categorical else MISSING_RATIOS
        for position in range(start, end) if categorical else (end - 1,):
            bins.extend([position] * len(played))
            owners.extend([f] * len(played))
            ratios.extend(played)
    index, owner = np.array(bins, dtype=np.intp), np.array(owners, dtype=np.intp)
    p = _smoothed(profile)[index]
    q = np.minimum(np.array(ratios) * p, (1 + p) / 2)  # a large share cannot double
    chi = np.abs(q - p) / np.sqrt(p * (1 - p))
    rest = np.log((1 - q) / (1 - p))
    return index, np.log(q / p) - rest, rest - np.log1p(discounts[owner] * chi), owner
