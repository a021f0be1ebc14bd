"""The frozen reference a version's traffic is compared with, as the package stored it.

    {"features": <profile>, "errors": <profile>, "rows": n, "mae": x, "bias": y, "classes"?: <counts>,
     "delta0"?: {feature: x}, "losses"?: <sums>, "slices"?: {column: <counts>}, "importances"?: {feature: share}}

``features`` is counted over the training window, ``errors`` over out-of-fold predictions of it; ``mae`` and
``bias`` in target units. ``classes``, of a classification, counts the same rows by answer and outcome.
``losses``, of a regression, are the errors by bin of the answer, ``slices`` the errors by value of columns that the
spec watches apart. ``delta0`` is how far each feature strayed in that window, if the spec asked for it.
``importances`` are how much answers hang on each input, as shares (``runtime/pipeline/importances.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runtime.domain.reports import WindowPerformance
from runtime.statistics.cbpe import estimator_of
from runtime.statistics.classification import ClassCounts, counts_from
from runtime.statistics.dle import LossEstimator
from runtime.statistics.estimated import Estimator
from runtime.statistics.profile import Profile
from runtime.statistics.slices import SliceCounts, SliceErrors, slices_from


@dataclass(frozen=True)
class Baseline:
    """Profiles of features and errors, and the error to expect."""

    features: Profile
    errors: Profile
    performance: WindowPerformance
    classes: ClassCounts | None = None
    delta0: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the greatest number of each feature that training saw, where the package says it."""
    losses: LossEstimator | None = None
    slices: Mapping[str, SliceCounts | SliceErrors] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    """Nothing of a baseline from before they were recorded."""

    @cached_property
    def estimator(self) -> Estimator | None:
        """What tells the performance before outcomes; ``None`` of a baseline from before there was one."""
        return self.losses if self.classes is None else estimator_of(self.classes)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Baseline:
        """Reads the stored form."""
        counts = None if "classes" not in document else counts_from(document["classes"])
        return cls(
            features=Profile.from_document(document["features"]),
            errors=Profile.from_document(document["errors"]),
            performance=WindowPerformance(
                rows=document["rows"],
                mae=document["mae"],
                bias=document["bias"],
                **({} if counts is None else counts.metrics()),
            ),
            classes=counts,
            delta0={name: float(value) for name, value in document.get("delta0", {}).items()},
            bounds={
                name: (float(each["low"]), float(each["high"]))
                for name, each in document.get("seen", {}).get("numbers", {}).items()
            },
            losses=LossEstimator.from_document(document["losses"]) if "losses" in document else None,
            slices={name: slices_from(counts) for name, counts in document.get("slices", {}).items()},
            importances={name: float(share) for name, share in document.get("importances", {}).items()},
        )

    def as_document(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "features": self.features.as_document(),
            "errors": self.errors.as_document(),
            "rows": self.performance.rows,
            "mae": self.performance.mae,
            "bias": self.performance.bias,
            **({} if self.classes is None else {"classes": self.classes.as_document()}),
            **({"delta0": dict(self.delta0)} if self.delta0 else {}),
            **({"seen": {"numbers": _bounds_document(self.bounds)}} if self.bounds else {}),
            **({} if self.losses is None else {"losses": self.losses.as_document()}),
            **({"slices": {name: each.as_document() for name, each in self.slices.items()}} if self.slices else {}),
            **({"importances": dict(self.importances)} if self.importances else {}),
        }


def _bounds_document(bounds: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    return {name: {"low": low, "high": high} for name, (low, high) in bounds.items()}
