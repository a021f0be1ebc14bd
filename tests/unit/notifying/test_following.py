"""From the ledger to the outbox: each entry once, to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.ledger.log import Log
from runtime.notifying.following import Follower
from runtime.notifying.message import digest, text_lines
from runtime.notifying.outbox import Message, Outbox
from runtime.notifying.subscriptions import Notify
from tests.unit.domain.lives import MONDAY, a_finding, a_spec, applied, declared


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(f"sqlite:///{tmp_path / 'ledger.db'}", lambda: MONDAY) as made:
        tell(made, applied(a_spec()), declared())
        yield made


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "state" / "notify.db")
    yield made
    made.close()


def tell(log: Log, *events: e.Event) -> None:
    log.append([Draft.fresh(event, "user:dora") for event in events])


def to(*subscriptions: dict[str, Any]) -> Notify:
    channels = [
        {"name": name, "webhook": f"https://{name}.example", "secret_file": "/s"}
        for name in sorted({each["to"] for each in subscriptions})
    ]
    return Notify.model_validate({"channels": channels, "subscriptions": list(subscriptions)})


def test_the_first_start_begins_at_the_end_and_the_next_one_where_it_was_left(log: Log, outbox: Outbox) -> None:
    notify = to({"to": "ops"})
    first = Follower(log, outbox, notify, "o")
    assert (first.step(0.0), first.position) == (0, 2)
    tell(log, a_finding())
    again = Follower(log, outbox, notify, "o")
    assert (again.step(0.0), again.position) == (1, 3)
    assert [message.seq for message in outbox.waiting()] == [2]
    assert Follower(log, outbox, notify, "o").step(0.0) == 0


def test_an_entry_is_told_once_a_channel_by_the_subscription_that_waits_least(log: Log, outbox: Outbox) -> None:
    follower = Follower(
        log, outbox, to({"to": "ops", "digest": "1d"}, {"to": "ops"}, {"to": "dig", "digest": "60s"}), "o"
    )
    tell(log, a_finding())
    follower.step(90.0)
    assert {message.channel: (message.digest, message.due) for message in outbox.waiting()} == {
        "ops": (0.0, 90.0),
        "dig": (120.0, 120.0),
    }


def test_owners_are_known_of_models_that_were_declared_before_the_position(log: Log, outbox: Outbox) -> None:
    follower = Follower(
        log, outbox, to({"to": "ops", "owners": ["network-planning"]}, {"to": "no", "owners": ["x"]}), "o"
    )
    tell(log, a_finding())
    follower.step(0.0)
    (message,) = outbox.waiting()
    assert (message.channel, message.event["data"]["owner"]) == ("ops", "network-planning")


def test_a_message_that_is_there_already_keeps_its_tries(outbox: Outbox) -> None:
    message = Message("a", "ops", 1, {"data": {}}, 0.0, 0.0)
    outbox.take([message], 2)
    outbox.failed([message], "it answered 500", 5.0)
    outbox.take([message], 2)
    (kept,) = outbox.waiting()
    assert (kept.attempts, kept.due, kept.reason) == (1, 5.0, "it answered 500")


def test_what_is_written_survives_the_process(outbox: Outbox, tmp_path: Path) -> None:
    outbox.take([Message("a", "ops", 1, {"data": {}}, 0.0, 0.0)], 2)
    other = Outbox(tmp_path / "state" / "notify.db")
    assert (other.position(), len(other.waiting())) == (2, 1)
    other.close()


def test_a_digest_has_the_worst_severity_and_says_each_in_a_line(log: Log, outbox: Outbox) -> None:
    follower = Follower(log, outbox, to({"to": "ops", "severity": "info"}), "o")
    tell(log, a_finding(), e.ModelSuspended(model="flight-time-UA", reason="complaints"))
    follower.step(0.0)
    gathered = digest([message.event for message in outbox.waiting()], origin="o", now=MONDAY)
    assert gathered["data"]["severity"] == "critical"
    assert text_lines(gathered)[1] == (
        "flight-time-UA: model suspended by user:dora: complaints | by user:dora | because: complaints"
    )
