"""A recorded decision at the command line: its inputs by name, opened where a data subject's key can be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from runtime.domain.decision import Decision
from runtime.domain.ids import derived_id
from runtime.ledger.log import Log
from runtime.storage.keyring import Keyring
from tests.unit.domain.lives import MODEL, MONDAY, SCHEMA
from tests.unit.evidence.conftest import Installation

Run = Callable[..., Result]
Answer = Callable[..., Any]
PLAIN, NAMED, ADA = derived_id("decision", 1), derived_id("decision", 2), "ada@example.org"
INPUTS = dict.fromkeys(SCHEMA.numbers, 12.5) | dict.fromkeys(SCHEMA.texts, "UA")


@pytest.fixture
def keyring(home: Path, installed: Installation) -> Keyring:
    """Where the settings look for it."""
    return Keyring.create(home / "keys" / "subjects", installed.clock)


@pytest.fixture
def installed(home: Path) -> Iterator[Installation]:
    clock: list[Installation] = []
    with Log.open(f"sqlite:///{home / 'ledger.db'}", lambda: clock[0].clock() if clock else MONDAY) as log:
        made = Installation(home, log)
        clock.append(made)
        made.served()
        yield made


@pytest.fixture
def decided(installed: Installation, keyring: Keyring) -> Installation:
    """A decision that names nobody and one about a data subject, of two rows each, under a checkpoint."""
    named = keyring.key(MODEL, ADA).protect(decision_of(installed, NAMED))
    installed.seal(decision_of(installed, PLAIN), named)
    installed.publish()
    return installed


def decision_of(made: Installation, decision_id: str) -> Decision:
    """Its second row has a gap and a flag of its own."""
    numbers: tuple[list[float | None], ...] = tuple([12.5, float("nan")] for _ in SCHEMA.numbers)
    texts: tuple[list[str | None], ...] = tuple(["UA", None] for _ in SCHEMA.texts)
    flags = ("@1 override:value:missing:hour", "version_named")
    return replace(made.decide(decision_id, rows=2), numbers=numbers, texts=texts, flags=flags)


def test_a_decision_is_shown_with_its_inputs_by_name(decided: Installation, answer: Answer) -> None:
    found = answer("decision", PLAIN, "--offline")
    assert (found["decision_id"], found["model"], found["version"], found["caller"]) == (PLAIN, MODEL, 1, "planning")
    first, second = found["rows"]
    assert (first["inputs"], first["values"], first["output"]) == ("clear", INPUTS, 321.5)
    assert first["flags"] == ["version_named"]
    assert second["flags"] == ["missing on hour fired: value", "version_named"]
    assert second["values"] == dict.fromkeys(SCHEMA.numbers, "NaN") | dict.fromkeys(SCHEMA.texts)


def test_who_holds_the_keys_reads_what_was_sealed_for_a_data_subject(
    decided: Installation, keyring: Keyring, run: Run, answer: Answer
) -> None:
    found = answer("decision", NAMED, "--offline")
    assert found["subject"] == keyring.key(MODEL, ADA).pseudonym
    first, second = found["rows"]
    assert (first["inputs"], first["values"]) == ("opened", INPUTS)
    assert second["values"] == answer("decision", PLAIN, "--offline")["rows"][1]["values"]
    shown = run("decision", NAMED, "--offline")
    assert "12.5" in shown.stdout
    assert "opened with its key" in shown.stderr


def test_who_has_no_keys_sees_the_decision_without_its_inputs(decided: Installation, home: Path, run: Run) -> None:
    shutil.rmtree(home / "keys" / "subjects")
    shown = run("decision", NAMED, "--offline")
    assert shown.exit_code == 0, shown.stderr
    assert "row 0: 321.5" in shown.stdout
    assert "12.5" not in shown.stdout
    assert "the keys in FLEETWARD_SUBJECTS cannot be read here" in shown.stderr


def test_after_an_erasure_nobody_reads_the_inputs(
    decided: Installation, keyring: Keyring, run: Run, answer: Answer
) -> None:
    (name,) = keyring.names(MODEL, ADA)
    keyring.destroy(MODEL, ADA, name.pseudonym)
    rows = answer("decision", NAMED, "--offline")["rows"]
    assert [(row["inputs"], row["values"], row["output"]) for row in rows] == [
        ("erased", None, 321.5),
        ("erased", None, 322.5),
    ]
    assert "erased with their data subject's key" in run("decision", NAMED, "--offline").stderr


def test_an_id_of_no_decision_says_so(decided: Installation, run: Run) -> None:
    shown = run("decision", derived_id("decision", 9), "--offline")
    assert shown.exit_code != 0
    assert "no sealed segment under the checkpoint holds it" in shown.stderr
