"""How a model is watched, and when it is retrained: two sections of a spec."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document
from runtime.domain.checks import Checks
from runtime.domain.data import Source
from runtime.domain.terms import Duration, Share
from runtime.domain.training import Period
from runtime.domain.trigger import Trigger


class Monitoring(Document):
    """How often a model is checked and how much evidence an alarm takes.

    ``false_alarm_every``: mean number of checks between false alarms, at least; absent, the fleet's alarm budget
    says, and 10,000 where none was set. ``delta0``: drift to ignore, in chi units (about standard deviations of a
    small mean shift); ``measured`` is what each feature strayed in the version's own training time, from tick to
    tick and over the week, and 0 for versions packaged before it was asked for. ``error_reference_sigmas``:
    standard errors of the error baseline that are allowed for; fewer find a change sooner and may raise a false
    alarm when the baseline is small. ``recent``: rows with outcomes in the recent-performance window. ``slices``:
    features whose values are judged apart. ``repeat_after``: data drift that lasts is told again after so long;
    each alarm about errors is told, since a verdict may hang on it. ``checks``: limits of what is checked beside
    drift.
    """

    every: Period = timedelta(days=1)
    features: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    outcomes_after: Duration = timedelta(days=1)
    false_alarm_every: int | None = Field(default=None, ge=10)
    delta0: Literal["measured"] | Annotated[float, Field(ge=0)] = 0.0
    error_reference_sigmas: float = Field(default=5.0, ge=0)
    recent: int = Field(default=30, ge=5)
    slices: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)] | None = None
    repeat_after: Duration = timedelta(days=28)
    checks: Checks | None = None


class Alternating(Document):
    """Every ``every``-th day of the last stretch before the retraining judges; the other days train."""

    every: int = Field(default=2, ge=2, le=30)
    of_last: Period = timedelta(days=14)


class Retraining(Document):
    """When to retrain, and on what.

    ``when``: on ``drift`` or ``performance`` where errors grew, and by ``schedule("0 3 * * 1")`` in the data's time.

    Models that are due wait for the next ``window`` (counted from a Monday, UTC), so that they share one job.
    ``source``: where challengers' rows come from, such as the decisions of this spec's own models; absent, where those
    of first versions came from. ``data``: the rows used, "all" or a time span; in fits a row counts half as much for
    each ``half_life`` of age.
    ``holdout``: which rows judge a challenger; absent, the newest ``train.holdout`` of them. A model is left alone
    for ``snooze`` after a challenger failed, and for ``cool_down`` after one was promoted. ``recalibrate``: errors
    that a calibration alone would mend retrain nothing; a person is told to recalibrate.
    """

    when: tuple[Trigger, ...] = ("performance",)
    source: Source | None = None
    data: Literal["all"] | Period = timedelta(days=60)
    half_life: Period | None = None
    holdout: Alternating | None = None
    window: Period = timedelta(days=7)
    degraded_by: Share | float = 0.1
    snooze: Duration = timedelta(days=28)
    cool_down: Duration = timedelta(0)
    refit: bool = True
    recalibrate: Literal["call_a_person"] | None = None
