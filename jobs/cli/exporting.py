"""Commands that write evidence out of the ledger, for somebody who trusts nobody here to check with ``verify``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.arguments import moment
from jobs.cli import output
from jobs.cli.failing import NotReachable
from jobs.cli.options import Database, Model, Offline

if TYPE_CHECKING:
    from runtime.evidence.ledger import SignedLedger
    from runtime.evidence.pack import WrittenPack
    from runtime.settings import Settings


def _moment(text: str) -> datetime:
    """A time of RFC 3339, or a date, in UTC. Raises ``typer.BadParameter``."""
    try:
        return moment(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "a time of RFC 3339 (2026-03-01T12:00:00Z) or a date"
        raise typer.BadParameter(f"{text!r} is no moment; expected {expected}") from error


_Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", dir_okay=False, help="The file to write.")]
_Until = Annotated[
    int | None,
    typer.Option("--until", metavar="SIZE", min=0, help="At most so many entries. [default: the newest checkpoint]"),
]
_Decision = Annotated[str, typer.Argument(metavar="DECISION_ID", help="The id that came with the answer.")]
_Answer = Annotated[
    int | None,
    typer.Option("--version", metavar="VERSION", min=1, help="As this version answered it, a shadow answer too."),
]
_PASSPORTS = 3
_PackOut = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="FILE.zip", dir_okay=False, help="[default: MODEL-FROM-TO.zip, by their dates]"
    ),
]
_From = Annotated[
    datetime, typer.Option("--from", parser=_moment, metavar="TIME", help="The first moment of it (UTC).")
]
_To = Annotated[datetime, typer.Option("--to", parser=_moment, metavar="TIME", help="The moment before which it ends.")]
_Sample = Annotated[int, typer.Option("--sample", min=0, max=100_000, help="At most so many records, proven.")]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def export(out: _Out, until: _Until = None, database: Database = None) -> None:
    """Write the ledger, up to a signed checkpoint, into one file that verify checks offline."""
    from runtime.evidence.export import export_bundle

    with signed_ledger(database, until) as ledger, output.working("exporting the ledger"):
        entries = export_bundle(ledger, out)
    output.lines([f"{out}: {entries} entries under the checkpoint of {ledger.head.time:%Y-%m-%d %H:%M:%S} UTC"])


def passport(
    decision_id: _Decision, out: _Out, version: _Answer = None, database: Database = None, store: _Store = None
) -> None:
    """Write everything that made one decision right into one file that verify checks offline."""
    from runtime.evidence.export import whole_file
    from runtime.evidence.passport import passport_of
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    objects = ObjectStore.open(store or Settings.from_environment().store)
    with signed_ledger(database, None) as ledger, output.working("gathering the passport"):
        written = passport_of(decision_id, ledger, objects, version=version)
    with whole_file(out) as file:
        file.write(written.encode())
    rows = len(written.decision.records)
    output.lines([f"{out}: decision {decision_id}, {rows} rows, under the checkpoint of {ledger.size} entries"])
    for gap in written.gaps:
        output.note(f"gap: the ledger does not show the {gap} of this decision")
    if written.entries.erasure is not None:
        output.note(f"inputs erased at entry {written.entries.erasure.seq}: the records hold ciphertext without a key")


def evidence(
    name: Model,
    since: _From,
    until: _To,
    out: _PackOut = None,
    sample: _Sample = 100,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
) -> None:
    """Write all that is recorded of one model in one period into one archive that verify checks offline.

    A governor that is up records who wrote it, of what, and its digest; what it refuses is not written.
    """
    from jobs.cli.reading import is_up
    from runtime.evidence.pack import write_pack
    from runtime.proof.pack.form import Period
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    if not since < until:
        raise typer.BadParameter(f"{_said(until)} is not after --from, {_said(since)}", param_hint="--to")
    path = out or Path(f"{name}-{since:%Y%m%d}-{until:%Y%m%d}.zip")
    settings = Settings.from_environment()
    objects = ObjectStore.open(store or settings.store)
    if governed := not offline and database is None and is_up(settings):
        publish()
    with signed_ledger(database, None) as ledger, output.working("gathering the evidence"):
        period = Period(name, _said(since), _said(until))
        tell = _recorder(settings, name, since, until) if governed else _unrecorded
        written = write_pack(ledger, objects, period, path, sample=sample, passports=_PASSPORTS, tell=tell)
    records = written.decisions.counts.records
    output.lines([f"{path}: {written.files} files, {written.entries} entries, {records} records; {written.digest}"])
    output.note(f"gaps: {len(written.gaps)}, listed in gaps.json and on the page evidence.html")


def _recorder(settings: Settings, model: str, since: datetime, until: datetime) -> Callable[[WrittenPack], None]:
    """Has the governor record a pack before its file has a name. Raises the governor's refusal."""
    from jobs.cli.governed import Governed
    from runtime.domain.entry import Draft
    from runtime.domain.keeping import EvidenceExported

    governed = Governed.connected(settings)

    def tell(pack: WrittenPack) -> None:
        event = EvidenceExported(
            model=model, since=since, until=until, digest=pack.digest, entries=pack.entries, samples=pack.samples
        )
        receipt = governed.record(Draft.fresh(event, settings.principal))
        output.note(f"entry {receipt.seq} of the ledger tells of this export")

    return tell


def _unrecorded(_: WrittenPack) -> None:
    output.note("no governor was asked: the ledger does not tell of this export")


def publish() -> None:
    """Have a governor that is up sign for what is behind its last checkpoint, as ``ledger checkpoint`` does."""
    from jobs.cli.reading import is_up, proving
    from runtime.settings import Settings

    if is_up(Settings.from_environment()):
        with proving(offline=False, database=None) as prover:
            prover.checkpoint()


def _said(time: datetime) -> str:
    from runtime.domain.base import rfc3339

    return rfc3339(time)


@contextmanager
def signed_ledger(database: str | None, until: int | None) -> Iterator[SignedLedger]:
    """The ledger of the settings (or this one), read from its database under a published checkpoint."""
    from runtime.evidence.ledger import SignedLedger
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.log import Log
    from runtime.settings import Settings

    url = database or Settings.from_environment().database
    try:
        log = Log.open_read_only(url)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}") from error
    with log:
        yield SignedLedger(log.database, until=until)
