"""Made-up models to watch: 30 numeric features, 5 of them with gaps, and 5 categorical ones, whose truth is known.

Ticks are drawn as counts, from the multinomial distribution that counts of independent rows have: a row is never
made, so ten thousand days take minutes. The baseline is drawn too; a detector sees the sample and never the truth.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from runtime.statistics.bins import CategoricalBins, NumericBins
from runtime.statistics.profile import Counts, FeatureProfile, Profile

NUMERIC, GAPPED, CATEGORICAL = 25, 5, 5
FEATURES = NUMERIC + GAPPED + CATEGORICAL
GAP = 0.02
CATEGORIES = np.array([0.15, 0.14, 0.13, 0.12, 0.11, 0.1, 0.09, 0.07, 0.05, 0.04])
ROWS = 1000
CHECKS_A_DAY = 288

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What happens to some features, by index: numeric 0..24, with gaps 25..29, categorical 30..34."""

    features: tuple[int, ...] = ()
    shift: float = 0.0
    scale: float = 1.0
    gap: float = GAP
    top: float = 1.0


NONE = Change()


@dataclass
class World:
    """One model with its truth, and the baseline it was given."""

    rng: np.random.Generator
    reference_rows: int
    batch_sigma: float = 0.0
    profile: Profile = field(init=False)
    cuts: Floats = field(init=False)

    def __post_init__(self) -> None:
        size = NUMERIC + GAPPED
        samples = self.rng.normal(size=(size, self.reference_rows))
        if self.batch_sigma:  # a baseline is made of batches too
            batches = -(-self.reference_rows // ROWS)
            shifts = self.rng.normal(0, self.batch_sigma, (size, batches))
            samples += np.repeat(shifts, ROWS, axis=1)[:, : self.reference_rows]
        samples[NUMERIC:][self.rng.random((GAPPED, self.reference_rows)) < GAP] = np.nan
        bins = [NumericBins.from_sample(sample) for sample in samples]
        features = [
            FeatureProfile(f"number_{f}", each, tuple(each.count(sample).tolist()))
            for f, (each, sample) in enumerate(zip(bins, samples, strict=True))
        ]
        labels = CategoricalBins(tuple(f"c{k}" for k in range(CATEGORIES.size)))
        for f in range(CATEGORICAL):
            counts = self.rng.multinomial(self.reference_rows, CATEGORIES).tolist()
            features.append(FeatureProfile(f"category_{f}", labels, (*counts, 0, 0)))
        self.profile = Profile(tuple(features))
        self.cuts = np.array([each.edges for each in bins])

    def ticks(self, many: int, change: Change = NONE, rows: int = ROWS) -> Floats:
        """Counts of ``many`` ticks, shape (many, bins)."""
        shift, scale, gap = np.zeros((many, NUMERIC + GAPPED)), np.ones(NUMERIC + GAPPED), np.zeros(NUMERIC + GAPPED)
        if self.batch_sigma:
            shift += self.rng.normal(0, self.batch_sigma, shift.shape)
        gap[NUMERIC:] = GAP
        numeric = [f for f in change.features if f < NUMERIC + GAPPED]
        shift[:, numeric] += change.shift
        scale[numeric] = change.scale
        gap[[f for f in numeric if f >= NUMERIC]] = change.gap
        below = ndtr((self.cuts - shift[:, :, None]) / scale[:, None])
        present = np.diff(below, prepend=0.0, append=1.0) * (1 - gap)[:, None]
        shares = np.concatenate((present, np.broadcast_to(gap[:, None], (many, gap.size, 1))), axis=2)
        drawn = self.rng.multinomial(rows, shares).reshape(many, -1)
        return np.concatenate((drawn, self._categories(many, change, rows)), axis=1).astype(np.float64)

    def _categories(self, many: int, change: Change, rows: int) -> npt.NDArray[np.int64]:
        top = CATEGORIES[0] * change.top
        changed = np.concatenate(([top], CATEGORIES[1:] * (1 - top) / (1 - CATEGORIES[0])))
        drawn = np.zeros((many, CATEGORICAL, CATEGORIES.size + 2), dtype=np.int64)
        for f in range(CATEGORICAL):
            shares = changed if NUMERIC + GAPPED + f in change.features else CATEGORIES
            drawn[:, f, : CATEGORIES.size] = self.rng.multinomial(rows, shares, size=many)
        return drawn.reshape(many, -1)

    def counts(self, flat: Floats, rows: int = ROWS) -> Counts:
        """One tick as the product has it."""
        return Counts(self.profile.layout, rows, flat.astype(np.int64))
