"""What a finding rests on, as one document of bounded size in the object store; the ledger has its digest.

    {"finding": id, "model": name, "version": n, "about": kind, "since": t, "until": t, "rows": n, "baseline_rows": n,
     "features": [{"feature", "direction", "importance", "log_score", "js", "psi", "missing_rate",
                   "baseline_missing_rate", "labels": [...], "baseline": [count, ...], "window": [count, ...],
                   "unseen": {name: count}}],
     "by_movement": [feature, ...], "window": <counts of every feature>}

``features`` stand by weight x evidence: how surely each moved; ``by_movement`` by importance x Jensen-Shannon: how much
that matters. A version without recorded importances has no ``importance``: its detector's weights stand in for them.
``unseen`` are names outside the baseline's, the first ones in alphabetical order, which does not depend on the order
that rows came in. ``window`` is enough to make the window a baseline (``accepted``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.events import FindingOpened
from runtime.domain.reports import FeatureStatistic
from runtime.monitoring.gauge import SHOWN_FEATURES, Gauge
from runtime.statistics.detector import Reading
from runtime.statistics.profile import FeatureProfile

LONGEST_LABEL = 80


def evidence_of(
    finding: FindingOpened, gauge: Gauge, reading: Reading, importances: Mapping[str, float] | None = None
) -> bytes:
    """The document's canonical bytes. The gauge is as it was when it alarmed."""
    document = {
        "finding": finding.finding,
        "model": finding.model,
        "version": finding.version,
        "about": finding.about.value,
        "since": rfc3339(finding.since),
        "until": rfc3339(finding.as_of),
        "rows": gauge.window.rows,
        "baseline_rows": gauge.profile.rows,
        "features": [_shown(each, gauge) for each in finding.features],
        "by_movement": gauge.by_movement(reading, importances)[:SHOWN_FEATURES],
        "window": gauge.window.as_document(),
    }
    return canonical.encode(document)


def _shown(statistic: FeatureStatistic, gauge: Gauge) -> dict[str, Any]:
    profile = gauge.profile.feature(statistic.feature)
    return {
        **statistic.as_document(),
        "baseline_missing_rate": profile.missing_rate,
        "labels": _labels(profile),
        "baseline": list(profile.counts),
        "window": gauge.window.by_feature()[statistic.feature].tolist(),
        "unseen": {_cut(name): count for name, count in gauge.unseen.get(statistic.feature, {}).items()},
    }


def _labels(profile: FeatureProfile) -> list[str]:
    return [_cut(label) for label in profile.bins.labels]


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "\u2026"
