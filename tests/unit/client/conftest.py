"""The control API behind a real server on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.unit.control.ground import Ground
from tests.waiting import wait_until


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """The fleet's story stands in the ledger."""
    ground = Ground(tmp_path)
    yield ground
    ground.close()


@pytest.fixture
def url(ground: Ground) -> Iterator[str]:
    """Where it answers, as Serve mounts it."""
    mounted = Starlette(routes=[Mount("/api", ground.application)])
    config = uvicorn.Config(
        mounted, host="127.0.0.1", port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
