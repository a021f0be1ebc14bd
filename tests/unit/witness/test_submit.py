"""The ledger's side: over real HTTP, a checkpoint gets its cosignature, or the reason why not."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.errors import SignatureInvalid
from runtime.ledger.note import Verifier
from runtime.witness.errors import (
    AnchorConflict,
    AnchorUnprotected,
    Forked,
    Inconsistent,
    MemoryHeld,
    UnknownLog,
    WitnessContradicts,
    WitnessRefused,
    WitnessUnreachable,
)
from runtime.witness.memory import Memory
from runtime.witness.request import LARGEST_REQUEST_BYTES
from runtime.witness.submit import WitnessClient
from runtime.witness.witness import Witness
from tests.unit.witness.logs import NOON, MemoryLog, cosigner


@pytest.fixture
def url(served: Callable[[Witness], str], witness: Witness) -> str:
    return served(witness)


@pytest.fixture
def client(url: str, witness: Witness) -> Iterator[WitnessClient]:
    client = WitnessClient(url, witness.verifier)
    yield client
    client.close()


def answering(answer: httpx.Response | Exception, verifier: Verifier) -> WitnessClient:
    """A client of a witness that answers all alike."""

    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return WitnessClient("http://witness.example", verifier, transport=httpx.MockTransport(handle))


def test_a_checkpoint_comes_back_with_its_cosignature(client: WitnessClient, log: MemoryLog, witness: Witness) -> None:
    for size in (1, 5, 9, 9, 100):
        note = client.submit(log.note(size), log)
        checkpoint, opened = open_checkpoint(note, [log.signer.verifier], [witness.verifier])
        assert checkpoint == log.checkpoint(size)
        assert [line.time for line in opened.signed] == [None, NOON]


def test_a_client_that_does_not_know_what_the_witness_holds_asks(url: str, log: MemoryLog, witness: Witness) -> None:
    for size in (5, 9, 9):
        client = WitnessClient(url, witness.verifier)
        assert open_checkpoint(client.submit(log.note(size), log), [log.signer.verifier])[0].size == size
        client.close()


def test_a_second_witness_adds_its_line_to_the_firsts(
    client: WitnessClient,
    served: Callable[[Witness], str],
    log: MemoryLog,
    witness: Witness,
    tmp_path: Path,
) -> None:
    memory = Memory.open(tmp_path / "second", tmp_path / "none")
    second = Witness(cosigner(3), [log.signer.verifier], memory, lambda: NOON)
    other = WitnessClient(served(second), second.verifier)
    note = other.submit(client.submit(log.note(5), log), log)
    _, opened = open_checkpoint(note, [log.signer.verifier], [witness.verifier, second.verifier])
    assert len(opened.signed) == 3
    other.close()
    memory.close()


def test_a_ledger_that_was_rolled_back_is_contradicted(client: WitnessClient, url: str, log: MemoryLog) -> None:
    client.submit(log.note(9), log)
    fresh = WitnessClient(url, client.verifier)
    for asking in (client, fresh, client):
        with pytest.raises(WitnessContradicts, match=r"holds size 9, this ledger has 5: .*rolled back"):
            asking.submit(log.note(5), log)
    fresh.close()


def test_a_rewritten_history_is_contradicted_though_it_is_signed(
    client: WitnessClient, url: str, log: MemoryLog
) -> None:
    client.submit(log.note(9), log)
    other = MemoryLog(fork_at=3)
    fresh = WitnessClient(url, client.verifier)
    for size, reason in ((9, "another root of this size"), (12, "no part of this ledger")):
        for asking in (client, fresh):
            with pytest.raises(WitnessContradicts, match=reason):
                asking.submit(other.note(size), other)
    fresh.close()
    client.submit(log.note(12), log)


def test_a_witness_that_does_not_know_the_log_refuses_with_its_reason(client: WitnessClient, log: MemoryLog) -> None:
    stranger = MemoryLog("other.example")
    with pytest.raises(WitnessRefused, match=r"refused \(404\): no key is trusted for the log 'other\.example'"):
        client.submit(stranger.note(5), stranger)
    with pytest.raises(WitnessRefused, match=r"refused \(403\): the note is signed by log\.example"):
        client.submit(MemoryLog(seed=9).note(5), log)


def test_a_witness_that_is_not_there_is_unreachable(log: MemoryLog, witness: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = WitnessClient(f"http://127.0.0.1:{port}", witness.verifier)
    with pytest.raises(WitnessUnreachable, match="refused"):
        client.submit(log.note(5), log)
    client.close()


def test_a_witness_that_does_not_answer_in_time_is_unreachable(log: MemoryLog, witness: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = WitnessClient(url, witness.verifier, timeout=timedelta(milliseconds=50))
        with pytest.raises(WitnessUnreachable, match="timed out"):
            client.submit(log.note(5), log)
        client.close()


def test_an_answer_without_this_witnesss_line_is_refused(log: MemoryLog, witness: Witness) -> None:
    body = log.checkpoint(5).body()
    stranger = cosigner(9).cosign(body, NOON).line()
    for text, error, reason in (
        (stranger, WitnessRefused, "no cosignature of"),
        ("", WitnessUnreachable, "no signature line"),
        ("<html>\n", WitnessUnreachable, "no signature line"),
        (cosigner().cosign(log.checkpoint(6).body(), NOON).line(), SignatureInvalid, "does not verify"),
    ):
        client = answering(httpx.Response(200, text=text), witness.verifier)
        with pytest.raises(error, match=reason):
            client.submit(log.note(5), log)
        client.close()


def test_lines_of_other_keys_in_an_answer_are_passed_over(log: MemoryLog, witness: Witness) -> None:
    body = log.checkpoint(5).body()
    text = cosigner(9).cosign(body, NOON).line() + cosigner().cosign(body, NOON).line()
    client = answering(httpx.Response(200, text=text), witness.verifier)
    _, opened = open_checkpoint(client.submit(log.note(5), log), [log.signer.verifier])
    assert [(line.name, line.key_hash) for line in opened.unknown] == [("witness.example", witness.verifier.key_hash)]
    client.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(409, text="5\n"), "its conflict is of type 'text/plain'"),
        (httpx.Response(409, content=b"five\n", headers={"content-type": "text/x.tlog.size"}), "names no size"),
        (httpx.ReadError("reset"), "reset"),
        (httpx.Response(302, headers={"location": "http://elsewhere.example"}), "302"),
        (httpx.Response(503, text="busy"), r"refused \(503\): busy"),
    ],
)
def test_an_answer_that_is_none_of_a_witness_says_so(
    log: MemoryLog, witness: Witness, answer: httpx.Response | Exception, reason: str
) -> None:
    client = answering(answer, witness.verifier)
    with pytest.raises((WitnessUnreachable, WitnessRefused), match=reason):
        client.submit(log.note(9), log)
    client.close()


def test_a_witness_that_moves_on_at_each_request_is_given_up(log: MemoryLog, witness: Witness) -> None:
    sizes = iter(range(1, 9))

    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(409, content=f"{next(sizes)}\n", headers={"content-type": "text/x.tlog.size"})

    client = WitnessClient("http://w.example", witness.verifier, transport=httpx.MockTransport(handle))
    with pytest.raises(WitnessRefused, match="after 3 attempts it holds 3"):
        client.submit(log.note(9), log)
    client.close()


# --- the wire, as a stranger's client sees it -------------------------------------------------------


def test_the_wire_is_that_of_c2sp(url: str, log: MemoryLog, witness: Witness) -> None:
    with httpx.Client(base_url=url) as http:
        assert http.get("/").text == f"{witness.verifier.vkey}\n"
        good = http.post("/add-checkpoint", content=log.request(0, 5))
        assert (good.status_code, good.text[:2], good.text[-1]) == (200, "— ", "\n")
        stale = http.post("/add-checkpoint", content=log.request(0, 7))
        assert (stale.status_code, stale.content, stale.headers["content-type"]) == (409, b"5\n", "text/x.tlog.size")
        fork = http.post("/add-checkpoint", content=MemoryLog(fork_at=1).request(5, 5))
        assert (fork.status_code, fork.content, fork.headers["content-type"]) == (409, b"5\n", "text/x.tlog.size")
        codes = {
            400: b"nonsense",
            404: MemoryLog("other.example").request(0, 5),
            403: MemoryLog(seed=9).request(5, 6),
            422: MemoryLog(fork_at=1).request(5, 9),
            413: b"x" * (LARGEST_REQUEST_BYTES + 1),
        }
        assert {code: http.post("/add-checkpoint", content=body).status_code for code, body in codes.items()} == {
            code: code for code in codes
        }
        assert http.get("/add-checkpoint").status_code == 405


@pytest.mark.parametrize(
    "error",
    [
        UnknownLog("a"),
        Forked("a", 5, 5),
        Inconsistent("a", 5, 9),
        MemoryHeld("/folder", "process 1"),
        WitnessUnreachable("http://w", "refused"),
        WitnessRefused("http://w", 404, "unknown"),
        WitnessContradicts("http://w", 9, 5, "rolled back"),
        AnchorUnprotected("s3://b", "no lock"),
        AnchorConflict("s3://b", 5, "aa", "bb"),
    ],
)
def test_errors_of_witnesses_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
