"""Group commit: shared, ordered, bounded, and never acknowledged early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runtime.domain.entry import Draft, Entry
from runtime.ledger.errors import CommitQueueClosed, CommitQueueFull
from runtime.ledger.group_commit import GroupCommit
from runtime.ledger.log import Log


@dataclass
class Gate:
    """A commit function that waits until it is let through, and answers with ten times the item."""

    batches: list[list[int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, batch: list[int]) -> list[int]:
        self.batches.append(batch)
        self.threads.add(threading.get_ident())
        self.entered.set()
        assert self.opened.wait(timeout=10)
        return [item * 10 for item in batch]

    async def reached(self) -> None:
        await asyncio.to_thread(self.entered.wait, 10)


def times_ten(batch: list[int]) -> list[int]:
    return [item * 10 for item in batch]


def test_nobody_is_answered_before_the_commit_returns() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with GroupCommit(gate) as group:
            caller = asyncio.create_task(group.submit(1))
            await gate.reached()
            await asyncio.sleep(0.03)
            assert not caller.done()
            gate.opened.set()
            assert await caller == 10

    asyncio.run(scenario())


def test_what_queues_up_during_a_commit_shares_the_next_one_in_order() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with GroupCommit(gate, max_batch=4) as group:
            first = asyncio.create_task(group.submit(0))
            await gate.reached()
            rest = [asyncio.create_task(group.submit(item)) for item in range(1, 7)]
            await asyncio.sleep(0)
            gate.opened.set()
            assert await asyncio.gather(first, *rest) == [0, 10, 20, 30, 40, 50, 60]
        assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
        assert len(gate.threads) == 1
        assert threading.get_ident() not in gate.threads

    asyncio.run(scenario())


def test_an_exception_returned_for_an_item_goes_to_its_caller_alone() -> None:
    def odd_ones_fail(batch: list[int]) -> Sequence[int | Exception]:
        return [ValueError(f"{item} is odd") if item % 2 else item for item in batch]

    async def scenario() -> list[int | BaseException]:
        async with GroupCommit(odd_ones_fail) as group:
            return await asyncio.gather(*(group.submit(item) for item in range(4)), return_exceptions=True)

    assert [str(answer) for answer in asyncio.run(scenario())] == ["0", "1 is odd", "2", "3 is odd"]


@pytest.mark.parametrize("raised", [OSError("disk"), SystemExit(1)])
def test_a_commit_that_raises_fails_its_batch_and_not_the_next(raised: BaseException) -> None:
    def fails_on_1(batch: list[int]) -> list[int]:
        if 1 in batch:
            raise raised
        return batch

    async def scenario() -> None:
        async with GroupCommit(fails_on_1, max_batch=1) as group:
            with pytest.raises((OSError, RuntimeError), match=r"disk|ended its thread"):
                await group.submit(1)
            assert await group.submit(2) == 2

    asyncio.run(scenario())


def test_a_commit_that_forgets_an_item_answers_nobody_wrongly() -> None:
    async def scenario() -> None:
        async with GroupCommit[int, int](lambda batch: batch[1:]) as group:
            with pytest.raises(RuntimeError, match="0 results for 1 items"):
                await group.submit(1)

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_takes_again_when_there_is_room() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with GroupCommit(gate, max_queued=2) as group:
            first = asyncio.create_task(group.submit(0))
            await gate.reached()
            queued = [asyncio.create_task(group.submit(item)) for item in (1, 2)]
            await asyncio.sleep(0)
            with pytest.raises(CommitQueueFull, match="2 submissions"):
                await group.submit(3)
            gate.opened.set()
            assert await asyncio.gather(first, *queued) == [0, 10, 20]
            assert await group.submit(4) == 40

    asyncio.run(scenario())


def test_closing_answers_what_is_queued_and_takes_nothing_more() -> None:
    async def scenario() -> None:
        gate = Gate()
        group = GroupCommit(gate)
        callers = [asyncio.create_task(group.submit(item)) for item in range(3)]
        await gate.reached()
        closing = asyncio.create_task(group.close())
        await asyncio.sleep(0)
        with pytest.raises(CommitQueueClosed):
            await group.submit(9)
        gate.opened.set()
        await closing
        assert await asyncio.gather(*callers) == [0, 10, 20]
        await group.close()

    asyncio.run(scenario())
    assert not [thread for thread in threading.enumerate() if thread.name == "group-commit"]


def test_a_cancelled_caller_does_not_disturb_the_others() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with GroupCommit(gate) as group:
            gone, stays = (asyncio.create_task(group.submit(item)) for item in (1, 2))
            await gate.reached()
            gone.cancel()
            await asyncio.sleep(0)
            gate.opened.set()
            assert await stays == 20
            assert gone.cancelled()

    asyncio.run(scenario())


def test_a_loop_that_ended_does_not_stop_the_worker() -> None:
    gate = Gate()
    group = GroupCommit(gate)

    async def leave() -> None:
        caller = asyncio.create_task(group.submit(1))
        await gate.reached()
        caller.cancel()

    asyncio.run(leave())
    gate.opened.set()

    async def come() -> int:
        answer = await group.submit(2)
        await group.close()
        return answer

    assert asyncio.run(come()) == 20


@pytest.mark.parametrize("limits", [{"max_batch": 0}, {"max_queued": 0}])
def test_a_group_that_could_hold_nothing_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        GroupCommit(times_ten, max_batch=limits.get("max_batch", 1), max_queued=limits.get("max_queued", 1))


def test_an_acknowledged_entry_is_seen_by_another_reader(url: str, log: Log, draft: Callable[..., Draft]) -> None:
    async def caller(group: GroupCommit[Draft, Entry], number: int) -> None:
        entry = await group.submit(draft(number))
        with Log.open_read_only(url) as reader:
            assert reader.find(entry.event_id) == entry

    async def scenario() -> None:
        async with GroupCommit[Draft, Entry](log.append) as group:
            await asyncio.gather(*(caller(group, number) for number in range(40)))

    asyncio.run(scenario())
    assert log.size == 40


def test_an_answer_lost_at_commit_is_found_by_asking_again(
    log: Log, draft: Callable[..., Draft], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = log._database.engine.dialect
    commit = dialect.do_commit

    def commit_and_fail(connection: object) -> None:
        commit(connection)  # type: ignore[arg-type]
        raise OSError("the answer got lost")

    async def scenario() -> None:
        async with GroupCommit[Draft, Entry](log.append) as group:
            monkeypatch.setattr(dialect, "do_commit", commit_and_fail)
            with pytest.raises(OSError, match="lost"):
                await group.submit(draft(0))
            monkeypatch.undo()
            assert (await group.submit(draft(0))).seq == 0

    asyncio.run(scenario())
    assert log.size == 1
