"""Did a retraining help? The errors of the new champion against those that the alarm told of."""

from __future__ import annotations

from datetime import datetime

from runtime.domain.capacity import RetrainingScored
from runtime.domain.reports import WindowPerformance
from runtime.domain.state import FleetState
from runtime.policy.retraining import metric_of


def scorecard(
    state: FleetState, name: str, version: int | None, recent: WindowPerformance | None, as_of: datetime
) -> RetrainingScored | None:
    """What is to be told of the champion's retraining; ``None`` if it has none, or was told of.

    ``recent``: of the newest outcomes under the champion. It helped if its error is below that of the alarm; what else
    changed meanwhile, such as the season, is not taken out of it.
    """
    model = state.models.get(name)
    if (
        model is None
        or model.champion is None
        or model.champion != version
        or model.scored == version
        or recent is None
    ):
        return None
    batch = state.batches.get(model.version(model.champion).registered.batch)
    finding = None if batch is None else state.findings.get(batch.findings.get(name, ""))
    if batch is None or finding is None:
        return None
    opened = finding.opened
    metric = metric_of(opened, state.spec_of(model))
    errors = [None if each is None else each.error(metric) for each in (opened.recent, recent, opened.baseline)]
    before, after, usual = errors
    if before is None or after is None or usual is None:
        return None
    return RetrainingScored(
        model=name,
        version=model.champion,
        batch=batch.batch,
        finding=opened.finding,
        metric=metric,
        before=before,
        after=after,
        usual=usual,
        rows=recent.rows,
        helped=after < before,
        as_of=as_of,
    )
