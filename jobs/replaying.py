"""A replay with the fleet catching up after each day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from actors.connect import governor
from actors.credentials import credential_of
from actors.quiescence import ask, settle
from jobs.display.progress import Report
from runtime.domain.spec import Spec
from runtime.pipeline.replay import Day, Replay, Tally, days
from runtime.pipeline.sources import load_source
from runtime.settings import Settings

AfterDay = Callable[[Day], None]


def replay(
    spec: Spec,
    url: str,
    since: datetime,
    until: datetime,
    *,
    on_progress: Report | None = None,
    after_day: AfterDay | None = None,
) -> Tally:
    """Replays ``since <= time < until`` to the models that serve; what was sent and answered."""
    settle(spec.serving.pools)
    frame = load_source(spec)
    frame = frame[(frame[spec.data.time] >= since) & (frame[spec.data.time] < until)]
    serving = {model.name for model in ask(governor().models.remote) if model.champion is not None}
    settings = Settings.from_environment()
    sender, tally = Replay(url, credential_of(settings.principal, settings)), Tally()
    planned = list(days(spec, frame, serving))
    for done, day in enumerate(planned, start=1):
        tally += sender.send(day)
        settle(spec.serving.pools, day.end)
        if after_day is not None:
            after_day(day)
        if on_progress is not None:
            on_progress(done, len(planned), "days replayed")
    return tally
