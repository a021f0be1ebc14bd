"""``/v1/watch``: entries as they come, without a gap for whoever was cut off, and for auditors alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest

from runtime.control import watching
from runtime.domain.events import ModelResumed, ModelSuspended
from runtime.domain.tokens import Role, TokenRevoked
from tests.unit.control.ground import Asker, Ground, problem_of

WITHIN_SECONDS = 20


class Stream:
    """One answer that does not end, read as it comes (httpx's own transport waits for its end)."""

    def __init__(self, ground: Ground, query: str = "", **headers: str) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/watch",
            "raw_path": b"/v1/watch",
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self._ground = ground
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._gone = asyncio.Event()

    async def run(self) -> None:
        await self._ground.application(self.scope, self._receive, self._told.put)  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def message(self) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await self._told.get()

    async def parts(self) -> AsyncIterator[str]:
        """The parts between blank lines."""
        rest = ""
        while True:
            message = await self.message()
            if message["type"] == "http.response.body":
                rest += message.get("body", b"").decode()
                *whole, rest = rest.split("\n\n")
                for part in whole:
                    yield part
                if not message.get("more_body"):
                    return

    async def entry(self) -> dict[str, Any]:
        """The next entry: its id, kind and document."""
        async for part in self.parts():
            if part.startswith("id:"):
                fields = dict(line.split(": ", 1) for line in part.splitlines())
                return {**fields, "data": orjson.loads(fields["data"])}
        raise AssertionError("the stream ended")

    def hang_up(self) -> None:
        self._gone.set()


@asynccontextmanager
async def streaming(ground: Ground, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    stream = Stream(ground, query, **headers)
    task = asyncio.create_task(stream.run())
    try:
        yield stream
    finally:
        stream.hang_up()
        async with asyncio.timeout(WITHIN_SECONDS):
            with suppress(asyncio.CancelledError):
                await task


def test_entries_come_as_they_are_committed(ground: Ground, runner: asyncio.Runner) -> None:
    async def watched() -> None:
        async with streaming(ground) as stream:
            assert (await stream.message())["status"] == 200
            assert (await anext(stream.parts())).startswith("retry: ")
            seq = ground.record(ModelSuspended(model="minutes-a", reason="drift"))
            told = await stream.entry()
            assert (told["id"], told["event"]) == (str(seq), "model_suspended")
            assert told["data"]["sentence"].startswith("minutes-a: ")

    runner.run(watched())


@pytest.mark.parametrize(("query", "headers", "first"), [("since=3", {}, 3), ("since=3", {"last_event_id": "6"}, 7)])
def test_a_watcher_begins_where_it_says_and_goes_on_after_what_it_saw(
    query: str, headers: dict[str, str], first: int, ground: Ground, runner: asyncio.Runner
) -> None:
    async def watched() -> list[str]:
        async with streaming(ground, query, **headers) as stream:
            parts = [part async for part, _ in _counted(stream, ground.size - first)]
        return [part.splitlines()[0] for part in parts]

    assert runner.run(watched()) == [f"id: {seq}" for seq in range(first, ground.size)]


async def _counted(stream: Stream, entries: int) -> AsyncIterator[tuple[str, int]]:
    seen = 0
    async for part in stream.parts():
        if part.startswith("id: "):
            seen += 1
            yield part, seen
        if seen == entries:
            return


def test_only_what_was_asked_for_is_told(ground: Ground, runner: asyncio.Runner) -> None:
    async def watched() -> dict[str, Any]:
        async with streaming(ground, "since=0&kind=version_promoted&model=minutes-a") as stream:
            await stream.entry()
            return await stream.entry()

    assert runner.run(watched())["data"]["event"]["version"] == 2


def test_silence_is_broken_by_comments(ground: Ground, runner: asyncio.Runner, monkeypatch: Any) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.02)

    async def watched() -> None:
        async with streaming(ground) as stream:
            assert [part async for part, _ in _first(stream, 3)] == ["retry: 1000", ": nothing new", ": nothing new"]

    runner.run(watched())


async def _first(stream: Stream, count: int) -> AsyncIterator[tuple[str, int]]:
    at = 0
    async for part in stream.parts():
        at += 1
        yield part, at
        if at == count:
            return


def test_whoever_loses_the_key_sees_nothing_more(
    ground: Ground, runner: asyncio.Runner, asker: Callable[[str | None], Asker]
) -> None:
    ground.authenticate()
    client, key = asker(ground.key("crew", Role.CLIENT, models=("*",))), ground.key("eve", Role.AUDITOR)
    assert "it needs the role auditor" in problem_of(client.get("watch"), 403)

    async def watched() -> list[str]:
        async with streaming(ground, authorization=f"Bearer {key}") as stream:
            parts = stream.parts()
            assert (await anext(parts)).startswith("retry: ")
            ground.record(TokenRevoked(token=key.partition(".")[0], reason="lost"), "user:root")
            return [part async for part in parts]

    assert runner.run(watched()) == []


def test_more_watchers_than_there_is_room_for_are_refused(ground: Ground, ada: Asker, runner: asyncio.Runner) -> None:
    ground.control.feed._most = 1

    async def watched() -> Any:
        async with streaming(ground) as stream:
            assert (await anext(stream.parts())).startswith("retry: ")
            await asyncio.sleep(0)
            return await ada.asked("GET", "watch")

    assert "1 watch already" in problem_of(runner.run(watched()), 503)
    assert ground.control.feed._watchers == 0


def test_a_ledger_that_is_away_for_a_while_is_watched_again(ground: Ground, runner: asyncio.Runner) -> None:
    async def watched() -> str:
        async with streaming(ground) as stream:
            assert (await anext(stream.parts())).startswith("retry: ")
            ground.ledger.close()
            ground.ledger._url, url = ground.url + "x", ground.url
            await asyncio.sleep(0.05)
            ground.ledger._url = url
            ground.record(ModelSuspended(model="minutes-a", reason="drift"))
            ground.record(ModelResumed(model="minutes-a", reason="mended"))
            return str((await stream.entry())["event"])

    assert runner.run(watched()) == "model_suspended"
