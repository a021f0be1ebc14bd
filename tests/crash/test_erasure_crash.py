"""kill -9 of an erasure before each of its steps: never an entry whose key lives, and the next run finishes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DONE = ["subject_erasure_ordered", "subject_erased"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One for each step at which the erasure was killed; of the last one it came to its end."""
    command = [sys.executable, "-m", "tests.crash.erasing", str(tmp_path_factory.mktemp("erasing"))]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_it_was_killed_before_every_step_and_only_then(runs: list[dict[str, Any]]) -> None:
    assert [run["ended"] for run in runs[:-1]] == [signal.SIGKILL] * (len(runs) - 1)
    assert runs[-1]["ended"] == 0
    found = {(tuple(run["after"]["kinds"]), run["after"]["keys"] > 0) for run in runs}
    assert found == {((), True), ((DONE[0],), True), ((DONE[0],), False), (tuple(DONE), False)}


def test_no_entry_says_erased_while_a_file_holds_the_key(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert "subject_erased" not in run["after"]["kinds"] or run["after"]["keys"] == 0, run


def test_the_next_run_finishes_what_was_begun_and_records_it_once(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["finally"]["kinds"] == DONE, run
        assert run["finally"]["keys"] == 0, run
        assert run["finally"]["files"] == ["erasing.lock", "master.key"], run


def test_only_an_erasure_that_left_nothing_is_not_found_again(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["again"] in ({0} if run["after"]["kinds"] != DONE else {0, 1000}), run
