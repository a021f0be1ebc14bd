from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.events import RecordsLost, SegmentContent
from runtime.storage.frames import encode_decision, encode_outcomes
from runtime.storage.objects import ObjectStore
from runtime.storage.sealing import finish_file, seal_file, sweep_sealed
from runtime.storage.wal import ClosedWal, Numbers, boot_id, end_payload, frame_of, header_payload, orphans
from tests.unit.storage.records import a_decision, an_outcome

HEADER = frame_of(header_payload(Numbers(), boot_id()))
NAME = "replica@epoch@00000000.wal"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "wal").mkdir()
    yield tmp_path / "wal"
    for wal in orphans(tmp_path / "wal"):
        wal.release()


def decision_frame(number: int) -> bytes:
    return frame_of(encode_decision(number, a_decision(number)))


def left_behind(folder: Path, content: bytes) -> ClosedWal:
    (folder / NAME).write_bytes(content)
    (wal,) = orphans(folder)
    return wal


def losses(folder: Path, store: ObjectStore, content: bytes) -> list[tuple[int, int, str]]:
    wal = left_behind(folder, content)
    events = [draft.event for draft in seal_file(wal, store, "p")]
    finish_file(wal)
    return [(e.first_number, e.last_number, e.reason) for e in events if isinstance(e, RecordsLost)]


def test_a_file_of_a_process_that_was_killed_lost_nothing(folder: Path, store: ObjectStore) -> None:
    assert losses(folder, store, HEADER + decision_frame(1) + decision_frame(2)) == []
    assert list(folder.iterdir()) == []


def test_numbers_that_the_end_mark_counts_and_no_frame_holds_are_lost(folder: Path, store: ObjectStore) -> None:
    content = HEADER + decision_frame(3) + frame_of(end_payload(Numbers(6, 2)))
    why = "no frame holds these numbers"
    assert losses(folder, store, content) == [
        (1, 2, f"decisions: {why}"),
        (4, 5, f"decisions: {why}"),
        (1, 1, f"outcomes: {why}"),
    ]


def test_a_changed_frame_is_a_loss_and_the_file_is_kept_for_whoever_looks(folder: Path, store: ObjectStore) -> None:
    broken = decision_frame(2).replace(b"planning", b"PLANNING")
    content = HEADER + decision_frame(1) + broken + decision_frame(3)
    assert losses(folder, store, content) == [(2, 2, "decisions: no frame holds these numbers")]
    assert [path.name for path in folder.iterdir()] == [NAME + ".damaged"]


def test_a_torn_tail_is_told_since_it_may_have_been_acknowledged(folder: Path, store: ObjectStore) -> None:
    ((first, last, reason),) = losses(folder, store, HEADER + decision_frame(1) + decision_frame(2)[:-1])
    assert (first, last) == (2, 2)
    assert "torn bytes, which may have been acknowledged" in reason


@pytest.mark.skipif(not boot_id(), reason="this kernel does not tell its boot id")
def test_a_restart_of_the_machine_under_an_open_file_is_told(folder: Path, store: ObjectStore) -> None:
    content = frame_of(header_payload(Numbers(), "an earlier start")) + decision_frame(1)
    ((first, last, reason),) = losses(folder, store, content)
    assert (first, last) == (2, 2)
    assert "the machine restarted" in reason
    assert losses(folder, store, content + frame_of(end_payload(Numbers(decisions=2)))) == []


def test_a_file_without_records_makes_no_entry_and_goes(folder: Path, store: ObjectStore) -> None:
    for content in (b"", HEADER):
        assert losses(folder, store, content) == []
        assert list(folder.iterdir()) == []


def test_event_ids_are_the_same_at_every_try_and_differ_between_events(folder: Path, store: ObjectStore) -> None:
    outcome = frame_of(encode_outcomes(1, an_outcome()))
    wal = left_behind(folder, HEADER + decision_frame(1) + decision_frame(3) + outcome)
    first = seal_file(wal, store, "p")
    (folder / (NAME + ".sealed")).unlink()
    assert seal_file(wal, store, "p") == first
    assert len({draft.event_id for draft in first}) == len(first) == 4
    wal.release()


def test_drafts_that_may_have_been_published_are_published_again_as_they_were(folder: Path, store: ObjectStore) -> None:
    wal = left_behind(folder, HEADER + decision_frame(1))
    first = seal_file(wal, store, "p")
    # As if the library that writes Parquet had changed since: the next seal would give another digest.
    wal.path.write_bytes(HEADER + decision_frame(1) + decision_frame(2))
    assert seal_file(wal, store, "someone else") == first
    finish_file(wal)
    assert list(folder.iterdir()) == []


def test_a_note_of_drafts_that_cannot_be_read_is_made_anew(folder: Path, store: ObjectStore) -> None:
    wal = left_behind(folder, HEADER + decision_frame(1))
    first = seal_file(wal, store, "p")
    (folder / (NAME + ".sealed")).write_bytes(b"[{")
    assert seal_file(wal, store, "p") == first
    wal.release()


def test_a_note_of_drafts_whose_file_is_gone_is_swept(folder: Path, store: ObjectStore) -> None:
    wal = left_behind(folder, HEADER + decision_frame(1))
    seal_file(wal, store, "p")
    sweep_sealed(folder)
    assert len(list(folder.iterdir())) == 2
    wal.delete()
    sweep_sealed(folder)
    assert list(folder.iterdir()) == []


def test_a_loss_in_each_content_is_an_entry_of_its_own(folder: Path, store: ObjectStore) -> None:
    wal = left_behind(folder, HEADER + frame_of(end_payload(Numbers(2, 2))))
    drafts = seal_file(wal, store, "p")
    assert [d.event.reason.split(":")[0] for d in drafts if isinstance(d.event, RecordsLost)] == list(SegmentContent)
    assert len({draft.event_id for draft in drafts}) == 2
    wal.release()
