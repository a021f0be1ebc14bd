"""Whether the probabilities of a version are still what comes to pass, from its baseline and its recorded rows."""

from __future__ import annotations

from datetime import datetime

import pyarrow.compute as pc

from runtime.domain.calibrated import Calibrated, CalibrationReport, Reliability
from runtime.domain.errors import Refused
from runtime.domain.schema import TWO
from runtime.monitoring.judged import classes_of
from runtime.monitoring.reporting import Past, judged_of, subject_of
from runtime.statistics.calibration import calibration_curve, calibration_error
from runtime.statistics.classification import ScoreCounts
from runtime.storage.objects import ObjectStore


def calibration_on(
    past: Past, store: ObjectStore, model: str, since: datetime, until: datetime, *, version: int | None = None
) -> CalibrationReport:
    """Of the version that ``report_on`` would report on, over the rows that it answered itself.

    Raises as ``report_on``, and ``Refused`` of a model whose records hold no probability.
    """
    classes = classes_of(past.state.spec_of(past.state.model(model)))
    if classes != TWO:
        holds = "numbers" if classes is None else f"one of {classes} labels, and no probability"
        raise Refused(
            f"a calibration of {model}", f"its answers are {holds}; only probabilities of two classes have one"
        )
    subject = subject_of(past, store, model, since, until, version=version)
    number, served = subject.version.number, subject.records.served
    pairs = judged_of(served.filter(pc.equal(served["version"], number)), classes).rows
    counts = subject.baseline.classes
    return CalibrationReport(
        model=model,
        version=number,
        since=since,
        until=until,
        baseline=_calibrated(counts) if isinstance(counts, ScoreCounts) else None,
        window=_calibrated(ScoreCounts.of(*zip(*pairs, strict=True))) if pairs else None,
    )


def _calibrated(counts: ScoreCounts) -> Calibrated | None:
    if not counts.rows:
        return None
    curve = (Reliability(rows=each.rows, score=each.score, share=each.share) for each in calibration_curve(counts))
    return Calibrated(rows=counts.rows, ece=calibration_error(counts), curve=tuple(curve))
