"""Behind the prefix of a pool a replica finds the paths it knows; what is not behind it stays as it is."""

import asyncio
from typing import Any

import pytest

from runtime.domain.pools import mount_of
from runtime.serving.mount import mounted


def path_seen(pool: str, path: str, kind: str = "http") -> str:
    """The path that the application behind the mount is asked for."""
    seen: list[str] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    scope = {"type": kind, "path": path}
    asyncio.run(mounted(application, mount_of(pool))(scope, None, None))  # type: ignore[arg-type]
    assert scope == {"type": kind, "path": path}, "the server's own scope is left alone"
    return seen[0]


@pytest.mark.parametrize(
    ("pool", "path", "seen"),
    [
        ("default", "/v2/models/m/infer", "/v2/models/m/infer"),
        ("fast", "/pools/fast/v2/models/m/infer", "/v2/models/m/infer"),
        ("fast", "/pools/faster/v2", "/pools/faster/v2"),
        ("dedicated-m", "/v2/models/m/infer", "/v2/models/m/infer"),
        ("dedicated-m", "/v2/models/m/-/v1/models/m:predict", "/v1/models/m:predict"),
        ("dedicated-m", "/v2/models/m/-", "/v2/models/m/-"),
    ],
)
def test_a_path_behind_the_mount_is_the_one_a_replica_knows(pool: str, path: str, seen: str) -> None:
    assert path_seen(pool, path) == seen


def test_only_http_has_paths() -> None:
    assert path_seen("fast", "/pools/fast/v2", "websocket") == "/pools/fast/v2"
