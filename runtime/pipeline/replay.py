"""Replays a past as live traffic: the requests of each day over HTTP, and their outcomes when they are due.

One request a model and day carries that day's rows, as a planner asks the evening before; outcomes follow
``monitor.outcomes_after`` later. Decision ids are derived from model and day, so a request that had to be sent
again (a replica died with it in its hands) is still one decision, and two replays of one past are the same.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus

import aiohttp
import numpy as np
import pandas as pd

from runtime.domain.base import rfc3339
from runtime.domain.fleet import model_name
from runtime.domain.ids import derived_id
from runtime.domain.spec import Spec
from runtime.pipeline.asking import Asking, Positions, Request

CONCURRENT = 8
"""Requests under way at once."""
PATIENCE_SECONDS = 60.0
"""How long one request is tried again before it counts as failed."""
_RETRY_SECONDS = 0.2
_ANSWER_SECONDS = 30.0
_TRY_AGAIN = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Day:
    """What happens on one day: outcomes of earlier days first, then the day's questions."""

    start: datetime
    end: datetime
    outcomes: tuple[Request, ...]
    questions: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the replay saw. ``failed`` requests never got a good answer; ``retried`` got one later."""

    requests: int = 0
    decisions: int = 0
    outcomes: int = 0
    retried: int = 0
    failed: int = 0
    failures: tuple[str, ...] = field(default=())

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests,
            self.decisions + other.decisions,
            self.outcomes + other.outcomes,
            self.retried + other.retried,
            self.failed + other.failed,
            (*self.failures, *other.failures)[:10],
        )


def days(spec: Spec, frame: pd.DataFrame, models: set[str], step: timedelta = timedelta(days=1)) -> Iterator[Day]:
    """The days of the rows that belong to the models, in order; a last day without questions tells the rest.

    ``frame`` has the spec's time, target, feature and partition columns; rows of other partitions are left out.
    """
    names = models_of(spec, frame)
    order = np.argsort(frame[spec.data.time].to_numpy(), kind="stable")
    order = order[names.isin(models).to_numpy()[order]]
    if not len(order):
        return
    told = Asking(spec, frame)
    groups: dict[pd.Timestamp, list[tuple[str, Positions]]] = {}
    keys = pd.DataFrame({"step": frame[spec.data.time].dt.floor(step).array[order], "model": names.array[order]})
    indices: dict[tuple[pd.Timestamp, str], Positions] = keys.groupby(["step", "model"]).indices  # type: ignore[assignment]
    for (at, name), found in sorted(indices.items()):
        groups.setdefault(at, []).append((name, order[found]))
    due: dict[datetime, list[Request]] = {}
    for start in pd.date_range(min(groups), max(groups) + spec.monitor.outcomes_after, freq=step):
        today = groups.get(start, [])
        for name, rows in today:
            later = (start + spec.monitor.outcomes_after).floor(step)
            due.setdefault(later, []).append(told.outcomes(name, _decision_id(name, start), rows))
        yield Day(
            start=start.to_pydatetime(),
            end=(start + step).to_pydatetime(),
            outcomes=tuple(due.pop(start, [])),
            questions=tuple(told.question(name, rows, _parameters(name, start)) for name, rows in today),
        )


class Replay:
    """Sends days to a fleet at ``url``, as whom the credential proves it to be.

    Answers other than 200 are failures, after patience with a restart.
    """

    def __init__(self, url: str, credential: str | None = None) -> None:
        self._url = url
        self._headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
        self._tls = ssl.create_default_context()  # reads all root certificates: once, not once a day

    def send(self, day: Day) -> Tally:
        """Sends one day: all outcomes that are due, then all questions."""
        return asyncio.run(self._day(day))

    def tell(self, outcomes: tuple[Request, ...]) -> Tally:
        """Sends outcomes alone."""
        return asyncio.run(self._told(outcomes))

    async def _day(self, day: Day) -> Tally:
        async with self._session() as session:
            told = await self._all(session, day.outcomes)
            asked = await self._all(session, day.questions)
        return replace(told, outcomes=told.decisions, decisions=0) + asked

    async def _told(self, outcomes: tuple[Request, ...]) -> Tally:
        async with self._session() as session:
            told = await self._all(session, outcomes)
        return replace(told, outcomes=told.decisions, decisions=0)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONCURRENT, ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)

    async def _all(self, session: aiohttp.ClientSession, requests: tuple[Request, ...]) -> Tally:
        waiting = iter(requests)

        async def worker() -> Tally:
            tally = Tally()
            for request in waiting:
                tally += await self._one(session, request)
            return tally

        return sum(await asyncio.gather(*(worker() for _ in range(CONCURRENT))), Tally())

    async def _one(self, session: aiohttp.ClientSession, request: Request) -> Tally:
        ends = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        tries, failure = 0, ""
        while asyncio.get_running_loop().time() < ends:
            tries += 1
            try:
                async with session.post(f"{self._url}{request.path}", data=request.body) as answer:
                    status, text = answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                failure = repr(error)
            else:
                if status == HTTPStatus.OK:
                    return Tally(requests=1, decisions=request.rows, retried=min(tries - 1, 1))
                failure = f"{status} {text[:200]}"
                if status not in _TRY_AGAIN:
                    break
            await asyncio.sleep(_RETRY_SECONDS)
        return Tally(requests=1, failed=1, failures=(f"{request.path}: {failure}",))


def models_of(spec: Spec, frame: pd.DataFrame) -> pd.Series:
    """The model each row belongs to."""
    columns = list(spec.group_columns)
    if not columns:
        return pd.Series(spec.name, index=frame.index)
    kinds = frame[columns].drop_duplicates().astype(str)
    names = {tuple(row): model_name(spec, dict(zip(columns, row, strict=True))) for row in kinds.to_numpy().tolist()}
    keys = pd.MultiIndex.from_frame(frame[columns].astype(str))
    return pd.Series([names[key] for key in keys], index=frame.index)


def _decision_id(name: str, start: datetime) -> str:
    return derived_id("replay", name, start.isoformat())


def _parameters(name: str, start: datetime) -> dict[str, str]:
    return {"decision_id": _decision_id(name, start), "event_time": rfc3339(start)}
