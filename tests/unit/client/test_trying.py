"""When a client tries again: after what may pass, with the same key, waiting longer each time; and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import attrgetter

import httpx
import pytest

from runtime.client import AsyncFleetward, Failed, Fleetward, NotPermitted, RefusedByPolicy, TooOften, Unreachable
from runtime.client.trying import LONGEST_SECONDS, Trying

RECORDED = {"entry": 7, "event_id": "e", "sentence": "m: suspended"}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"status": status, "detail": detail, "error": detail}, headers=headers)


class Network:
    """Answers in order, and what was sent to it."""

    def __init__(self, *answers: httpx.Response | httpx.TransportError) -> None:
        self._answers = list(answers)
        self.sent: list[httpx.Request] = []
        self.waited: list[float] = []

    def answered(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    def client(self, trying: Trying | None = None) -> Fleetward:
        trying = trying or Trying(draw=lambda: 1.0)
        transport = httpx.MockTransport(self.answered)
        return Fleetward("http://fleet", "key", trying=trying, transport=transport, sleep=self.waited.append)


@pytest.mark.parametrize(
    "first",
    [
        lambda: httpx.ConnectError("refused"),
        lambda: httpx.ReadError("cut off"),
        lambda: problem(502, "bad gateway"),
        lambda: problem(503, "the governor did not answer"),
        lambda: httpx.Response(504, text="<html>"),
    ],
    ids=["no connection", "cut off", "502", "503", "504"],
)
def test_what_may_pass_is_tried_again_with_the_same_key(
    first: Callable[[], httpx.Response | httpx.TransportError],
) -> None:
    network = Network(first(), httpx.Response(200, json=RECORDED))
    told = network.client().command("/v1/models/m/suspend", {"reason": "drift"})
    assert told.entry == 7
    keys = [request.headers["idempotency-key"] for request in network.sent]
    assert keys[0] == keys[1]
    assert network.sent[0].content == network.sent[1].content


def test_two_commands_have_two_keys() -> None:
    network = Network(httpx.Response(200, json=RECORDED), httpx.Response(200, json=RECORDED))
    for _ in range(2):
        network.client().command("/v1/models/m/suspend", {"reason": "drift"})
    assert len({request.headers["idempotency-key"] for request in network.sent}) == 2


def test_a_question_to_a_model_keeps_its_decision_id() -> None:
    answer = {
        "model_name": "m",
        "model_version": "1",
        "parameters": {"decision_id": "d"},
        "outputs": [{"name": "y", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]}],
    }
    network = Network(httpx.ConnectError("refused"), httpx.Response(200, json=answer))
    told = network.client().predict("m", [{"a": 1.0, "b": "x"}, {"a": None, "b": "y"}])
    assert told.outputs == (1.5, 2.5)
    first, second = network.sent
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.url.path == "/v2/models/m/infer"


@pytest.mark.parametrize(("status", "kind"), [(409, RefusedByPolicy), (500, Failed)])
def test_an_answer_is_not_asked_for_again(status: int, kind: type[Exception]) -> None:
    network = Network(problem(status, "no"))
    with pytest.raises(kind, match="no"):
        network.client().whoami()
    assert not network.waited


def test_waits_grow_and_end() -> None:
    network = Network(*(httpx.ConnectError("refused") for _ in range(8)))
    with pytest.raises(Unreachable, match=r"http://fleet did not answer \(8 tries\): refused"):
        network.client(Trying(tries=8, draw=lambda: 1.0)).whoami()
    assert network.waited == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_SECONDS]


def test_who_asks_too_often_waits_as_long_as_it_is_told() -> None:
    network = Network(problem(429, "over its quota", {"retry-after": "3"}), problem(429, "over its quota"))
    with pytest.raises(TooOften):
        network.client(Trying(tries=2, draw=lambda: 0.0)).whoami()
    assert network.waited == [3.0]


def told(*seqs: int) -> httpx.Response:
    """A stream that tells of these entries and is cut off."""
    entry = (
        '{"seq":%d,"event_id":"e","time":"2026-03-01T12:00:00Z","principal":"p","event":{"kind":"k"},"sentence":"s"}'
    )
    text = "retry: 1000\n\n" + "".join(f"id: {seq}\nevent: k\ndata: {entry % seq}\n\n" for seq in seqs) + "id: 99\nda"
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def test_a_stream_that_is_cut_off_goes_on_after_the_last_entry() -> None:
    network = Network(told(3, 4), httpx.ConnectError("refused"), problem(503, "away"), told(5), problem(403, "no"))
    seen, watched = list[int](), network.client().watch(since=3)
    with pytest.raises(NotPermitted):
        seen += map(attrgetter("seq"), watched)
    assert seen == [3, 4, 5]
    asked = [(request.url.query.decode(), request.headers.get("last-event-id")) for request in network.sent]
    assert asked == [("since=3", None), ("", "4"), ("", "4"), ("", "4"), ("", "5")]


def test_the_awaited_client_follows_the_same_rules() -> None:
    network, waited = Network(problem(503, "away"), httpx.Response(200, json=RECORDED)), list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def lived() -> None:
        transport = httpx.MockTransport(network.answered)
        trying = Trying(draw=lambda: 1.0)
        async with AsyncFleetward("http://fleet", trying=trying, transport=transport, sleep=sleep) as fleet:
            assert (await fleet.command("/v1/budget", {"false_alarms": 3, "reason": "calm"})).entry == 7

    asyncio.run(lived())
    assert waited == [0.25]
