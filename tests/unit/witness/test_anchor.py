"""Anchors against a real S3-compatible server in a process of its own: what is put stays, and hides from nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from jobs.cli import app
from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.errors import NoteMalformed
from runtime.ledger.note import add_signatures
from runtime.witness.anchor import Anchor, Anchored
from runtime.witness.errors import AnchorConflict, AnchorUnavailable, AnchorUnprotected
from runtime.witness.reading import read_anchor
from tests.aws import CREDENTIALS, REGION, aws_server
from tests.unit.witness.logs import NOON, MemoryLog, cosigner

URL = "s3://anchors/ledger-1"
DAY = timedelta(days=1)
LOG = MemoryLog()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture(autouse=True)
def fresh(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty store, and credentials in the environment as an operator gives them."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{endpoint}/moto-api/reset")
    yield
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="inf")


@pytest.fixture
def s3(endpoint: str) -> Any:
    """An administrator of the bucket, who owns it and may do all that the store allows."""
    client = boto3.client("s3", endpoint_url=endpoint)
    place = {"LocationConstraint": REGION}
    client.create_bucket(Bucket="anchors", ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
    client.create_bucket(Bucket="plain", CreateBucketConfiguration=place)
    return client


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def anchor(s3: Any, endpoint: str) -> Anchor:
    return Anchor.connect(URL, endpoint=endpoint)


def notes(anchor: Anchor) -> list[bytes]:
    return [found.note for found in anchor.anchored()]


def test_a_checkpoint_is_read_back_with_the_time_until_which_it_is_locked(anchor: Anchor) -> None:
    before = now()
    assert anchor.put(LOG.note(42), now() + DAY) == "ledger-1/00000000000000000042"
    (found,) = anchor.anchored()
    assert open_checkpoint(found.note, [LOG.signer.verifier])[0] == LOG.checkpoint(42)
    assert found.name == "ledger-1/00000000000000000042"
    assert found.locked_until is not None
    second = timedelta(seconds=1)
    assert before + DAY - second <= found.locked_until <= now() + DAY
    assert before - second <= found.put_at <= now() + second


def test_checkpoints_come_by_size_and_only_of_this_ledger(anchor: Anchor, s3: Any, endpoint: str) -> None:
    other = Anchor.connect("s3://anchors/ledger-10", endpoint=endpoint)
    other.put(MemoryLog("other.example").note(7), now() + DAY)
    for size in (100, 9, 20):
        anchor.put(LOG.note(size), now() + DAY)
    assert notes(anchor) == [LOG.note(9), LOG.note(20), LOG.note(100)]
    assert len(notes(other)) == 1


def test_the_same_checkpoint_is_anchored_once_however_often_it_is_put(anchor: Anchor) -> None:
    for note in (LOG.note(5), LOG.note(5), add_signatures(LOG.note(5), [cosigner().cosign("x\n", NOON)])):
        anchor.put(note, now() + DAY)
    assert notes(anchor) == [LOG.note(5)]


def test_another_checkpoint_of_an_anchored_size_is_a_conflict(anchor: Anchor) -> None:
    anchor.put(LOG.note(5), now() + DAY)
    other = MemoryLog(fork_at=2)
    with pytest.raises(AnchorConflict) as refusal:
        anchor.put(other.note(5), now() + DAY)
    assert (refusal.value.size, refusal.value.anchored_root) == (5, LOG.checkpoint(5).root.hex())
    assert refusal.value.root == other.checkpoint(5).root.hex()
    assert notes(anchor) == [LOG.note(5)]


def test_what_is_no_checkpoint_is_not_anchored(anchor: Anchor) -> None:
    with pytest.raises(NoteMalformed):
        anchor.put(b"a line\n", now() + DAY)
    assert notes(anchor) == []


# --- an administrator of the bucket -----------------------------------------------------------------


def test_a_locked_version_cannot_be_deleted(anchor: Anchor, s3: Any) -> None:
    anchor.put(LOG.note(5), now() + DAY)
    (found,) = anchor.anchored()
    for bypass in (False, True):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(
                Bucket="anchors", Key=found.name, VersionId=found.version, BypassGovernanceRetention=bypass
            )
    assert notes(anchor) == [LOG.note(5)]


def test_a_deletion_hides_nothing_from_the_reader(anchor: Anchor, s3: Any) -> None:
    name = anchor.put(LOG.note(5), now() + DAY)
    s3.delete_object(Bucket="anchors", Key=name)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="anchors", Key=name)
    assert notes(anchor) == [LOG.note(5)]


def test_an_overwriting_hides_nothing_from_the_reader(anchor: Anchor, s3: Any) -> None:
    name, forged = anchor.put(LOG.note(5), now() + DAY), MemoryLog(fork_at=2).note(5)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="anchors", Key=name, Body=forged, IfNoneMatch="*")
    s3.put_object(Bucket="anchors", Key=name, Body=forged)
    locked = {found.note: found.locked_until is not None for found in anchor.anchored()}
    assert locked == {LOG.note(5): True, forged: False}
    with pytest.raises(AnchorConflict):
        anchor.put(LOG.note(5), now() + DAY)


def test_a_lock_that_only_its_owner_respects_is_none(anchor: Anchor, s3: Any) -> None:
    s3.put_object(
        Bucket="anchors",
        Key="ledger-1/00000000000000000005",
        Body=LOG.note(5),
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=now() + DAY,
    )
    (found,) = anchor.anchored()
    assert found.locked_until is None


def test_an_auditor_sees_what_holds_and_a_second_history_fails(
    anchor: Anchor, s3: Any, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # a narrow table is cut
    arguments = ["anchors", URL, "--key", LOG.signer.verifier.vkey, "--endpoint-url", endpoint]
    for size in (5, 9):
        anchor.put(LOG.note(size), now() + DAY)
    s3.put_object(Bucket="anchors", Key="ledger-1/00000000000000000007", Body=b"graffiti")
    s3.put_object(Bucket="anchors", Key="ledger-1/00000000000000000008", Body=LOG.note(8))
    good = CliRunner().invoke(app, [*arguments, "--save", str(tmp_path / "notes"), "-o", "json"])
    assert good.exit_code == 0, good.stderr
    assert [(each["size"], each["fault"]) for each in json.loads(good.stdout)] == [
        (5, None),
        (None, "not a note: no empty line with signatures behind it"),
        (8, "not locked in mode COMPLIANCE"),
        (9, None),
    ]
    assert {path.name[-1]: path.read_bytes() for path in (tmp_path / "notes").iterdir()} == {
        "5": LOG.note(5),
        "9": LOG.note(9),
    }
    s3.put_object(Bucket="anchors", Key="ledger-1/00000000000000000005", Body=MemoryLog(fork_at=2).note(5))
    bad = CliRunner().invoke(app, arguments)
    assert bad.exit_code == 1
    assert "size 5 is anchored with root" in bad.stderr
    assert bad.stdout.count("good") == 2, bad.stdout


def test_a_version_is_no_anchor_for_a_reason() -> None:
    anchored = Anchored("p/00000000000000000005", "v", LOG.note(5), NOON, NOON + DAY)
    for changed, reason in (
        (anchored, None),
        (replace(anchored, locked_until=None), "not locked in mode COMPLIANCE"),
        (replace(anchored, locked_until=NOON), "its lock ended at 2026-03-01T12:00:00.000000Z"),
        (replace(anchored, name="p/00000000000000000006"), "its name is not that of size 5"),
        (replace(anchored, note=MemoryLog(seed=9).note(5)), "the note is signed by log.example, with no key"),
    ):
        fault = read_anchor(changed, LOG.signer.verifier, NOON).fault
        assert fault == reason or (fault is not None and reason is not None and fault.startswith(reason))


# --- what goes wrong --------------------------------------------------------------------------------


def test_a_missing_bucket_is_told(s3: Any, endpoint: str) -> None:
    with pytest.raises(AnchorUnavailable, match="s3://nowhere/ledger: there is no such bucket"):
        Anchor.connect("s3://nowhere/ledger", endpoint=endpoint)


def test_a_bucket_without_object_lock_is_no_anchor(s3: Any, endpoint: str) -> None:
    with pytest.raises(AnchorUnprotected, match="the bucket has no object lock"):
        Anchor.connect("s3://plain/ledger", endpoint=endpoint)


def test_wrong_credentials_are_told(anchor: Anchor, endpoint: str) -> None:
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="0")
    for use in (lambda: Anchor.connect(URL, endpoint=endpoint), lambda: anchor.put(LOG.note(5), now() + DAY)):
        with pytest.raises(AnchorUnavailable, match="the access key is unknown"):
            use()
    with pytest.raises(AnchorUnavailable, match="the access key is unknown"):
        list(anchor.anchored())


def test_missing_credentials_are_told(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(AnchorUnavailable, match=r"(?i)credentials"):
        Anchor.connect(URL, endpoint=endpoint)
    with pytest.raises(AnchorUnavailable, match=r"profile \(nobody\) could not be found"):
        Anchor.connect(URL, endpoint=endpoint, profile="nobody")


def test_a_store_that_does_not_answer_is_told() -> None:
    with pytest.raises(AnchorUnavailable, match="Could not connect"):
        Anchor.connect(URL, endpoint="http://127.0.0.1:1", timeout=timedelta(milliseconds=100))
    with pytest.raises(AnchorUnavailable, match="Invalid endpoint"):
        Anchor.connect(URL, endpoint="nonsense")


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(AnchorUnavailable, match=r"install the extra: fleetward\[aws\]"):
        Anchor.connect(URL)


@pytest.mark.parametrize("url", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/prefix", "/folder"])
def test_an_anchor_is_a_bucket_and_a_prefix(url: str) -> None:
    with pytest.raises(AnchorUnavailable, match="expected s3://bucket/prefix"):
        Anchor.connect(url)


def test_a_lock_has_a_time_with_its_zone_and_in_the_future(anchor: Anchor) -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        anchor.put(LOG.note(5), datetime(2099, 1, 1))  # noqa: DTZ001 - the very fault
    assert notes(anchor) == []
