"""Erases a data subject in a child that kills itself at its n-th step, for every n, and then once more: what is left.

python -m tests.crash.erasing FOLDER        one JSON document a kill, and one of the run that was not killed
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime.domain.entry import Draft
from runtime.governance.erasure import Order, SubjectUnknown, erase, targets_of
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.storage.keyring import Keyring
from tests.unit.domain.lives import MODEL, a_spec, applied, declared, granted

SUBJECT = "ada@example.org"
STEPS = ("mkdir", "touch", "rename", "unlink", "rmdir")
"""Of ``Path``; besides, of ``os``: pwrite, fsync. Every change of a file is one of them, and so is every commit."""


def clock() -> datetime:
    return datetime.now(UTC)


class Local:
    """A governor in this process."""

    def __init__(self, log: Log, before: Callable[[], None]) -> None:
        self._writer, self._before = Writer(log, lambda grant: granted().signed), before

    def erasures(self) -> list[Any]:
        return list(self._writer.state.erasures.values())

    def record(self, draft: Draft) -> Receipt:
        self._before()
        ((answer,),) = self._writer.commit([[draft]])
        if isinstance(answer, Exception):
            raise answer
        self._before()
        return answer


class Killer:
    """Counts steps, and kills its process before the one it was made for."""

    def __init__(self, at: int) -> None:
        self._left = at

    def step(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def watch(self) -> None:
        """From now on every change of a file is a step."""
        for owner, names in ((Path, STEPS), (os, ("pwrite", "fsync"))):
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.step()
            return change(*arguments, **more)

        return counted


def prepare(home: Path) -> None:
    with Log.open(f"sqlite:///{home / 'ledger.db'}", clock) as log:
        writer = Writer(log, lambda grant: granted().signed)
        writer.commit([[Draft.fresh(event, "user:dora")] for event in (applied(a_spec()), declared())])
    Keyring.create(home / "subjects", clock).key(MODEL, SUBJECT)


def run(home: Path, killer: Killer) -> None:
    with Log.open(f"sqlite:///{home / 'ledger.db'}", clock) as log:
        keyring, governed = Keyring.open(home / "subjects", clock), Local(log, killer.step)
        killer.watch()
        order = Order("user:ada", "request 7", lambda targets: {})
        list(erase(keyring, SUBJECT, targets_of(keyring, SUBJECT, [MODEL]), governed, order))


def forked(work: Callable[[], None]) -> int:
    """The signal that ended a child doing this; 0 when it came to its end, 1000 for a subject it did not find."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except SubjectUnknown:
            os._exit(7)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    return 1000 if os.WEXITSTATUS(status) == 7 else os.WEXITSTATUS(status)


def left(home: Path) -> dict[str, Any]:
    """What stands in the ledger, and which files hold a key."""
    with Log.open_read_only(f"sqlite:///{home / 'ledger.db'}") as log:
        kinds = [entry.event.kind for entry in log.entries()]
    files = [path for path in (home / "subjects").rglob("*") if path.is_file() or path.parent.name == "of"]
    keys = sum(b'"wrapped"' in path.read_bytes() for path in files if path.is_file())
    return {"kinds": kinds[2:], "keys": keys, "files": sorted(path.name for path in files)}


def main(folder: Path) -> None:
    (folder / "fresh").mkdir()
    forked(lambda: prepare(folder / "fresh"))
    for step in range(200):
        home = folder / f"killed-{step}"
        subprocess.run(["cp", "-a", str(folder / "fresh"), str(home)], check=True)  # with its hard links
        ended = forked(lambda home=home, step=step: run(home, Killer(step)))  # type: ignore[misc]
        after = left(home)
        again = forked(lambda home=home: run(home, Killer(-1)))  # type: ignore[misc]
        told = {"step": step, "ended": ended, "after": after, "again": again, "finally": left(home)}
        sys.stdout.write(json.dumps(told) + "\n")
        shutil.rmtree(home)
        if ended == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
