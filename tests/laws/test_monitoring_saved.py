"""Laws of saved monitor state: one that goes on from a save says and knows what one that never stopped does."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain.entry import Entry
from runtime.domain.state import MonitorSave
from runtime.monitoring.fold import Monitor
from runtime.monitoring.resuming import resume
from runtime.monitoring.saved import pack, unpack
from runtime.monitoring.shards import Shard
from tests.laws.test_monitoring_fold import LEDGERS, Records, knowledge, said, weeks

ALONE = Shard()


def packed(monitor: Monitor) -> bytes:
    return pack(monitor.shard, monitor.state.size, monitor.watches.values())


def resumed(data: bytes, entries: list[Entry]) -> tuple[Monitor, list[Any]]:
    """A monitor that starts from a save and the ledger from its first entry on; what it says."""
    save = MonitorSave(1, 0, unpack(data).size, "sha256:save")
    known = resume({save.key: save}, ALONE, {save.digest: data}.__getitem__)
    fresh = LEDGERS.fresh()
    monitor = Monitor(fresh._read_object, fresh._read_decisions, fresh._read_outcomes, ALONE, known)
    return monitor, said(monitor, [*LEDGERS.start, *entries])


@settings(max_examples=12)
@given(records=weeks(), cut=st.integers(0, 40))
def test_a_monitor_that_goes_on_from_a_save_says_and_knows_the_same(records: Records, cut: int) -> None:
    entries = LEDGERS.entries(LEDGERS.segments(records))
    whole, stopped = LEDGERS.monitor(), LEDGERS.monitor()
    everything = said(whole, entries)
    before = said(stopped, entries[:cut])
    again, after = resumed(packed(stopped), entries)
    assert before + after == everything
    assert knowledge(again) == knowledge(whole)
    assert packed(again) == packed(whole)
    assert again.state == whole.state


@settings(max_examples=12)
@given(records=weeks(), cut=st.integers(0, 40))
def test_what_is_read_back_is_what_was_saved(records: Records, cut: int) -> None:
    monitor = LEDGERS.monitor()
    said(monitor, LEDGERS.entries(LEDGERS.segments(records))[:cut])
    data = packed(monitor)
    saved = unpack(data)
    assert (saved.shard, saved.size) == (ALONE, monitor.state.size)
    assert pack(saved.shard, saved.size, saved.watches.values()) == data
