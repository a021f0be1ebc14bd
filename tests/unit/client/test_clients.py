"""The client against the control API over a socket: the same from both of its forms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.client import (
    AskedWrongly,
    AsyncFleetward,
    Fleetward,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RefusedByPolicy,
    RevisionChanged,
    Unreachable,
)
from runtime.client.trying import Trying
from runtime.domain.events import ModelResumed, ModelSuspended
from tests.unit.control.ground import Ground

ONCE = Trying(tries=1)


def test_what_is_so_comes_as_types(url: str, ground: Ground) -> None:
    with Fleetward(url) as fleet:
        assert [each.model for each in fleet.models()] == ["minutes-a", "minutes-b"]
        model = fleet.model("minutes-a")
        assert (model.champion, model.former, sorted(model.versions)) == (2, (1,), [1, 2, 3])
        assert fleet.model("minutes-a", as_of=3).champion is None
        (finding,) = fleet.findings()
        assert (finding.model, finding.version) == ("minutes-a", 2)
        assert [entry.seq for entry in fleet.entries()] == list(reversed(range(ground.size)))
        assert fleet.whoami().principal == "user:anonymous"


def test_a_decision_is_made_on_what_was_looked_at(url: str, ground: Ground) -> None:
    with Fleetward(url) as fleet:
        (waiting,) = fleet.approvals()
        ground.record(ModelSuspended(model="minutes-a", reason="drift"))
        ground.record(ModelResumed(model="minutes-a", reason="mended"))
        with pytest.raises(RevisionChanged, match="its newest entry is"):
            fleet.approve(waiting.model, waiting.version, "tested", revision=waiting.revision)
        (waiting,) = fleet.approvals()
        told = fleet.approve(waiting.model, waiting.version, "tested", revision=waiting.revision)
    assert told.sentence == "minutes-a: approval of version 3 given by user:anonymous: tested"


def test_errors_are_told_apart(url: str) -> None:
    with Fleetward(url) as fleet:
        with pytest.raises(NotFound, match="no model is named 'nobody'"):
            fleet.model("nobody")
        with pytest.raises(RefusedByPolicy) as refused:
            fleet.command("/v1/models/minutes-a/resume", {"reason": "mended"})
        assert refused.value.reason == "it is not suspended"
        with pytest.raises(AskedWrongly, match=r"body reason: got ' '"):
            fleet.reject("minutes-a", 3, " ")


def test_whoever_is_not_known_or_may_not_is_told_so(ground: Ground, request: pytest.FixtureRequest) -> None:
    from runtime.domain.tokens import Role

    ground.authenticate()
    url, key = request.getfixturevalue("url"), ground.key("crew", Role.CLIENT, models=("minutes-a",))
    with Fleetward(url, "nonsense") as nobody, pytest.raises(NotAuthenticated):
        nobody.whoami()
    with Fleetward(url, key) as crew, pytest.raises(NotPermitted, match="it needs the role"):
        list(crew.findings())


def test_a_fleet_that_is_not_there_is_said() -> None:
    with Fleetward("http://127.0.0.1:9", trying=ONCE) as fleet, pytest.raises(Unreachable, match="1 try"):
        fleet.whoami()


def test_entries_are_watched_as_they_come(url: str, ground: Ground) -> None:
    with Fleetward(url) as fleet:
        watched = fleet.watch(since=ground.size - 1)
        assert next(watched).seq == ground.size - 1
        seq = ground.record(ModelSuspended(model="minutes-a", reason="drift"))
        assert (entry := next(watched)).seq == seq
        assert entry.kind == "model_suspended"
        watched.close()


def test_the_awaited_client_does_the_same(url: str, ground: Ground) -> None:
    async def lived() -> None:
        async with AsyncFleetward(url) as fleet:
            assert [each.model async for each in fleet.models()] == ["minutes-a", "minutes-b"]
            assert (await fleet.model("minutes-a")).champion == 2
            (waiting,) = [each async for each in fleet.approvals()]
            told = await fleet.approve(waiting.model, 3, "tested", revision=waiting.revision)
            watched = fleet.watch(since=told.entry)
            assert (await anext(watched)).kind == "approval_given"
            await watched.aclose()
            with pytest.raises(NotFound):
                await fleet.model("nobody")
            (finding,) = [each async for each in fleet.findings()]
            answered: Any = await fleet.answer(finding.finding, "dismissed", "looked")
            assert answered.entry == ground.size - 1

    asyncio.run(lived())
