"""Notifications against a real server of its own: signed, tried again, given up, sent again, never lost."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.log import Log
from runtime.notifying.following import Follower
from runtime.notifying.message import trial
from runtime.notifying.notifier import LONGEST_PAUSE_SECONDS, Notifier, pause_of, senders_of
from runtime.notifying.outbox import Outbox
from runtime.notifying.subscriptions import Channel, Notify
from runtime.notifying.webhook import Undelivered, WebhookSender
from tests.unit.domain.lives import MODEL, MONDAY, a_finding, a_spec, applied, declared
from tests.unit.notifying.conftest import Server
from tests.waiting import wait_until

SECRET = b"a secret of some length"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "ops.secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Log]:
    with Log.open(f"sqlite:///{tmp_path / 'ledger.db'}", lambda: MONDAY) as log:
        log.append([Draft.fresh(applied(a_spec()), "user:dora"), Draft.fresh(declared(), "user:dora")])
        yield log


def tell(log: Log, *events: e.Event, by: str = "service:monitor") -> None:
    log.append([Draft.fresh(event, by) for event in events])


def config(server: Server, secret: Path, *paths: str, **options: Any) -> Notify:
    """A channel for each path, all of findings; tries come at once."""
    usual = {"secret_file": str(secret), "private_networks": True, "timeout": "1s", "backoff": "0.05s", "attempts": 3}
    channels = [{"name": f"c{n}", "webhook": server.url(path), **usual, **options} for n, path in enumerate(paths)]
    subscriptions = [{"to": each["name"], "kinds": ["finding_*"]} for each in channels]
    return Notify.model_validate({"link": "https://fw.example", "channels": channels, "subscriptions": subscriptions})


@contextmanager
def notifying(log: Log, outbox: Outbox, notify: Notify) -> Iterator[None]:
    """The notifier runs in a thread meanwhile."""
    import threading

    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    follower = Follower(log, outbox, notify, "example.com/ledger")

    async def running() -> None:
        loops.append(asyncio.get_running_loop())
        await Notifier(follower, outbox, notify, senders_of(notify)).run(stop)

    thread = threading.Thread(target=lambda: asyncio.run(running()))
    thread.start()
    wait_until(lambda: loops)
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "notify.db")
    yield made
    made.close()


def test_an_entry_arrives_as_a_signed_cloud_event_with_actor_reason_and_link(
    server: Server, secret: Path, ledger: Log, outbox: Outbox
) -> None:
    with notifying(ledger, outbox, config(server, secret, "take")):
        tell(ledger, a_finding())
        wait_until(lambda: server.taken("take"))
        wait_until(lambda: not outbox.waiting())
    (request,) = server.requests("take")
    event, headers = json.loads(request["body"]), request["headers"]
    assert {name: event[name] for name in ("specversion", "type", "source", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "type": "io.fleetward.finding_opened.v1",
        "source": "/fleetward/ledger/example.com%2Fledger",
        "subject": MODEL,
        "datacontenttype": "application/json",
    }
    data = event["data"]
    assert (data["actor"], data["owner"], data["seq"]) == ("service:monitor", "network-planning", 2)
    assert data["link"] == f"https://fw.example/models/{MODEL}"
    assert data["event"]["finding"] == "finding-1"
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}".encode()
    digest = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-id"] == event["id"]


def test_a_server_that_fails_at_first_is_tried_again_with_the_same_id(
    server: Server, secret: Path, ledger: Log, outbox: Outbox
) -> None:
    with notifying(ledger, outbox, config(server, secret, "flaky/2")):
        tell(ledger, a_finding())
        wait_until(lambda: server.taken("flaky/2"))
        wait_until(lambda: not outbox.waiting())
    requests = server.requests("flaky/2")
    assert [each["status"] for each in requests] == [500, 500, 204]
    assert len({each["headers"]["webhook-id"] for each in requests}) == 1


def test_what_never_arrives_is_kept_listed_and_sent_again_on_demand(
    server: Server, secret: Path, ledger: Log, outbox: Outbox
) -> None:
    with notifying(ledger, outbox, config(server, secret, "fail")):
        tell(ledger, a_finding())
        wait_until(outbox.dead)
    (dead,) = outbox.dead()
    assert (dead.attempts, dead.reason, dead.seq) == (3, "it answered 500", 2)
    assert outbox.revive(0.0) == 1
    with notifying(ledger, outbox, config(server, secret, "take")):
        wait_until(lambda: server.taken("take"))
        wait_until(lambda: not outbox.waiting())
    assert [event["id"] for event in server.taken("take")] == [dead.id]
    assert outbox.dead() == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [("moved", "it answered 302, which is not followed"), ("gone", "it answered 410")],
)
def test_a_redirect_is_not_followed_and_a_no_is_not_asked_twice(
    server: Server, secret: Path, ledger: Log, outbox: Outbox, path: str, reason: str
) -> None:
    with notifying(ledger, outbox, config(server, secret, path)):
        tell(ledger, a_finding())
        wait_until(outbox.dead)
    assert [each.reason for each in outbox.dead()] == [reason]
    assert len(server.requests()) == 1


def test_an_endpoint_that_hangs_is_given_up_in_time_and_holds_up_no_other(
    server: Server, secret: Path, ledger: Log, outbox: Outbox
) -> None:
    with notifying(ledger, outbox, config(server, secret, "hang", "take", attempts=1)):
        tell(ledger, *(a_finding(f"finding-{number}") for number in range(3)))
        wait_until(lambda: len(server.taken("take")) == 3)
        assert len(outbox.dead()) < 3, "the others arrived while the first one still hung"
        wait_until(lambda: len(outbox.dead()) == 3)
    assert {each.reason for each in outbox.dead()} == {"no answer within 1 s"}


def test_a_private_address_is_refused_unless_the_channel_allows_it(server: Server, secret: Path) -> None:
    urls = [server.url("take"), server.url("take").replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest"]
    for url in urls:
        channel = Channel.model_validate({"name": "ops", "webhook": url, "secret_file": str(secret)})

        async def asked(channel: Channel = channel) -> None:
            sender = WebhookSender(channel)
            try:
                await sender.send(trial("none", datetime(2026, 1, 1, tzinfo=UTC), "user:ada"), 0.0)
            finally:
                await sender.close()

        with pytest.raises(Undelivered, match="leads into a private network") as caught:
            asyncio.run(asked())
        assert caught.value.is_final
    assert server.requests() == []


def test_a_secret_that_others_can_read_or_guess_is_refused(secret: Path) -> None:
    channel = Channel.model_validate({"name": "ops", "webhook": "https://x.example/", "secret_file": str(secret)})
    secret.chmod(0o644)
    with pytest.raises(KeyUnusable, match="expected 0600"):
        WebhookSender(channel)
    secret.chmod(0o600)
    secret.write_bytes(b"guess me")
    with pytest.raises(KeyUnusable, match="8 bytes; expected at least 16"):
        WebhookSender(channel)


def test_a_digest_gathers_what_came_in_its_span(server: Server, secret: Path, ledger: Log, outbox: Outbox) -> None:
    notify = config(server, secret, "take")
    (subscription,) = notify.subscriptions
    gathering = Notify.model_validate(
        notify.as_document() | {"subscriptions": [subscription.as_document() | {"digest": "2s"}]}
    )
    with notifying(ledger, outbox, gathering):
        tell(ledger, *(a_finding(f"finding-{number}") for number in range(4)))
        wait_until(lambda: sum(len(each["data"]["items"]) for each in server.taken("take")) == 4)
        wait_until(lambda: not outbox.waiting())
    events = server.taken("take")
    assert {each["type"] for each in events} == {"io.fleetward.digest.v1"}
    assert len(events) <= 2, "the span may have ended between two entries"


def test_a_notifier_that_is_killed_loses_nothing(server: Server, secret: Path, ledger: Log, tmp_path: Path) -> None:
    """The process of the command line, killed in the middle of its deliveries again and again."""
    written = {
        "channels": [
            {
                "name": "ops",
                "webhook": server.url("take"),
                "secret_file": str(secret),
                "private_networks": True,
                "backoff": "0.05s",
            }
        ],
        "subscriptions": [{"to": "ops", "kinds": ["finding_*"]}],
    }
    file = tmp_path / "notify.yaml"
    file.write_text(json.dumps(written))
    command = [sys.executable, "-m", "jobs.cli", "notify", "serve", "-c", str(file)]
    command += ["--state", str(tmp_path / "state.db"), "--database", f"sqlite:///{tmp_path / 'ledger.db'}"]
    environment = {**os.environ, "FLEETWARD_HOME": str(tmp_path)}

    def served(ready: Callable[[], object]) -> None:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "telling ops" in process.stdout.readline()
            wait_until(ready)
            process.send_signal(signal.SIGKILL)

    served(lambda: True)  # it knows now where it began
    tell(ledger, *(a_finding(f"finding-{number}") for number in range(100)))
    served(lambda: len(server.taken("take")) >= 20)
    served(lambda: len({event["id"] for event in server.taken("take")}) == 100)
    findings = [event["data"]["event"]["finding"] for event in server.taken("take")]
    assert set(findings) == {f"finding-{number}" for number in range(100)}
    assert len(findings) <= 102, "at most what was on its way when it was killed came twice"


def test_a_ledger_that_is_damaged_ends_it_with_its_own_error(
    server: Server, secret: Path, ledger: Log, outbox: Outbox, tmp_path: Path
) -> None:
    notify = config(server, secret, "take")
    follower = Follower(ledger, outbox, notify, "o")
    tell(ledger, a_finding())
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE entries SET leaf = CAST('{}' AS BLOB) WHERE seq = 2")
    with pytest.raises(LedgerCorrupt, match="entry 2"):
        asyncio.run(Notifier(follower, outbox, notify, senders_of(notify)).run(asyncio.Event()))


def test_pauses_grow_and_differ_by_chance_and_are_bounded() -> None:
    channel = Channel.model_validate({"name": "c", "webhook": "https://x.example", "secret_file": "s", "backoff": "2s"})
    assert [pause_of(channel, tried, lambda: 1.0) for tried in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert pause_of(channel, 1, lambda: 0.0) == pytest.approx(4 / 3)
    assert pause_of(channel, 40, lambda: 1.0) == LONGEST_PAUSE_SECONDS
