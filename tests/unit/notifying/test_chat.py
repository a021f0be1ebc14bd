"""Mail and chat through apprise, against a real server: its own URLs, out of a file that nobody else can read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.domain.errors import SettingsError
from runtime.ledger.errors import KeyUnusable
from runtime.notifying.message import trial
from runtime.notifying.subscriptions import Channel
from runtime.notifying.webhook import Undelivered
from tests.unit.domain.lives import MONDAY
from tests.unit.notifying.conftest import Server

pytest.importorskip("apprise", reason="an extra: fleetward[notify]")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of what apprise imports


def channel(file: Path, text: str) -> Channel:
    file.write_text(text)
    file.chmod(0o600)
    return Channel.model_validate({"name": "chat", "apprise_file": str(file), "timeout": "10s"})


def send(channel: Channel) -> None:
    from runtime.notifying.chat import AppriseSender

    async def sending() -> None:
        sender = AppriseSender(channel)
        try:
            await sender.send(trial("none", MONDAY, "user:ada"), 0.0)
        finally:
            await sender.close()

    asyncio.run(sending())


def test_a_message_says_what_by_whom_and_why(server: Server, tmp_path: Path) -> None:
    send(channel(tmp_path / "urls", f"# the team\njson://127.0.0.1:{server.port}/take\n"))
    (message,) = server.taken("take")
    assert message["title"] == "[info] Fleetward: fleet"
    assert message["message"] == "a test: nothing has happened | by user:ada | because: asked for"


def test_a_service_that_does_not_take_it_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match="a service did not take it"):
        send(channel(tmp_path / "urls", f"json://127.0.0.1:{server.port}/fail"))


def test_a_url_that_apprise_does_not_know_is_named_by_its_place_and_not_by_its_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="URL 1") as caught:
        send(channel(tmp_path / "urls", "carrierpigeon://user:hunter2@loft"))
    assert "hunter2" not in str(caught.value)


def test_a_file_of_urls_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_to_all = channel(tmp_path / "urls", "json://127.0.0.1/take")
    (tmp_path / "urls").chmod(0o644)
    with pytest.raises(KeyUnusable, match="expected 0600"):
        send(open_to_all)
