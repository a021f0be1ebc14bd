"""``fleetward notify``: tells subscribers what the ledger records, and looks after what did not arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.failing import CommandFailed, FailingGroup, NotReachable
from jobs.cli.options import Database, Format, Output

if TYPE_CHECKING:
    from runtime.ledger.log import LogReader
    from runtime.notifying.outbox import Message, Outbox
    from runtime.notifying.subscriptions import Notify

app = typer.Typer(cls=FailingGroup, no_args_is_help=True, help="Tell subscribers what the ledger records.")

_Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="FLEETWARD_NOTIFY", exists=True, dir_okay=False, help="Channels and subscriptions."
    ),
]
_State = Annotated[
    Path | None,
    typer.Option("--state", metavar="FILE", dir_okay=False, help="The outbox. [default: notify.db in FLEETWARD_HOME]"),
]
_Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel of the configuration.")]
_Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Dead messages. [default: all of them]")]


@app.command("serve")
def serve(config: _Config, state: _State = None, database: Database = None) -> None:
    """Follow the ledger and tell subscribers, until it is stopped. It reads the database and needs no cluster.

    At the very first start it begins with what is recorded from then on.
    """
    import asyncio

    notify = _read(config)
    log, outbox = _log(database), _outbox(state)
    try:
        asyncio.run(_serving(notify, log, outbox))
    finally:
        outbox.close()
        log.close()


@app.command("list")
def listed(state: _State = None, output_: Output = Format.TABLE) -> None:
    """List messages that did not arrive: dead ones, and those that are still tried."""
    outbox = _outbox(state)
    documents = [_document(each) for each in (*outbox.dead(), *outbox.waiting())]
    outbox.close()
    if output_ is Format.JSON:
        output.as_json(documents)
        return
    names = ("stands", "channel", "entry", "tries", "reason", "id")
    output.table(names, [tuple(each[name] for name in names) for each in documents], right=("entry", "tries"))


@app.command("resend")
def resend(ids: _Ids = None, state: _State = None) -> None:
    """Send dead messages again: those of these ids, or all. The notifier that runs takes them at once."""
    import time

    outbox = _outbox(state)
    revived = outbox.revive(time.time(), ids or None)
    outbox.close()
    if ids and not revived:
        raise CommandFailed(f"no dead message has the id {', '.join(ids)}; fleetward notify list shows them")
    output.lines([f"{revived} messages are sent again"])


@app.command("test")
def test(channel: _Channel, config: _Config) -> None:
    """Send a message to a channel now, and say whether it arrived."""
    import asyncio

    from runtime.settings import Settings

    notify, actor = _read(config), Settings.from_environment().principal
    found = notify.channel(channel)
    if found is None:
        known = ", ".join(sorted(each.name for each in notify.channels))
        raise CommandFailed(f"no channel is named {channel!r}; expected one of {known}")

    async def sending() -> None:
        import time
        from datetime import UTC, datetime

        from runtime.notifying.message import trial
        from runtime.notifying.notifier import sender_of

        sender, now = sender_of(found), time.time()
        try:
            await sender.send(trial("none", datetime.fromtimestamp(now, UTC), actor), now)
        finally:
            await sender.close()

    asyncio.run(sending())
    output.lines([f"{channel}: it arrived"])


async def _serving(notify: Notify, log: LogReader, outbox: Outbox) -> None:
    import asyncio
    import signal

    from runtime.ledger.publisher import origin_of
    from runtime.notifying.following import Follower
    from runtime.notifying.notifier import Notifier, senders_of
    from runtime.settings import Settings

    origin = Settings.from_environment().origin or origin_of(log)
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    follower = Follower(log, outbox, notify, origin)
    channels = ", ".join(channel.name for channel in notify.channels)
    print(f"telling {channels} of entries from {follower.position} on", flush=True)
    await Notifier(follower, outbox, notify, senders_of(notify), origin=origin).run(stop)


def _read(path: Path) -> Notify:
    from runtime.notifying.subscriptions import load_notify

    return load_notify(path)


def _log(database: str | None) -> LogReader:
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.log import Log
    from runtime.settings import Settings

    try:
        return Log.open_read_only(database or Settings.from_environment().database)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}") from error


def _outbox(state: Path | None) -> Outbox:
    from runtime.notifying.outbox import Outbox
    from runtime.settings import Settings

    return Outbox(state or Settings.from_environment().home / "notify.db")


def _document(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "channel": message.channel,
        "entry": message.seq,
        "stands": "dead" if message.dead else "waiting",
        "tries": message.attempts,
        "reason": message.reason,
        "sentence": message.event["data"]["sentence"],
    }
