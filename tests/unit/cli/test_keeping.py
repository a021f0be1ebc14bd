"""``hold``, ``release`` and ``retention run``: old bodies go, entries and proofs stay, a hold wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli.governed import Governed
from runtime.domain.decision import Decision, Variant
from runtime.domain.entry import Draft
from runtime.domain.errors import Refused
from runtime.domain.events import SegmentSealed
from runtime.domain.ids import new_id
from runtime.domain.keeping import BodiesDeleted
from runtime.governance.writer import Receipt
from runtime.ledger.verify import verify_log
from runtime.settings import Settings
from runtime.storage.frames import NumberedDecision
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.cli.conftest import Installation, StandInGovernor

Run = Callable[..., Result]
Answer = Callable[..., Any]
OLD, YOUNG = timedelta(days=200), timedelta(days=100)
DIGEST = "sha256:" + "ab" * 32


class Keeper(StandInGovernor):
    """With a person who acts while a run is under way."""

    meanwhile: Callable[[], object] | None = None

    def record(self, draft: Draft) -> Receipt:
        if Keeper.meanwhile is not None and draft.event.kind == "bodies_deleted":
            act, Keeper.meanwhile = Keeper.meanwhile, None
            act()
        return super().record(draft)


@pytest.fixture(autouse=True)
def keeper(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Governed, "connected", lambda settings: Keeper(installation))
    yield
    Keeper.meanwhile = None


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore.open(Settings.from_environment().store)


def sealed(store: ObjectStore, installation: Installation, age: timedelta, *models: str) -> SegmentSealed:
    """A segment of one record a model, so old, in the store and in the ledger."""
    time = datetime.now(UTC) - age
    frames = [
        NumberedDecision(
            number,
            Decision(
                decision_id=new_id(),
                time=time,
                event_time=time,
                model=model,
                version=2,
                artifact=DIGEST,
                grant_id="grant",
                variant=Variant.CHAMPION,
                caller="user:ada",
                trace_id="",
                latency_us=900,
                numbers=([1.0],),
                texts=(),
                outputs=[2.0],
            ),
        )
        for number, model in enumerate(models, 1)
    ]
    (event,) = seal(frames, store, "r1", new_id())
    ((answer,),) = installation.writer.commit([[Draft.fresh(event, "service:replica")]])
    assert isinstance(answer, Receipt)
    return event


def test_records_past_their_time_go_and_the_entry_says_which(
    run: Run, answer: Answer, store: ObjectStore, installation: Installation
) -> None:
    old, young = (sealed(store, installation, age, "minutes-a") for age in (OLD, YOUNG))
    document = answer("retention", "run")
    assert (document["segments_deleted"], document["records_in_them"]) == (1, 1)
    assert document["segments_kept"] == {"younger than its model keeps records": 1}
    assert not store.exists(old.digest)
    assert store.exists(young.digest)
    (entry,) = answer("history", "--kind", "bodies_deleted")
    assert (entry["event"]["digests"], entry["event"]["models"]) == ([old.digest], ["minutes-a"])
    assert entry["principal"] == "user:ada"
    assert "1 record in 1 segment deleted by user:ada" in run("history").stdout


def test_the_ledger_and_its_old_proofs_hold_after_a_deletion(
    answer: Answer, store: ObjectStore, installation: Installation
) -> None:
    old = sealed(store, installation, OLD, "minutes-a")
    before = answer("status")["ledger"]
    answer("retention", "run")
    checked = verify_log(installation.url, expected_size=before["entries"], expected_root=before["root"])
    assert checked.size == before["entries"] + 1
    kept = [entry["event"] for entry in answer("history", "--kind", "segment_sealed")]
    assert [(event["digest"], event["record_root"]) for event in kept] == [(old.digest, old.record_root)]


def test_a_dry_run_says_the_same_and_does_nothing(
    answer: Answer, store: ObjectStore, installation: Installation
) -> None:
    old = sealed(store, installation, OLD, "minutes-a")
    size = installation.writer.state.size
    document = answer("retention", "run", "--dry-run")
    assert (document["segments_over_their_time"], document["segments_deleted"]) == (1, 0)
    assert store.exists(old.digest)
    assert installation.writer.state.size == size


def test_a_hold_keeps_what_is_old_until_it_is_released(
    run: Run, answer: Answer, store: ObjectStore, installation: Installation
) -> None:
    both = sealed(store, installation, OLD, "minutes-a", "minutes-b")
    other = sealed(store, installation, OLD, "minutes-a")
    assert "minutes-b: legal hold 1 placed by user:ada: case 7" in run("hold", "minutes-b", "--reason", "case 7").stdout
    assert answer("retention", "run")["segments_kept"] == {"under a legal hold": 1}
    assert store.exists(both.digest)
    assert not store.exists(other.digest)
    assert "legal hold 1 released" in run("release", "1", "--reason", "closed").stdout
    assert answer("retention", "run")["segments_deleted"] == 1
    assert not store.exists(both.digest)


def test_a_hold_that_comes_while_a_run_is_under_way_wins(
    run: Run, store: ObjectStore, installation: Installation
) -> None:
    old = sealed(store, installation, OLD, "minutes-a")
    Keeper.meanwhile = lambda: run("hold", "minutes-a", "--reason", "just now")
    result = run("retention", "run")
    assert result.exit_code == 3
    assert "minutes-a is under legal hold 1" in result.stderr
    assert store.exists(old.digest)


def test_a_run_that_was_killed_between_entry_and_deletion_is_finished_by_the_next(
    answer: Answer, store: ObjectStore, installation: Installation, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    old = sealed(store, installation, OLD, "minutes-a")

    class Killed(BaseException):
        pass

    def killed(self: ObjectStore, digest: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "delete", killed)
        with pytest.raises(Killed):
            run("retention", "run")
    assert store.exists(old.digest)
    document = answer("retention", "run")
    assert (document["left_by_an_earlier_run"], document["segments_deleted"]) == (1, 1)
    assert not store.exists(old.digest)
    assert answer("retention", "run")["segments_deleted"] == 0
    assert len(answer("history", "--kind", "bodies_deleted")) == 1


def test_a_body_that_is_missing_without_an_entry_is_told_and_never_called_deleted(
    answer: Answer, store: ObjectStore, installation: Installation
) -> None:
    old = sealed(store, installation, OLD, "minutes-a")
    store.delete(old.digest)
    assert answer("retention", "run")["segments_kept"] == {"missing from the store": 1}
    assert answer("history", "--kind", "bodies_deleted") == []


def test_a_hold_on_nobody_and_a_release_of_nothing_are_refused(run: Run) -> None:
    assert run("hold", "minutes-z", "--reason", "case").exit_code == 1
    result = run("release", "1", "--reason", "closed")
    assert result.exit_code == 3
    assert "no such hold is in force" in result.stderr


def test_a_forged_deletion_of_a_held_model_is_refused_by_the_governor(installation: Installation, run: Run) -> None:

    assert run("hold", "minutes-a", "--reason", "case").exit_code == 0
    event = BodiesDeleted(
        digests=(DIGEST,), models=("minutes-a",), records=1, before=datetime.now(UTC), reason="I want it gone"
    )
    ((answer,),) = installation.writer.commit([[Draft.fresh(event, "user:mallory")]])
    assert isinstance(answer, Refused)
