"""What a pytest file of an owner's own is given, as a plugin of the process that it runs in.

    model   the packaged version, loaded from its artifact: ``model.predict(rows)``, ``model.schema``
    rows    the holdout's features by name, arrays of one length
    truth   what came of each row

The folder they come from stands in ``FLEETWARD_HANDED``; how the tests ended is written beside, as ``tests.json``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runtime.flavors.base import Column, Columns, Floats, Storable
from runtime.flavors.handed import Handed

FOLDER = "FLEETWARD_HANDED"
ENDED = "tests.json"
_SHOWN = 300

_ended: dict[str, Any] = {"passed": 0, "failed": []}


@pytest.fixture(scope="session")
def handed() -> Handed:
    """All that was handed over."""
    return Handed.read(Path(os.environ[FOLDER]))


@pytest.fixture(scope="session")
def model(handed: Handed) -> Storable:
    """The packaged version."""
    return handed.model()


@pytest.fixture
def rows(handed: Handed) -> Columns:
    """The holdout's features; a copy, so that a test may change it."""
    copies: dict[str, Column] = {name: column.copy() for name, column in handed.columns.items()}
    return copies


@pytest.fixture
def truth(handed: Handed) -> Floats:
    """What came of each row; of classes, the class's number."""
    return handed.truth.copy()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts what passed, and keeps why something did not."""
    if report.failed:
        _ended["failed"].append([report.nodeid.rpartition("::")[2], _reason(report)])
    elif report.when == "call" and report.passed:
        _ended["passed"] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be read is a failure too."""
    if report.failed:
        _ended["failed"].append([Path(report.nodeid).name, _reason(report)])


def pytest_sessionfinish() -> None:
    """Writes down how it ended."""
    (Path(os.environ[FOLDER]) / ENDED).write_text(json.dumps(_ended), encoding="utf-8")


def _reason(report: Any) -> str:
    """The line that says what was wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr).strip()
    line = text.splitlines()[0] if crash is not None and text else (text.splitlines() or [""])[-1]
    return line[:_SHOWN]
