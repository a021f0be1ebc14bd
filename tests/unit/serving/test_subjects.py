"""A request that names its data subject leaves no trace of it in the clear, whatever it asks and whatever fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from runtime.domain.decision import Variant
from runtime.domain.events import SegmentContent, Stage
from runtime.domain.spec import Capture as Policy
from runtime.serving.capture import Capture
from runtime.serving.handlers import ROWS_ON_LOOP
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from runtime.serving.subjects import TRUSTED_SECONDS, Subjects
from runtime.storage.inputs import opened
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment
from tests.unit.serving.conftest import NOW, Client, Kept, Shop, route, routes
from tests.unit.serving.test_overriding import Ruled
from tests.unit.storage.records import Ledger

ADA = "Ada Lovelace <ada@example.org>"
SECRET = 48151623.42
"""Times 10 it is answered with 481516234.2, which stands in the record: outputs are not sealed."""
ROW = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [SECRET, 1.0]}


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keys" / "subjects", lambda: NOW)


@pytest.fixture
def subjects(keyring: Keyring, time: Time) -> Subjects:
    return Subjects(lambda: keyring, time)


@pytest.fixture
def application(pool: Pool, kept: Kept, shop: Shop, subjects: Subjects) -> Application:
    async def on_shutdown() -> None:
        return None

    return Application(Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0", subjects=subjects), on_shutdown)


def test_a_record_holds_pseudonym_and_ciphertext_and_the_answer_is_the_same(
    client: Client, kept: Kept, keyring: Keyring
) -> None:
    named = client.infer(inputs=[ROW], parameters={"subject": ADA})
    plain = client.infer(inputs=[ROW])
    assert named.json()["outputs"] == plain.json()["outputs"]
    protected, clear = kept.decisions
    key = keyring.key("m", ADA)
    assert (protected.subject, protected.numbers, protected.texts) == (key.pseudonym, (), ())
    assert key.open(protected.decision_id, 0, protected.sealed[0]) == ([SECRET, 1.0], [])
    assert (clear.subject, clear.sealed, clear.numbers) == ("", (), ([SECRET], [1.0]))


def test_what_a_fallback_answers_lies_under_the_key_of_the_model_that_was_asked(
    client: Client, kept: Kept, keyring: Keyring, shop: Shop, pool: Pool
) -> None:
    ruled = Ruled(shop, pool)
    ruled.follow({"when": "out_of_range", "features": ["a"], "then": {"fallback": "other"}})
    ruled.follow(model="other", factor=2)
    client.infer(inputs=[ROW], parameters={"subject": ADA})
    own, other = kept.decisions
    key = keyring.key("m", ADA)
    assert (own.model, other.model, own.subject, other.subject) == ("m", "other", key.pseudonym, key.pseudonym)
    assert own.numbers == other.numbers == ()
    assert key.open(other.decision_id, 0, other.sealed[0]) == ([SECRET, 1.0], [])
    assert str(SECRET) not in str(own.flags + other.flags)


def test_the_header_names_a_subject_in_utf_8_and_the_bodys_own_word_goes_first(
    client: Client, kept: Kept, keyring: Keyring
) -> None:
    name = "Zoë"
    content = orjson.dumps({"inputs": [ROW]})
    headers = {"fleetward-subject": name.encode()}
    client.send("POST", "/v2/models/m/infer", content=content, headers=headers)
    body = orjson.dumps({"inputs": [ROW], "parameters": {"subject": ADA}})
    client.send("POST", "/v2/models/m/infer", content=body, headers=headers)
    client.send("POST", "/v2/models/m/infer", content=content, headers={"fleetward-subject": "Zoe\u0308".encode()})
    expected = [keyring.key("m", subject).pseudonym for subject in (name, ADA, name)]
    assert [decision.subject for decision in kept.decisions] == expected


def test_kserve_and_mlflow_requests_name_a_subject_too(client: Client, kept: Kept, keyring: Keyring) -> None:
    bodies = {
        "/v1/models/m:predict": {"instances": [{"a": SECRET, "b": 1.0}], "parameters": {"subject": ADA}},
        "/models/m/invocations": {"inputs": {"a": [SECRET], "b": [1.0]}, "params": {"subject": ADA}},
    }
    for path, body in bodies.items():
        response = client.send("POST", path, content=orjson.dumps(body))
        assert response.status_code == 200, response.text
    assert [decision.subject for decision in kept.decisions] == [keyring.key("m", ADA).pseudonym] * 2


def test_shadow_and_canary_records_are_protected_alike(
    client: Client, kept: Kept, shop: Shop, pool: Pool, keyring: Keyring
) -> None:
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    client.infer(inputs=[ROW], parameters={"subject": ADA})
    assert [each.variant for each in kept.decisions] == [Variant.CHAMPION, Variant.SHADOW]
    assert {(each.subject, each.numbers) for each in kept.decisions} == {(keyring.key("m", ADA).pseudonym, ())}
    assert kept.decisions[0].sealed != kept.decisions[1].sealed


def test_every_row_of_a_large_request_is_protected(client: Client, kept: Kept, keyring: Keyring) -> None:
    rows = ROWS_ON_LOOP + 1
    values = [value for row in range(rows) for value in (float(row), 1.0)]
    body = {"name": "x", "shape": [rows, 2], "datatype": "FP64", "data": values}
    assert client.infer(inputs=[body], parameters={"subject": ADA}).status_code == 200
    [decision] = kept.decisions
    key = keyring.key("m", ADA)
    assert len(decision.sealed) == rows
    assert key.open(decision.decision_id, rows - 1, decision.sealed[-1])[0] == [rows - 1.0, 1.0]


@pytest.mark.parametrize("value", ["", "x" * 201, 7, ["ada"], "a\nb"])
def test_a_subject_that_is_none_is_refused_and_never_repeated(client: Client, kept: Kept, value: object) -> None:
    response = client.infer(inputs=[ROW], parameters={"subject": value})
    assert response.status_code == 400
    assert response.json()["where"] == "parameters.subject"
    assert "xxxx" not in response.text
    assert kept.decisions == []


def test_a_header_that_is_no_utf_8_is_refused(client: Client) -> None:
    content = orjson.dumps({"inputs": [ROW]})
    response = client.send("POST", "/v2/models/m/infer", content=content, headers={"fleetward-subject": b"\xff\xfe"})
    assert (response.status_code, response.json()["where"]) == (400, "header fleetward-subject")


def test_without_a_keyring_nothing_of_a_subject_is_answered_or_written(
    pool: Pool, kept: Kept, shop: Shop, keyring: Keyring
) -> None:
    async def on_shutdown() -> None:
        return None

    client = Client(Application(Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0"), on_shutdown))
    response = client.infer(inputs=[ROW], parameters={"subject": ADA})
    assert response.status_code == 503
    assert "the keys of data subjects cannot be used" in response.json()["detail"]
    assert kept.decisions == []
    assert client.infer(inputs=[ROW]).status_code == 200
    client.close()


def test_a_shadow_that_fails_on_a_subjects_inputs_repeats_none_of_them_in_the_log(
    client: Client, shop: Shop, pool: Pool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 0), Stage.SHADOW)))
    with caplog.at_level(logging.DEBUG):
        client.infer(inputs=[ROW])
        assert "broken model" in caplog.text
        caplog.clear()
        assert client.infer(inputs=[ROW], parameters={"subject": ADA}).status_code == 200
    assert "failed beside: NotServable" in caplog.text
    assert "broken model" not in caplog.text


def test_a_key_at_hand_is_used_without_asking_the_disk_until_it_is_due(
    subjects: Subjects, keyring: Keyring, time: Time
) -> None:
    async def scenario() -> None:
        first = await subjects.key("m", ADA)
        keyring.destroy("m", ADA, first.pseudonym)
        time.now += TRUSTED_SECONDS / 2
        assert await subjects.key("m", ADA) is first
        time.now += TRUSTED_SECONDS / 2
        second = await subjects.key("m", ADA)
        assert second.pseudonym != first.pseudonym
        time.now += TRUSTED_SECONDS
        assert await subjects.key("m", ADA) is second

    asyncio.run(scenario())


def test_an_erased_key_is_dropped_as_soon_as_the_governor_says_so(subjects: Subjects, keyring: Keyring) -> None:
    async def scenario() -> None:
        first, other = await subjects.key("m", ADA), await subjects.key("m", "bob")
        keyring.destroy("m", ADA, first.pseudonym)
        subjects.forget((first.pseudonym, "f" * 64))
        assert (await subjects.key("m", ADA)).pseudonym != first.pseudonym
        assert await subjects.key("m", "bob") is other

    asyncio.run(scenario())


def test_keys_at_hand_are_bounded(subjects: Subjects, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.serving.subjects.MOST_HELD", 2)

    async def scenario() -> None:
        for name in ("a", "b", "a", "c"):
            await subjects.key("m", name)
        assert [*subjects._held] == [keyring.lookup("m", name) for name in ("a", "c")]

    asyncio.run(scenario())


def test_a_keyring_that_was_away_is_asked_for_again(keyring: Keyring) -> None:
    answers: Iterator[object] = iter([OSError("away"), keyring])

    def opening() -> Keyring:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Keyring)
        return answer

    async def scenario() -> None:
        subjects = Subjects(opening)
        with pytest.raises(OSError, match="away"):
            await subjects.key("m", ADA)
        assert (await subjects.key("m", ADA)).pseudonym == keyring.key("m", ADA).pseudonym

    asyncio.run(scenario())


@pytest.mark.parametrize("policy", [Policy(), Policy(policy="strict")])
def test_no_file_of_an_installation_holds_the_subject_or_its_inputs(
    tmp_path: Path, pool: Pool, shop: Shop, subjects: Subjects, keyring: Keyring, policy: Policy
) -> None:
    """Every byte of every file is looked through: write-ahead files, segments, the ledger, and the keys themselves."""

    async def on_shutdown() -> None:
        return None

    store, ledger = ObjectStore.open(str(tmp_path / "store")), Ledger(tmp_path / "ledger.db")
    capture = Capture("r1", tmp_path / "wal", store, ledger.publish, principal="service:replica")
    pool.apply(routes(route(shop.servable(1, 10)).model_copy(update={"capture": policy})))
    service = Service(pool, capture, lambda: shop.now, lambda: True, "0.1.0", subjects=subjects)
    client = Client(Application(service, on_shutdown))
    for headers, more in (({}, {"parameters": {"subject": ADA}}), ({"fleetward-subject": ADA}, {})):
        assert client.infer(inputs=[ROW], headers=headers, **more).status_code == 200  # type: ignore[arg-type]
    bystander = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [7.125, 1.0]}
    client.infer(inputs=[bystander])
    assert _shown(tmp_path, ADA.encode(), b"ada@example.org", b"48151623.42") == []
    assert any("wal" in str(path) for path in _shown(tmp_path, b"7.125")), "the scan finds what is there in the clear"
    capture.flush()
    (segment,) = ledger.segments(SegmentContent.DECISIONS)
    table = read_segment(store, segment.digest)
    leaves = orjson.dumps(table.to_pylist(), option=orjson.OPT_PASSTHROUGH_DATETIME, default=str)
    assert _shown(tmp_path, ADA.encode(), b"ada@example.org", b"48151623.42") == []
    assert b"48151623.42" not in leaves
    assert ADA.encode() not in leaves
    readable, erased = opened(table, keyring.key_of)
    assert readable["numbers"].to_pylist() == [[SECRET, 1.0], [SECRET, 1.0], [7.125, 1.0]]
    assert erased.num_rows == 0
    capture.close()
    client.close()


def _shown(folder: Path, *needles: bytes) -> list[Path]:
    """Files in whose name or content one of these stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(each in str(path).encode() + path.read_bytes() for each in needles)]
