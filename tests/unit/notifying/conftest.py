"""A webhook's other end, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECEIVER = Path(__file__).with_name("receiver.py")


class Server:
    """See ``receiver``."""

    def __init__(self, process: subprocess.Popen[str], kept: Path) -> None:
        assert process.stdout is not None
        self._kept, self.port = kept, int(process.stdout.readline())

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def requests(self, path: str = "") -> list[dict[str, Any]]:
        if not self._kept.exists():
            return []
        found = [json.loads(line) for line in self._kept.read_text().splitlines()]
        return [each for each in found if not path or each["path"] == f"/{path}"]

    def taken(self, path: str) -> list[dict[str, Any]]:
        """CloudEvents that were answered with 204."""
        return [json.loads(each["body"]) for each in self.requests(path) if each["status"] == 204]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    kept = tmp_path / "requests.jsonl"
    with subprocess.Popen([sys.executable, str(RECEIVER), str(kept)], stdout=subprocess.PIPE, text=True) as process:
        yield Server(process, kept)
        process.kill()
