"""Drift: a Shiryaev-Roberts e-detector with a robust likelihood ratio, on counts.

For each feature a family of alternatives q to the baseline's shares p is played against the data. Each keeps

    R <- (1 + R) * prod_k (q_k / p_k)^c_k / B^m            c counts of a tick, m its rows

with the alternatives, the weights and the discount B of ``alternatives``, which makes up for the baseline being a
sample, and for drift that is to be ignored (delta0). R is averaged with the weights into S of a feature, and S with
the feature weights into M.
**Alarm when M >= A.** While nothing changes, E[M] after t checks is at most t whatever the dependence between
features, so the mean time to a false alarm is at least A checks.

Everything is a pure function: ``update(plan, state, counts) -> (state, reading)``. States are never merged;
shards send counts, which are added, and one owner updates once a tick. After an alarm the owner starts from
``DetectorState.fresh(plan)``; ``update`` itself never resets.

Sources: Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
NEJSDS 2024, section 2 (e-SR) and 4 (mixtures); Roberts, Technometrics 1966; arXiv 2602.13848 (the error of
the reference made explicit).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.statistics.alternatives import DECAYS, LEARNED_FLOOR, LEARNED_PRIOR_ROWS
from runtime.statistics.bins import Document, FloatVector
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch
from runtime.statistics.plan import DetectorConfig, DetectorPlan
from runtime.statistics.profile import Counts, Profile

__all__ = [
    "Detector",
    "DetectorConfig",
    "DetectorPlan",
    "DetectorState",
    "FeatureEvidence",
    "Reading",
    "Remembered",
    "advance",
    "read",
    "scores",
    "update",
]


Remembered = npt.NDArray[np.float32]
"""What a state keeps. Seven digits are more than evidence needs, and half the bytes; sums are taken in float64."""
_DECAYS = np.array(DECAYS)[:, None]


class FeatureEvidence(NamedTuple):
    """One feature's part in a reading.

    ``weight`` w; ``log_score`` ln(w S), so that M is the sum of ``exp(log_score)``; ``js`` the Jensen-Shannon
    divergence in bits between the baseline and recent rows (those the slow learned alternative remembers).
    """

    name: str
    weight: float
    log_score: float
    js: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a check found: ``evidence`` ln M against ``threshold`` ln A, features by their part in M."""

    evidence: float
    threshold: float
    alarm: bool
    ranked: tuple[FeatureEvidence, ...]

    def by_importance(self) -> tuple[FeatureEvidence, ...]:
        """Features by weight x Jensen-Shannon: how much, rather than how surely, each has moved."""
        return tuple(sorted(self.ranked, key=lambda item: (-item.weight * item.js, item.name)))


@dataclass(frozen=True, slots=True, eq=False)
class DetectorState:
    """What one model's detector remembers: ln R of each alternative, and the rows learned from.

    ``log_r`` has shape (alternatives,), minus infinity before the first tick; ``learned`` has shape
    (decays, bins). ``ticks`` and ``rows`` count since the last reset; empty ticks are not counted.
    """

    digest: str
    ticks: int
    rows: int
    log_r: Remembered
    learned: Remembered

    def __post_init__(self) -> None:
        for array in (self.log_r, self.learned):
            array.setflags(write=False)

    @classmethod
    def fresh(cls, plan: DetectorPlan) -> "DetectorState":
        """No evidence: the start, and where an alarm resets to."""
        learned = np.zeros((len(DECAYS), plan.shares.size), dtype=np.float32)
        return cls(plan.layout.digest, 0, 0, np.full(plan.size, -np.inf, dtype=np.float32), learned)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DetectorState):
            return NotImplemented
        return self.as_document() == other.as_document()

    __hash__ = None  # type: ignore[assignment]

    def as_document(self) -> Document:
        """Plain JSON values; ``log_r`` is null before the first tick (JSON has no infinity)."""
        return {
            "layout": self.digest,
            "ticks": self.ticks,
            "rows": self.rows,
            "log_r": self.log_r.tolist() if self.ticks else None,
            "learned": self.learned.tolist(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], plan: DetectorPlan) -> "DetectorState":
        """The inverse of ``as_document``. Raises LayoutMismatch for another baseline's state."""
        if document["layout"] != plan.layout.digest:
            raise LayoutMismatch(plan.layout.digest, str(document["layout"]))
        fresh = cls.fresh(plan)
        log_r = fresh.log_r if document["log_r"] is None else np.array(document["log_r"], dtype=np.float32)
        learned = np.array(document["learned"], dtype=np.float32)
        if log_r.shape != fresh.log_r.shape or learned.shape != fresh.learned.shape:
            raise InvalidStatistic("state", "does not fit the plan")
        return cls(plan.layout.digest, int(document["ticks"]), int(document["rows"]), log_r, learned)


@dataclass(frozen=True, slots=True)
class Detector:
    """A plan bound to its update, for owners that hold one detector a model.

    >>> baseline = Profile.from_columns({"delay": np.arange(10_000.0)})
    >>> detector = Detector(baseline, DetectorConfig(checks_between_false_alarms=1_000))
    >>> state, reading = detector.update(detector.fresh(), baseline.count({"delay": np.full(50, 9e9)}))
    >>> reading.alarm, reading.ranked[0].name
    (True, 'delay')
    """

    profile: Profile
    config: DetectorConfig = field(default_factory=DetectorConfig)
    plan: DetectorPlan = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", DetectorPlan.of(self.profile, self.config))

    def fresh(self) -> DetectorState:
        return DetectorState.fresh(self.plan)

    def update(self, state: DetectorState, counts: Counts) -> tuple[DetectorState, Reading]:
        return update(self.plan, state, counts)


def update(plan: DetectorPlan, state: DetectorState, counts: Counts) -> tuple[DetectorState, Reading]:
    """One check: all counts of one tick, from all shards, added up. An empty tick changes nothing.

    Raises LayoutMismatch if plan, state and counts do not stem from the same bins.
    """
    for digest in (state.digest, counts.layout.digest):
        if digest != plan.layout.digest:
            raise LayoutMismatch(plan.layout.digest, digest)
    if counts.rows:
        state = _advance(plan, state, counts)
    return state, read(plan, state)


def read(plan: DetectorPlan, state: DetectorState) -> Reading:
    """What a state says, without new rows."""
    parts = scores(plan, state.log_r)
    evidence = float(np.logaddexp.reduce(parts))
    ranks = np.argsort(-parts, kind="stable")
    rows = zip(plan.layout.names, plan.weights.tolist(), parts.tolist(), _js(plan, state), strict=True)
    features = [FeatureEvidence(*row) for row in rows]
    ranked = tuple(features[index] for index in ranks.tolist())
    return Reading(evidence, plan.threshold, evidence >= plan.threshold, ranked)


def _advance(plan: DetectorPlan, state: DetectorState, counts: Counts) -> DetectorState:
    flat, rows = counts.values.astype(np.float64), np.array(float(counts.rows))
    log_r, learned = advance(plan, state.log_r, state.learned, flat, rows)
    return DetectorState(state.digest, state.ticks + 1, state.rows + counts.rows, log_r, learned)


def advance(
    plan: DetectorPlan, log_r: Remembered, learned: Remembered, flat: FloatVector, rows: FloatVector
) -> tuple[Remembered, Remembered]:
    """The arrays of a state after one more tick; any leading axes are detectors side by side on one plan.

    Shapes (..., alternatives), (..., decays, bins), (..., bins) and (...); every tick has rows.
    """
    steps = np.concatenate(
        (
            _shape_steps(plan, flat),
            flat[..., plan.bernoulli_bin] * plan.bernoulli_hit + rows[..., None] * plan.bernoulli_row,
            _learned_steps(plan, learned, flat, rows),
        ),
        axis=-1,
    )
    grown = np.logaddexp(0.0, log_r.astype(np.float64)) + steps
    return grown.astype(np.float32), (_DECAYS * learned + flat[..., None, :]).astype(np.float32)


def scores(plan: DetectorPlan, log_r: Remembered) -> FloatVector:
    """ln(w S) of each feature, shape (..., features); minus infinity before the first tick."""
    ordered = log_r[..., plan.order].astype(np.float64)
    peaks = np.maximum.reduceat(ordered, plan.score_starts, axis=-1)
    held = np.maximum(peaks, np.finfo(np.float64).min)
    scaled = np.exp(ordered - held[..., plan.score_owner])
    with np.errstate(divide="ignore"):
        found: FloatVector = held + np.log(np.add.reduceat(plan.score_mix * scaled, plan.score_starts, axis=-1))
    return found + plan.log_weights


def _shape_steps(plan: DetectorPlan, flat: FloatVector) -> FloatVector:
    lead = flat.shape[:-1]
    padded = np.concatenate((flat, np.zeros((*lead, 1))), axis=-1)[..., plan.shape_bins]
    by_feature = padded.reshape(math.prod(lead), *plan.shape_bins.shape).transpose(1, 0, 2)
    steps: FloatVector = (
        np.matmul(by_feature, plan.shape_steps).transpose(1, 0, 2).reshape(*lead, plan.shape_steps[:, 0].size)
    )
    return steps


def _learned_steps(plan: DetectorPlan, learned: Remembered, flat: FloatVector, rows: FloatVector) -> FloatVector:
    """Decay-major: one step for each decay and feature; 0 while nothing has been learned."""
    size = plan.layout.sizes[0]  # every feature has learned from the same rows
    total = learned[..., :size].sum(axis=-1, keepdims=True, dtype=np.float64)
    shape = (learned * plan.inverse_shares + LEARNED_PRIOR_ROWS) / (total + LEARNED_PRIOR_ROWS)
    ratio = LEARNED_FLOOR + (1 - LEARNED_FLOOR) * shape  # q / p; 1 while nothing has been learned, and its step 0
    chi = np.sqrt(np.add.reduceat(plan.shares * (ratio - 1) ** 2, plan.starts, axis=-1))
    gain = np.add.reduceat(flat[..., None, :] * np.log(ratio), plan.starts, axis=-1)
    steps = gain - rows[..., None, None] * np.log1p(plan.discounts * chi)
    return np.asarray(steps.reshape(*flat.shape[:-1], steps.shape[-2] * steps.shape[-1]), dtype=np.float64)


def _js(plan: DetectorPlan, state: DetectorState) -> list[float]:
    """Jensen-Shannon divergence (bits) of the slowly forgotten rows from the baseline, by feature."""
    if not state.ticks:
        return [0.0] * plan.weights.size
    recent = state.learned[-1].astype(np.float64)
    p, q = plan.shares, recent / recent[: plan.layout.sizes[0]].sum()
    middle = (p + q) / 2
    terms = p * np.log2(p / middle) + q * np.log2(np.maximum(q, 1e-300) / middle)
    bits: list[float] = np.maximum(np.add.reduceat(terms, plan.starts) / 2, 0.0).tolist()
    return bits
