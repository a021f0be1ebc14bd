"""Faults under the publisher, on SQLite and on PostgreSQL: kill -9 at any moment, and each call that fails.

Whatever happens, no two checkpoints that were ever signed contradict each other, published or not: each is the head of
the first so many entries of the ledger that stands in the end. What was given out stands, and the next process goes on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.log import Log
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from tests.crash.test_ledger_crash import FORMS, Nursery, nursed
from tests.fsck import Heads, fsck, roots_of

ORIGIN = "fleetward.example/ledger"
KILLS = 40
LONGEST_LIFE_S = 0.15
PATIENCE = timedelta(seconds=30)

# A writer that appends and publishes in turn. It says "signed <size> <root>" before it signs, and "published <size>
# <root>" once publish() returned. Each line on stdin is "<url> <key file> <seed>".
NURSERY = """
import os, random, sys
from datetime import UTC, datetime
from pathlib import Path
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from tests.crash.test_publisher_crash import ORIGIN, PATIENCE, draft, said

class TellingSigner(Signer):
    def sign(self, text):
        os.write(1, f"signed {said(text)}\\n".encode())
        return super().sign(text)

def live(url, key, chance):
    log = Log.open(url, lambda: datetime.now(UTC), patience=PATIENCE)
    publisher = Publisher(log, TellingSigner(SigningKey.load_or_create(Path(key)), ORIGIN), lambda: datetime.now(UTC))
    os.write(1, b"open\\n")
    while True:
        log.append([draft(number) for number in range(log.size, log.size + chance.choice([1, 1, 5, 60]))])
        published = publisher.publish()
        os.write(1, f"published {published.size} {published.root}\\n".encode())

for line in sys.stdin:
    url, key, seed = line.split()
    child = os.fork()
    if child == 0:
        live(url, key, random.Random(seed))
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


def draft(number: int) -> Draft:
    return Draft(ModelSuspended(model="m", reason="r"), "ada", f"event-{number}")


def said(text: str) -> str:
    """A checkpoint's size and root, in words."""
    checkpoint = Checkpoint.parse(text)
    return f"{checkpoint.size} {checkpoint.root.hex()}"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database."""
    return database_url


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    SigningKey.load_or_create(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def signer(key_file: Path) -> Signer:
    return Signer(SigningKey.load_or_create(key_file), ORIGIN)


@pytest.fixture
def nursery(root: Path) -> Iterator[Nursery]:
    with nursed(NURSERY, root) as started:
        yield started


def agreed(heads: Heads, words: list[list[str]], kind: str) -> None:
    """Take heads that were said up; of one size there is one root."""
    for size, root in (line[1:] for line in words if line[0] == kind):
        assert heads.setdefault(int(size), root) == root


def test_kill_9_while_checkpoints_are_published_never_leaves_two_that_do_not_extend_each_other(
    nursery: Nursery, url: str, key_file: Path, signer: Signer
) -> None:
    chance = random.Random(9162)
    signed, given_out = Heads(), Heads()
    for kill in range(KILLS):
        writer = nursery.born(f"{url} {key_file} {kill}")
        if kill % 5 < 4:  # each fifth dies while it opens the ledger, or soon after
            nursery.until("open")
        time.sleep(chance.uniform(0, LONGEST_LIFE_S))  # the random moment
        words = nursery.killed(writer)
        agreed(signed, words, "signed")
        agreed(given_out, words, "published")
        standing = fsck(url, [signer.verifier])
        assert given_out.items() <= standing.items() <= signed.items()
    assert len(given_out) > KILLS / 4
    with Log.open(url, now, patience=PATIENCE) as log:
        log.append([draft(log.size)])
        published = Publisher(log, signer, now).publish()
        assert published is not None
        assert published.size == log.size > max(given_out)
        heads_of_what_stands(log, signed)
    assert max(fsck(url, [signer.verifier])) == published.size


def heads_of_what_stands(log: Log, signed: Heads) -> None:
    """Each head that was ever signed, though nobody got it, is one of this log."""
    leaves = [leaf_hash(entry.leaf()) for entry in log.entries()]
    assert signed == roots_of(leaves, signed)


# --- each call to the database that fails, in both forms --------------------------------------------


@contextmanager
def failing_call(log: Log, number: int, *, persisted: bool) -> Iterator[list[str]]:
    """The driver's call of this number fails, before or after its effect; the calls that were made."""
    dialect: Any = log.database.engine.dialect
    calls: list[str] = []

    def counted(name: str) -> Callable[..., None]:
        real: Callable[..., None] = getattr(dialect, name)

        def injected(*arguments: Any, **named: Any) -> None:
            calls.append(name if name == "do_commit" else arguments[1])
            mine = len(calls) == number + 1
            if persisted or not mine:
                real(*arguments, **named)
            if mine:
                raise OSError("injected")

        return injected

    names = ("do_execute", "do_executemany", "do_commit")
    with pytest.MonkeyPatch.context() as patched:
        for name in names:
            patched.setattr(dialect, name, counted(name))
        yield calls


@pytest.mark.parametrize("form", FORMS)
def test_a_fault_at_any_call_of_a_publication_is_made_good_by_the_next(url: str, signer: Signer, form: str) -> None:
    met: list[str] = []
    with Log.open(url, now, lease=timedelta(minutes=10)) as log:
        log.append([draft(number) for number in range(250)])
        publisher = Publisher(log, signer, now)
        publisher.publish()
        for number in range(200):
            # 256 more, so that each publication fills a tile and changes the one above
            log.append([draft(each) for each in range(log.size, log.size + 256)])
            with failing_call(log, number, persisted=bool(FORMS[form])) as calls:
                try:
                    publisher.publish()
                except OSError:
                    met.append(calls[-1])
                else:
                    break
            again = publisher if number % 2 else Publisher(log, signer, now)  # which remembers nothing
            published = again.publish()
            assert published is not None
            assert published.size == log.size
    assert len(fsck(url, [signer.verifier])) == len(met) + 2
    for step in ("INSERT INTO tiles", "UPDATE tiles", "INSERT INTO checkpoints", "do_commit"):
        assert any(call.startswith(step) for call in met), f"nothing failed at {step}"
