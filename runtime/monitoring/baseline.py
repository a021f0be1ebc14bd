"""The frozen reference a version's traffic is compared with, as the package stored it.

    {"features": <profile>, "errors": <profile>, "rows": n, "mae": x, "bias": y}

``features`` is counted over the training window, ``errors`` over out-of-fold predictions of it; ``mae`` and
``bias`` in target units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.domain.reports import WindowPerformance
from runtime.statistics.profile import Profile


@dataclass(frozen=True, slots=True)
class Baseline:
    """Profiles of features and errors, and the error to expect."""

    features: Profile
    errors: Profile
    performance: WindowPerformance

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Baseline:
        """Reads the stored form."""
        return cls(
            features=Profile.from_document(document["features"]),
            errors=Profile.from_document(document["errors"]),
            performance=WindowPerformance(rows=document["rows"], mae=document["mae"], bias=document["bias"]),
        )

    def as_document(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "features": self.features.as_document(),
            "errors": self.errors.as_document(),
            "rows": self.performance.rows,
            "mae": self.performance.mae,
            "bias": self.performance.bias,
        }
