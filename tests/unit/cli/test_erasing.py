"""``erase``: refused under a hold, destroys before it claims to, is finished by the next run, and tells of nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.cli.governed import Governed
from runtime.domain.decision import Decision, Variant
from runtime.domain.entry import Draft
from runtime.domain.erasure import SubjectErased
from runtime.domain.errors import Forbidden, Refused
from runtime.domain.ids import new_id
from runtime.domain.state import ErasureState
from runtime.governance.writer import Receipt
from runtime.ledger.verify import verify_log
from runtime.settings import Settings
from runtime.storage.frames import NumberedDecision
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import check_segment, seal
from tests.unit.cli.conftest import Installation, StandInGovernor

Run = Callable[..., Result]
Answer = Callable[..., Any]
ADA, BOB = "ada@example.org", "bob@example.org"
DIGEST = "sha256:" + "ab" * 32


class Eraser(StandInGovernor):
    """With erasures, replicas that seal nothing, and a death before this kind of entry."""

    dies_before: str | None = None

    def erasures(self) -> list[ErasureState]:
        return list(self._writer.state.erasures.values())

    def flush(self, pool: str) -> int:
        return self._writer.state.size

    def record(self, draft: Draft) -> Receipt:
        if draft.event.kind == Eraser.dies_before:
            raise KeyboardInterrupt
        return super().record(draft)


@pytest.fixture(autouse=True)
def eraser(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Governed, "connected", lambda settings: Eraser(installation))
    yield
    Eraser.dies_before = None


@pytest.fixture
def keyring(installation: Installation) -> Keyring:
    return Keyring.create(Settings.from_environment().subjects, lambda: datetime.now(UTC))


@pytest.fixture
def served(installation: Installation, keyring: Keyring) -> Callable[..., str]:
    """Decisions about a subject, sealed and in the ledger; the subject's pseudonym."""
    store = ObjectStore.open(Settings.from_environment().store)

    def serve(model: str, subject: str, rows: int = 1) -> str:
        time = datetime.now(UTC) + timedelta(seconds=1)
        decision = Decision(
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
            numbers=([1.0] * rows,),
            texts=(),
            outputs=[2.0] * rows,
        )
        key = keyring.key(model, subject)
        (event,) = seal([NumberedDecision(1, key.protect(decision))], store, "r1", new_id())
        check_segment(store, event)
        ((answer,),) = installation.writer.commit([[Draft.fresh(event, "service:replica")]])
        assert isinstance(answer, Receipt)
        return key.pseudonym

    return serve


def test_an_erasure_destroys_the_keys_and_says_in_the_ledger_whose_records_by_pseudonym(
    run: Run, answer: Answer, served: Callable[..., str], keyring: Keyring
) -> None:
    mine = served("minutes-a", ADA, 2), served("minutes-b", ADA)
    served("minutes-a", ADA)
    other = served("minutes-a", BOB)
    before = answer("status")["ledger"]
    done = answer("erase", ADA, "--reason", "request 7")
    assert [(each["model"], each["pseudonym"], each["records"]) for each in done] == [
        ("minutes-a", mine[0], 3),
        ("minutes-b", mine[1], 1),
    ]
    assert [keyring.key_of(each) for each in mine] == [None, None]
    assert keyring.key_of(other) is not None
    (ordered,) = answer("history", "--kind", "subject_erasure_ordered")
    entries = answer("history", "--kind", "subject_erased")
    assert [each["seq"] for each in entries] == [each["seq"] for each in done]
    assert ordered["seq"] < entries[0]["seq"]
    assert entries[0]["principal"] == "user:ada"
    assert "data subject" in run("history").stdout
    checked = verify_log(
        Settings.from_environment().database, expected_size=before["entries"], expected_root=before["root"]
    )
    assert checked.size == before["entries"] + 3


def test_nothing_of_an_installation_names_the_subject_before_or_after(
    run: Run, served: Callable[..., str], home: Path
) -> None:
    served("minutes-a", ADA)
    assert _shown(home, ADA) == []
    result = run("erase", ADA, "--reason", "request 7")
    assert result.exit_code == 0, result.stderr
    assert ADA not in result.stdout + result.stderr
    assert _shown(home, ADA) == []


def test_a_hold_on_one_model_refuses_all_of_it_and_the_refusal_is_an_entry(
    run: Run, answer: Answer, served: Callable[..., str], keyring: Keyring
) -> None:
    names = served("minutes-a", ADA), served("minutes-b", ADA)
    assert run("hold", "minutes-b", "--reason", "case 7").exit_code == 0
    result = run("erase", ADA, "--reason", "request 7")
    assert result.exit_code == 3
    assert "minutes-b is under legal hold 1" in result.stderr
    assert all(keyring.lives(name) for name in names)
    (refusal,) = answer("history", "--kind", "command_refused")
    assert refusal["event"]["command"] == "subject_erasure_ordered"
    assert ADA not in str(refusal)
    (done,) = answer("erase", ADA, "--reason", "request 7", "--model", "minutes-a")
    assert done["pseudonym"] == names[0]
    assert keyring.lives(names[1])
    assert run("release", "1", "--reason", "closed").exit_code == 0
    assert [each["pseudonym"] for each in answer("erase", ADA, "--reason", "request 7")] == [names[1]]


@pytest.mark.parametrize("kind", ["subject_erasure_ordered", "subject_erased"])
def test_a_run_that_was_cut_off_is_finished_by_the_next(
    run: Run, answer: Answer, served: Callable[..., str], keyring: Keyring, kind: str
) -> None:
    name = served("minutes-a", ADA, 3)
    Eraser.dies_before = kind
    run("erase", ADA, "--reason", "request 7")
    Eraser.dies_before = None
    assert keyring.lives(name) == (kind == "subject_erasure_ordered")
    assert answer("history", "--kind", "subject_erased") == []
    answer("erase", ADA, "--reason", "again")
    (done,) = answer("history", "--kind", "subject_erased")
    assert (done["event"]["pseudonym"], done["event"]["records"]) == (name, 3)
    assert not keyring.lives(name)
    assert keyring.names("minutes-a", ADA) == []


def test_who_comes_back_before_an_erasure_is_finished_has_another_name_that_a_hold_protects(
    run: Run, answer: Answer, served: Callable[..., str], keyring: Keyring
) -> None:
    old = served("minutes-a", ADA)
    Eraser.dies_before = "subject_erased"
    run("erase", ADA, "--reason", "request 7")
    Eraser.dies_before = None
    new = served("minutes-a", ADA, 2)
    assert run("hold", "minutes-a", "--reason", "too late for the old one").exit_code == 0
    assert run("erase", ADA, "--reason", "again").exit_code == 3
    assert [each["event"]["pseudonym"] for each in answer("history", "--kind", "subject_erased")] == [old]
    assert keyring.lives(new)
    assert run("release", "1", "--reason", "closed").exit_code == 0
    assert [(each["pseudonym"], each["records"]) for each in answer("erase", ADA, "--reason", "again")] == [(new, 2)]


def test_an_erased_or_unknown_subject_is_a_clear_error_and_no_entry(
    run: Run, served: Callable[..., str], installation: Installation
) -> None:
    served("minutes-a", ADA)
    assert run("erase", ADA, "--reason", "request 7").exit_code == 0
    size = installation.writer.state.size
    for subject, more, words in (
        (ADA, (), "no key towards any of 2 models"),
        (BOB, ("--model", "minutes-b"), "no key towards minutes-b"),
    ):
        result = run("erase", subject, "--reason", "request 7", *more)
        assert result.exit_code == 1
        assert words in result.stderr
        assert subject not in result.stderr
    assert run("erase", ADA, "--reason", "r", "--model", "nobody").exit_code == 1
    assert installation.writer.state.size == size


def test_a_reason_that_names_the_subject_is_refused(run: Run, served: Callable[..., str], keyring: Keyring) -> None:
    name = served("minutes-a", ADA)
    result = run("erase", ADA, "--reason", f"asked by {ADA.upper()}")
    assert result.exit_code == 1
    assert "--reason names the subject" in result.stderr
    assert keyring.lives(name)


def test_the_subject_may_come_from_stdin(served: Callable[..., str], keyring: Keyring) -> None:
    name = served("minutes-a", ADA)
    result = CliRunner().invoke(app, ["erase", "-", "--reason", "request 7"], input=f"{ADA}\n")
    assert result.exit_code == 0, result.stderr
    assert not keyring.lives(name)


def test_without_a_keyring_the_command_says_where_it_looked(run: Run) -> None:
    result = run("erase", ADA, "--reason", "request 7")
    assert result.exit_code == 1
    assert "keys/subjects: master.key cannot be read" in result.stderr


def test_an_erasure_that_was_not_ordered_and_one_by_a_replica_are_refused(installation: Installation) -> None:
    event = SubjectErased(model="minutes-a", pseudonym="a" * 64, records=1, reason="I say so")
    for principal, kind in (("user:mallory", Refused), ("service:replica", Forbidden)):
        ((answer,),) = installation.writer.commit([[Draft.fresh(event, principal)]])
        assert type(answer) is kind


def _shown(folder: Path, subject: str) -> list[Path]:
    """Files in whose name or content the subject stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if subject.encode() in str(path).encode() + path.read_bytes()]
