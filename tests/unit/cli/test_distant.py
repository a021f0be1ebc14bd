"""A command line that reaches a fleet by its URL: the same answers as beside the ledger, as whoever its key is of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from typer.testing import Result

from runtime.domain.tokens import Role
from runtime.serving.authentication.credential import write_credential
from tests.unit.control.ground import Ground
from tests.waiting import wait_until

Run = Callable[..., Result]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """The fleet of the other tests, governed elsewhere: the settings' own folder knows nothing of it."""
    (tmp_path / "elsewhere").mkdir()
    ground = Ground(tmp_path / "elsewhere")
    yield ground
    ground.close()


@pytest.fixture
def url(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mounted = Starlette(routes=[Mount("/api", ground.application)])
    config = uvicorn.Config(mounted, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    monkeypatch.setenv("FLEETWARD_URL", url)
    yield url
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("model", "minutes-a"),
        ("findings",),
        ("pools",),
        ("history",),
        ("history", "minutes-a", "--kind", "version_promoted"),
        ("models", "--as-of", "20"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_answers_are_those_of_the_ledger_itself(
    arguments: tuple[str, ...], form: str, url: str, ground: Ground, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_http = run(*arguments, "-o", form)
    assert over_http.exit_code == 0, over_http.stderr
    monkeypatch.delenv("FLEETWARD_URL")
    beside = run(*arguments, "-o", form, "--database", ground.url)
    assert over_http.stdout == beside.stdout


def test_a_decision_is_recorded_there(url: str, ground: Ground, run: Run) -> None:
    size = ground.size
    result = run("approve", "minutes-a", "3", "--reason", "tested")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"entry {size}: minutes-a: approval of version 3 given by user:anonymous: tested\n"


def test_a_fleet_can_be_named_on_the_line(url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEETWARD_URL")
    result = run("--url", url, "models", "-o", "json")
    assert result.exit_code == 0, result.stderr
    assert "minutes-a" in result.stdout


def test_exit_codes_say_who_said_no(
    ground: Ground, run: Run, home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.authenticate()
    approver = ground.key("eve", Role.APPROVER)
    request.getfixturevalue("url")
    nobody = run("models")
    assert (nobody.exit_code, nobody.stderr.startswith("fleetward: authentication is required")) == (4, True)
    (home / "keys").mkdir(exist_ok=True)
    write_credential(home / "keys" / "credential", approver)
    assert run("suspend", "minutes-a", "--reason", "drift").exit_code == 3
    assert run("resume", "minutes-a", "--reason", "mended").exit_code == 3
    assert run("model", "nobody").exit_code == 1
    done = run("approve", "minutes-a", "3")
    assert done.exit_code == 0, done.stderr
    assert "given by user:eve" in done.stdout
    monkeypatch.setenv("FLEETWARD_URL", "http://127.0.0.1:9")
    assert run("models").exit_code == 5


def test_a_fleet_of_another_version_is_refused(url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.cli import distant

    monkeypatch.setattr(distant, "FORMAT", "of other code")
    result = run("models")
    assert result.exit_code == 1
    assert "runs another version of Fleetward" in result.stderr


def test_no_secret_of_a_key_leaves_the_fleet(ground: Ground, url: str, run: Run, answer: Callable[..., Any]) -> None:
    ground.key("root", Role.ADMIN)
    (token,) = answer("token", "list")
    assert token["name"] == "root"
    assert "secret" not in token
