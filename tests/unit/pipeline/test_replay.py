"""A past is replayed as it was lived: questions on their day, outcomes when they are due, the same each time."""

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import orjson
import pandas as pd
import pytest

from runtime.domain.decision import Outcomes
from runtime.pipeline import replay
from runtime.pipeline.asking import Request, infer_request
from runtime.pipeline.replay import Day, Replay, Tally, days, models_of
from runtime.serving.protocols import oip, outcomes
from runtime.serving.protocols.request import InferRequest
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import SPEC, a_spec, frame, layout

FRAME = pd.concat([frame(24), frame(24, carrier="WN")], ignore_index=True)
BOTH = {MODEL, "flight-time-WN"}


def lived(after: str = "2d", models: set[str] = BOTH, given: pd.DataFrame = FRAME) -> list[Day]:
    return list(days(a_spec(monitor={"outcomes_after": after}), given, models))


def read(request: Request) -> InferRequest:
    """As a replica reads it."""
    return oip.Reader(layout().schema).read(request.body)


def told(request: Request) -> Outcomes:
    (found,) = outcomes.read(request.body, model=MODEL, caller="test", at=MONDAY)
    return found


def test_each_day_asks_for_its_own_rows() -> None:
    found = lived()
    assert [day.start for day in found] == [MONDAY + timedelta(days=number) for number in range(5)]
    assert all(day.end - day.start == timedelta(days=1) for day in found)
    assert [sum(request.rows for request in day.questions) for day in found] == [16, 16, 16, 0, 0]
    assert [request.path for request in found[0].questions] == [f"/v2/models/{name}/infer" for name in sorted(BOTH)]


@pytest.mark.parametrize(("after", "due"), [("1d", 1), ("2d", 2), ("36h", 1)])
def test_outcomes_follow_when_they_are_due_and_all_are_told(after: str, due: int) -> None:
    found = lived(after)
    assert [sum(request.rows for request in day.outcomes) for day in found] == [0] * due + [16] * 3
    for number in range(3):
        asked = [read(request).decision_id for request in found[number].questions]
        assert [told(request).decision_id for request in found[number + due].outcomes] == asked


def test_outcomes_are_the_targets_of_the_rows_that_were_asked_about() -> None:
    today = FRAME[(FRAME["carrier"] == "UA") & (FRAME["scheduled"] < MONDAY + timedelta(days=1))]
    assert told(lived()[2].outcomes[0]).actuals == today["air_time"].tolist()


def test_two_replays_of_one_past_are_the_same() -> None:
    assert lived() == lived()
    assert lived(given=FRAME[::-1].sort_index()) == lived()


def test_decisions_have_ids_of_their_own_on_every_day_and_for_every_model() -> None:
    ids = [read(request).decision_id for day in lived() for request in day.questions]
    assert len(set(ids)) == len(ids) == 6


def test_a_question_is_read_as_the_protocol_says() -> None:
    request = read(lived()[0].questions[0])
    today = FRAME[(FRAME["carrier"] == "UA") & (FRAME["scheduled"] < MONDAY + timedelta(days=1))]
    assert request.event_time == MONDAY
    assert list(request.columns) == ["hour", "dest"]
    assert np.array_equal(request.columns["hour"], today["hour"], equal_nan=True)
    assert request.columns["dest"].tolist() == today["dest"].astype(object).where(today["dest"].notna(), None).tolist()


def test_what_is_missing_is_sent_as_null() -> None:
    dests = pd.Series(["LAX", None, np.nan], dtype=object)
    request = infer_request(SPEC, MODEL, frame(3).assign(hour=[np.nan, 7.0, np.nan], dest=dests))
    hour, dest = orjson.loads(request.body)["inputs"]
    assert hour == {"name": "hour", "datatype": "FP64", "shape": [3], "data": [None, 7.0, None]}
    assert dest == {"name": "dest", "datatype": "BYTES", "shape": [3], "data": ["LAX", None, None]}
    assert read(request).rows == 3


def test_models_that_are_not_asked_for_are_left_out() -> None:
    assert {request.path for day in lived(models={MODEL}) for request in day.questions} == {f"/v2/models/{MODEL}/infer"}
    assert lived(models={"another"}) == []


def test_a_day_without_rows_is_a_day() -> None:
    gap = pd.concat([frame(24)[:8], frame(24)[16:]])
    found = lived(given=gap, models={MODEL})
    assert [len(day.questions) for day in found] == [1, 0, 1, 0, 0]
    assert [len(day.outcomes) for day in found] == [0, 0, 1, 0, 1]


def test_a_single_model_takes_all_rows() -> None:
    spec = a_spec(kind="model", name="flight-time", for_each=None)
    assert set(models_of(spec, FRAME)) == {"flight-time"}
    assert set(models_of(SPEC, FRAME)) == BOTH


# --- over HTTP -------------------------------------------------------------------------------------


class Fleet(BaseHTTPRequestHandler):
    """Is away for its first answer, then knows one model and what it can be asked."""

    answers: list[int]
    seen: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(self.path)
        status = self.answers.pop() if self.answers else 200 if MODEL in self.path else 404
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Fleet.answers, Fleet.seen = [503], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fleet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fleet_that_is_away_for_a_moment_is_asked_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_RETRY_SECONDS", 0.01)
    day = lived(models={MODEL}, after="1d")[1]
    assert Replay(url).send(day) == Tally(requests=2, decisions=8, outcomes=8, retried=1)
    assert Fleet.seen[-1] == f"/v2/models/{MODEL}/infer", "outcomes come first"


def test_a_request_that_is_refused_is_a_failure_and_not_sent_again(url: str) -> None:
    Fleet.answers.clear()
    day = Day(MONDAY, MONDAY, (), (Request("/v2/models/nobody/infer", b"{}", 3),))
    assert Replay(url).send(day) == Tally(requests=1, failed=1, failures=("/v2/models/nobody/infer: 404 {}",))
    assert len(Fleet.seen) == 1


def test_outcomes_alone_are_told_and_those_that_are_refused_are_counted(url: str) -> None:
    Fleet.answers.clear()
    asked = [Request(f"/v2/models/{name}/outcomes", b"{}", 5) for name in (MODEL, "nobody", MODEL)]
    told = Replay(url).tell(tuple(asked))
    assert (told.requests, told.outcomes, told.decisions, told.failed) == (3, 10, 0, 1)
    assert told.failures == ("/v2/models/nobody/outcomes: 404 {}",)


def test_tallies_add_up_and_keep_the_first_failures() -> None:
    one = Tally(requests=1, failed=1, failures=("a",))
    assert one + Tally(requests=2, decisions=5) == Tally(requests=3, decisions=5, failed=1, failures=("a",))
    assert len(sum([one] * 30, Tally()).failures) == 10
