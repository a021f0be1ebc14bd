import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.storage.frames import FrameUnreadable, NumberedDecision, NumberedOutcomes, decode_frame
from runtime.storage.wal import (
    ClosedWal,
    Damage,
    Durability,
    Numbers,
    WalWriter,
    end_payload,
    frame_of,
    header_payload,
    orphans,
    read_frames,
)
from tests.unit.storage.records import a_decision, an_outcome, files_no_larger_than


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[WalWriter]:
    writer = WalWriter.create(tmp_path, "pool#server#1", "epoch")
    yield writer
    if closed := writer.close():
        closed.release()


def rotated(writer: WalWriter) -> ClosedWal:
    closed = writer.rotate()
    assert closed is not None
    return closed


def first_numbers(path: Path) -> list[int]:
    return [decode_frame(payload).number for payload in read_frames(path).records]


def test_what_was_appended_is_read_back_in_order(writer: WalWriter) -> None:
    writer.append_decision(a_decision(0, rows=3))
    writer.append_outcomes(an_outcome(0, rows=2))
    writer.append_decision(a_decision(1))
    first, second, third = (decode_frame(payload) for payload in read_frames(writer.path).records)
    assert isinstance(first, NumberedDecision)
    assert (first.number, first.records) == (1, 3)
    assert second == NumberedOutcomes(1, an_outcome(0, rows=2))
    assert third.number == 4
    assert writer.numbers == Numbers(decisions=5, outcomes=3)
    assert writer.records == 6


def test_a_record_is_in_the_file_when_append_returns(writer: WalWriter) -> None:
    for durability in Durability:
        writer.append_decision(a_decision(), durability)
        assert len(read_frames(writer.path).records) == writer.records


def test_a_payload_encoded_elsewhere_is_kept_as_it_is(writer: WalWriter) -> None:
    writer.append(b'["x"]', Durability.STRICT)
    assert read_frames(writer.path).records == (b'["x"]',)


def test_a_rotated_file_is_marked_with_its_end_and_the_next_begins_there(writer: WalWriter) -> None:
    writer.append_decision(a_decision(0, rows=3))
    closed = rotated(writer)
    writer.append_decision(a_decision(1))
    assert closed.read().begin == Numbers()
    assert closed.read().end == Numbers(decisions=4) == read_frames(writer.path).begin
    assert first_numbers(writer.path) == [4]
    closed.delete()
    assert not closed.path.exists()


def test_a_file_of_a_live_writer_is_no_orphan_also_after_rotation(writer: WalWriter, tmp_path: Path) -> None:
    writer.append_decision(a_decision())
    closed = rotated(writer)
    assert orphans(tmp_path) == []
    closed.release()
    (orphan,) = orphans(tmp_path)
    assert (orphan.path, orphan.replica, orphan.epoch, orphan.index) == (closed.path, "pool#server#1", "epoch", 0)
    assert orphans(tmp_path) == []  # taken
    orphan.release()


def test_an_epoch_is_used_once(writer: WalWriter, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="used before"):
        WalWriter.create(tmp_path, "pool#server#1", "epoch")


def test_any_replica_name_makes_a_file_name(tmp_path: Path) -> None:
    closed = WalWriter.create(tmp_path, "../pool@a/b *é", "e@1").close()
    assert closed is not None
    assert closed.path.parent == tmp_path
    closed.release()
    (orphan,) = orphans(tmp_path)
    assert (orphan.replica, orphan.epoch) == ("../pool@a/b *é", "e@1")
    orphan.delete()


def test_a_file_torn_at_any_byte_of_its_last_frame_gives_all_the_others(tmp_path: Path) -> None:
    path = tmp_path / "torn.wal"
    whole = frame_of(header_payload(Numbers(), "boot")) + frame_of(b"[1]") + frame_of(b"[2]")
    last = frame_of(b"[3]")
    for kept in range(len(last)):
        path.write_bytes(whole + last[:kept])
        content = read_frames(path)
        assert content.records == (b"[1]", b"[2]")
        assert [(d.offset, d.size_bytes) for d in content.damage] == ([(len(whole), kept)] if kept else [])
        assert all(d.reason.startswith("torn tail") for d in content.damage)
    path.write_bytes(whole + last)
    assert read_frames(path).records == (b"[1]", b"[2]", b"[3]")


def test_a_tail_of_zeros_is_torn_and_not_a_run_of_empty_frames(tmp_path: Path) -> None:
    path = tmp_path / "zeros.wal"
    path.write_bytes(frame_of(b"[1]") + bytes(4096))
    assert read_frames(path).records == (b"[1]",)
    assert read_frames(path).damage == (Damage(11, 4096, "torn tail: empty frame"),)


def test_one_changed_frame_among_good_ones_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "changed.wal"
    path.write_bytes(frame_of(b"[1]") + frame_of(b"[2]").replace(b"2", b"9") + frame_of(b"[3]"))
    assert read_frames(path).records == (b"[1]", b"[3]")
    assert read_frames(path).damage == (Damage(11, 11, "checksum"),)


def test_the_layout_of_another_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.wal"
    path.write_bytes(frame_of(b'["h",1,"",1,1]'))
    with pytest.raises(FrameUnreadable, match="layout 1; this release reads 2"):
        read_frames(path)


def test_an_append_that_fits_only_in_part_takes_no_number_and_leaves_no_torn_frame(writer: WalWriter) -> None:
    writer.append_decision(a_decision(0))
    with files_no_larger_than(writer.size_bytes + 100), pytest.raises(OSError, match="only 100 of"):
        writer.append_decision(a_decision(1))
    writer.append_decision(a_decision(2))
    assert first_numbers(writer.path) == [1, 2]
    assert read_frames(writer.path).damage == ()


def test_a_full_disk_closes_the_file_all_the_same_and_space_opens_a_new_one(writer: WalWriter) -> None:
    writer.append_decision(a_decision(0))
    with files_no_larger_than(1):  # not even a header
        closed = rotated(writer)
        assert not writer.is_open
        with pytest.raises(OSError, match="waits for its rotation"):
            writer.append_decision(a_decision(1))
        assert writer.rotate() is None
    writer.skip(decisions=1)
    assert first_numbers(closed.path) == [1]
    assert closed.end == Numbers(decisions=2)
    closed.delete()
    assert writer.rotate() is None
    writer.append_decision(a_decision(2))
    assert read_frames(writer.path).begin == Numbers(decisions=2)  # so that the skipped number 2 is missed
    assert first_numbers(writer.path) == [3]


def test_after_a_failed_fdatasync_nothing_strict_is_acknowledged_before_a_rotation(
    writer: WalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="error"):
            writer.append_decision(a_decision(0), Durability.STRICT)
    with pytest.raises(OSError, match="waits for its rotation"):
        writer.append_decision(a_decision(1), Durability.STRICT)
    rotated(writer).release()
    writer.append_decision(a_decision(2), Durability.STRICT)
    assert first_numbers(writer.path) == [2]


def test_strict_syncs_before_it_returns_and_bounded_soon_after(
    writer: WalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Semaphore(0)
    fdatasync = os.fdatasync

    def counted(descriptor: int) -> None:
        fdatasync(descriptor)
        synced.release()

    monkeypatch.setattr(os, "fdatasync", counted)
    writer.append_decision(a_decision(0), Durability.STRICT)
    assert synced.acquire(blocking=False)
    writer.append_decision(a_decision(1), Durability.BOUNDED)
    assert synced.acquire(timeout=5)


def test_strict_callers_that_wait_together_share_a_sync(writer: WalWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    entered, go_on = threading.Event(), threading.Event()
    fdatasync = os.fdatasync

    def slow(descriptor: int) -> None:
        calls.append(descriptor)
        entered.set()
        assert go_on.wait(5)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    callers = [
        threading.Thread(target=writer.append_decision, args=(a_decision(index), Durability.STRICT))
        for index in range(8)
    ]
    callers[0].start()
    assert entered.wait(5)
    for caller in callers[1:]:
        caller.start()
    while writer.records < len(callers):
        threading.Event().wait(0.001)
    go_on.set()
    for caller in callers:
        caller.join()
    assert len(calls) == 2


def test_appends_from_many_threads_get_numbers_in_file_order(writer: WalWriter) -> None:
    def append() -> None:
        for index in range(50):
            writer.append_decision(a_decision(index, rows=2))

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first_numbers(writer.path) == list(range(1, 401, 2))


def test_a_closed_writer_takes_nothing_more(tmp_path: Path) -> None:
    writer = WalWriter.create(tmp_path, "replica", "epoch")
    closed = writer.close()
    assert closed is not None
    with pytest.raises(OSError, match="is closed"):
        writer.append_decision(a_decision())
    closed.delete()


def test_the_end_of_an_unclosed_file_is_where_the_next_one_begins(tmp_path: Path) -> None:
    header = frame_of(header_payload(Numbers(), "boot"))
    (tmp_path / "r@e@00000000.wal").write_bytes(header)
    (tmp_path / "r@e@00000001.wal").write_bytes(frame_of(header_payload(Numbers(7, 3), "boot")))
    (tmp_path / "r@f@00000001.wal").write_bytes(header + frame_of(end_payload(Numbers())))
    first, second, other = orphans(tmp_path)
    assert first.end == Numbers(7, 3)
    assert (second.end, other.end) == (None, None)
    for wal in (first, second, other):
        wal.delete()


def test_a_stale_file_that_never_got_its_name_is_swept_and_a_fresh_one_is_not(tmp_path: Path) -> None:
    stale, fresh = tmp_path / "r@e@00000000.wal.new", tmp_path / "r@f@00000000.wal.new"
    stale.touch()
    fresh.touch()
    os.utime(stale, (0, 0))
    assert orphans(tmp_path) == []
    assert not stale.exists()
    assert fresh.exists()
