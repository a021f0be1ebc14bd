"""The console in Debian's Chromium, over a real process with a real ledger.

`--screenshots FOLDER` has the tour write its pictures there (docs/console).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

READY_SECONDS = 120


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", default="", help="a folder that the tour of the console writes its pictures to")


@dataclass(frozen=True)
class Site:
    """Where the console is, and what its fleet is like."""

    url: str
    told: dict[str, Any]

    def key(self, name: str) -> str:
        return str(self.told["keys"][name])


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's program; where continuous integration runs, one that is missing is a failure."""
    found = shutil.which("chromium")
    if found is None:
        missing = "Chromium is not installed; on Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Site]:
    """A process that serves the console of a fleet of its own; each test that changes something has its own model."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = [sys.executable, "-m", "tests.browser.serving", str(tmp_path_factory.mktemp("fleet")), str(port)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the console's process ended before it served"
            yield Site(f"http://127.0.0.1:{port}/api/console", json.loads(line))
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Of this module alone: while Playwright is there an event loop runs in this thread, and no other can."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
