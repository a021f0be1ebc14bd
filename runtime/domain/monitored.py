"""A monitoring report: what one model's recorded rows of a time say, against the baseline of one of its versions.

The page and the JSON document are made of it; there is no other source for either.
"""

from __future__ import annotations

from typing import Literal

from runtime.domain.base import Document, Moment
from runtime.domain.events import FindingKind
from runtime.domain.findings import Direction
from runtime.domain.ids import ModelName, VersionNumber
from runtime.domain.notebook import section, table
from runtime.domain.reports import EstimatedPerformance, FeatureStatistic, WindowPerformance
from runtime.domain.verdict import Verdict


class Share(Document):
    """One bin: the share of the baseline's rows in it, and of the window's."""

    label: str
    baseline: float
    window: float


class FeatureReport(Document):
    """One feature, over the whole window. ``log_score``: ln(weight x evidence), which they are
    ranked by.

    ``importance``: the share in which the version's answers hang on it, where its package says so. ``direction``: how
    it moved, where there is evidence that it did.
    ``ks`` and ``wasserstein`` (in the feature's unit) stand with numbers alone; ``unseen`` are categories that the
    baseline has not, the most frequent ones, with their rows.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    log_score: float
    importance: float | None = None
    direction: Direction | None = None
    psi: float
    js: float
    ks: float | None = None
    wasserstein: float | None = None
    missing_rate: float
    baseline_missing_rate: float
    unseen: dict[str, int] = {}
    shares: tuple[Share, ...]


class Tick(Document):
    """Evidence of change (a natural logarithm) when a tick ended, of the rows since the report begins or an alarm."""

    end: Moment
    rows: int
    log_evidence: float
    alarm: bool


class Period(Document):
    """Rows served from ``start`` on whose outcomes are known; the next period begins where it ends."""

    start: Moment
    performance: WindowPerformance


class Told(Document):
    """A finding of the ledger, and the policy's answer."""

    finding: str
    version: VersionNumber
    about: FindingKind
    as_of: Moment
    since: Moment
    log_evidence: float
    log_threshold: float
    features: tuple[FeatureStatistic, ...]
    verdict: Verdict | None = None


class Quality(Document):
    """The records themselves. ``compared`` rows were answered by the report's version and hold their inputs.

    ``sealed``: inputs under a data subject's key are not opened for a report. ``repeated``: a request that was sent
    again counts once. ``tested``: asked for by testers, who are nobody's traffic. Latencies are of single records.
    """

    rows: int
    by_version: dict[str, int]
    compared: int
    sealed: int
    tested: int
    repeated: int
    not_finite: int
    overridden: int
    with_outcome: int
    missing_segments: int
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None


class MonitoringReport(Document):
    """One model from ``since`` to before ``until``, in the data's own time."""

    model: ModelName
    spec: str
    purpose: str
    target: str
    version: VersionNumber
    since: Moment
    until: Moment
    ledger_size: int
    ledger_root: str
    baseline_rows: int
    log_threshold: float
    features: tuple[FeatureReport, ...]
    ticks: tuple[Tick, ...]
    baseline: WindowPerformance
    window: WindowPerformance | None = None
    estimated: EstimatedPerformance | None = None
    """Of the compared rows, from their answers alone; None where the baseline holds no estimator."""
    periods: tuple[Period, ...]
    findings: tuple[Told, ...]
    quality: Quality

    @property
    def alarms(self) -> int:
        """Ticks that ended in an alarm."""
        return sum(tick.alarm for tick in self.ticks)

    def _repr_html_(self) -> str:
        """In a notebook: what was compared, then the features, most surely moved first."""
        times = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"
        title = f"{self.model}, version {self.version}, {times}"
        known = {"baseline": self.baseline, "window": self.window}
        told = [f"{name}: MAE {each.mae:.4g} of {each.rows:,} rows" for name, each in known.items() if each is not None]
        rows = f"{self.quality.compared:,} of {self.quality.rows:,} rows compared with {self.baseline_rows:,}"
        text = (
            f"{rows}; {self.alarms} alarms in {len(self.ticks)} ticks, {len(self.findings)} findings. {'; '.join(told)}"
        )
        return section(title, text, table(_HEADINGS, (_cells(each) for each in self.features)))


_HEADINGS = ("feature", "moved", "evidence (ln)", "PSI", "JS", "KS", "missing", "before", "importance")


def _cells(feature: FeatureReport) -> tuple[str, ...]:
    return (
        feature.name,
        feature.direction or "",
        f"{feature.log_score:.1f}",
        f"{feature.psi:.3f}",
        f"{feature.js:.3f}",
        "" if feature.ks is None else f"{feature.ks:.3f}",
        f"{feature.missing_rate:.1%}",
        f"{feature.baseline_missing_rate:.1%}",
        "" if feature.importance is None else f"{feature.importance:.0%}",
    )
