"""How far a version's probabilities are what comes to pass: the baseline's, and those of a window."""

from __future__ import annotations

from runtime.domain.base import Document, Moment
from runtime.domain.ids import ModelName, VersionNumber


class Reliability(Document):
    """Rows of like probabilities: the mean of them, and the share that ended in the second class."""

    rows: int
    score: float
    share: float


class Calibrated(Document):
    """``ece`` is the expected calibration error: the mean distance of score and share over all rows."""

    rows: int
    ece: float
    curve: tuple[Reliability, ...]


class CalibrationReport(Document):
    """One version from ``since`` to before ``until``. ``window`` is None before the first outcome."""

    model: ModelName
    version: VersionNumber
    since: Moment
    until: Moment
    baseline: Calibrated | None = None
    window: Calibrated | None = None
