"""What a machine has of an installation: its folder, its secrets, its ledger, its store, records that wait.

Everything here is looked at and put back as it was: the ledger is opened for reading, and what is written into the
store to see whether it can be is deleted again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.diagnosis.symptoms import Symptom, broken, doubtful, examined, fine
from runtime.ledger.database import Database
from runtime.ledger.private_files import read_private
from runtime.ledger.proofs import Proofs
from runtime.ledger.verify import verify_log
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore

LOCK_TIMEOUT = timedelta(seconds=5)
LITTLE_BYTES = 5 << 30
NO_BYTES = 256 << 20
CHECKPOINT_DUE = timedelta(minutes=1)
"""One is published each second in which anything was recorded."""
SEALING_LATE = 20
"""Intervals of sealing after which a waiting file is late."""


def examine(settings: Settings, *, whole_ledger: bool = False) -> Iterator[Symptom]:
    """All checks, each whatever became of the one before. ``whole_ledger``: hash every entry again."""
    yield from examined("folder", lambda: folder(settings), "make FLEETWARD_HOME a folder of this user's own")
    yield from examined("disk", lambda: disk(settings), "free space, or move FLEETWARD_HOME")
    yield from secrets(settings)
    yield from examined(
        "ledger", lambda: ledger(settings, whole=whole_ledger), "see that FLEETWARD_DATABASE is up and names the ledger"
    )
    yield from examined("store", lambda: store(settings), "see FLEETWARD_STORE, its credentials and permissions")
    yield from examined("records", lambda: records(settings), "see the folder's permissions")


def folder(settings: Settings) -> Iterator[Symptom]:
    """Whether the home is there and can be written to."""
    home = settings.home
    if not home.is_dir():
        yield doubtful("folder", f"{home} is not there yet", "run: fleetward up")
    elif not os.access(home, os.W_OK | os.X_OK):
        yield broken("folder", f"{home} cannot be written to", f"give it to this user: chown {os.getuid()} {home}")
    else:
        yield fine("folder", str(home))


def disk(settings: Settings) -> Iterator[Symptom]:
    """Whether decisions can still be written down."""
    there = next(each for each in (settings.home, *settings.home.parents) if each.exists())
    free = shutil.disk_usage(there).free
    told = f"{free / 1e9:.1f} GB free under {there}"
    if free < NO_BYTES:
        yield broken("disk", told, "free space now: with a full disk models refuse to answer what they must record")
    elif free < LITTLE_BYTES:
        yield doubtful("disk", told, "free space, or shorten what is kept: fleetward retention run")
    else:
        yield fine("disk", told)


def secrets(settings: Settings) -> Iterator[Symptom]:
    """Whether each secret that is a file is one, and nobody else's to read."""
    files = {"credential": settings.credential, "pepper": settings.pepper, "Ray token": settings.home / "ray_token"}
    if "://" not in settings.key:
        files["signing key"] = Path(settings.key)
    for name, path in files.items():
        if path.exists():
            yield from examined(name, lambda path=path, name=name: _secret(name, path), f"chmod 600 {path}")  # type: ignore[misc]


def _secret(name: str, path: Path) -> Iterator[Symptom]:
    read_private(path)
    yield fine(name, f"{path}, of mode 0600")


def ledger(settings: Settings, *, whole: bool) -> Iterator[Symptom]:
    """Whether the ledger can be read, was signed lately, and (``whole``) is what was signed."""
    database = Database.open_for_reading(settings.database, LOCK_TIMEOUT)
    try:
        published = Proofs(database).checkpoint()
        where = database.url
    finally:
        database.close()
    if published is None:
        yield doubtful("ledger", f"{where} has no checkpoint yet", "run: fleetward up")
        return
    age = datetime.now(UTC) - published.time
    told = f"{where}: {published.size:,} entries signed {_ago(age)}"
    yield fine("ledger", told)
    if age < -CHECKPOINT_DUE:
        yield doubtful(
            "clock", f"the newest checkpoint is {_ago(-age)[:-4]} ahead of this machine", "set the clock: chrony"
        )
    if whole:
        size = verify_log(settings.database).size
        yield fine("ledger's entries", f"all {size:,} hash to the signed root")


def store(settings: Settings) -> Iterator[Symptom]:
    """Whether an object can be written, read again and deleted."""
    opened = ObjectStore.open(settings.store)
    content = b"fleetward doctor " + os.urandom(16)
    digest = opened.put(content)
    try:
        same = opened.get(digest) == content
    finally:
        opened.delete(digest)
    if same:
        yield fine("store", f"{opened.url} takes, gives and deletes objects")
    else:
        yield broken("store", f"{opened.url} gave other bytes back", "do not use this store")


def records(settings: Settings) -> Iterator[Symptom]:
    """Whether decisions that were written down here are sealed in time."""
    files = [path for path in settings.wal.rglob("*") if path.is_file()] if settings.wal.exists() else []
    kept_aside = [path for path in files if path.suffix == ".damaged"]
    waiting = [path.stat().st_mtime for path in files if path.suffix == ".wal" and path.stat().st_size]
    late = timedelta(seconds=settings.seal_seconds * SEALING_LATE)
    if kept_aside:
        yield doubtful(
            "records", f"{len(kept_aside)} damaged files were kept aside in {settings.wal}", "look at the disk"
        )
    if waiting and (age := datetime.now(UTC) - datetime.fromtimestamp(min(waiting), UTC)) > late:
        yield doubtful(
            "records", f"some in {settings.wal} wait since {_ago(age)}", "see that a replica runs here: fleetward up"
        )
    elif not kept_aside:
        yield fine("records", "none waits to be sealed longer than it should")


def _ago(age: timedelta) -> str:
    seconds = age.total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} seconds ago"
