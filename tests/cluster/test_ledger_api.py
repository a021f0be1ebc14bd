"""The ledger's HTTP API on a cluster, beside a real governor: an outsider follows it with a public key alone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import ray

from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from runtime.ledger.note import Verifier
from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import environment
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def ledger(cluster: LocalCluster, home: Path) -> Iterator[httpx.Client]:
    """A governor and the API over its new ledger."""
    from ray import serve

    from actors.deploy import _keep
    from actors.governor import Governor
    from actors.ledger_api import begin_api, wait_for_api
    from actors.names import API, GOVERNOR
    from runtime.settings import Settings

    settings = Settings.from_environment(
        {"FLEETWARD_HOME": str(home), "FLEETWARD_PRINCIPAL": "user:test", "FLEETWARD_AUTHENTICATION": "none"}
    )
    with environment({**cluster.environment(), **settings.as_environment()}):
        governor: Any = _keep(Governor, GOVERNOR, settings)
        try:
            ray.get(governor.checkpoint.remote())
            begin_api(settings)
            wait_for_api()
            with httpx.Client(base_url=f"{cluster.serve_url}/api/v1/ledger", trust_env=False, timeout=30) as client:
                yield client
        finally:
            serve.delete(API)
            ray.kill(governor)


@pytest.fixture
def log_key(ledger: httpx.Client) -> Verifier:
    from actors.connect import governor

    vkey: str = ray.get(governor().vkey.remote())
    return Verifier.parse(vkey)


def record(number: int) -> None:
    from actors.connect import governor
    from actors.recording import record as recorded
    from runtime.domain.events import PartitionSkipped

    event = PartitionSkipped(spec="s", partition={"n": str(number)}, reason="few")
    recorded([event], "job:train", number)
    ray.get(governor().checkpoint.remote())


def test_an_outsider_checks_an_entry_and_the_growth_of_the_ledger(ledger: httpx.Client, log_key: Verifier) -> None:
    answer = ledger.get("/checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    first, _ = open_checkpoint(answer.content, [log_key])
    record(1)
    second, _ = open_checkpoint(ledger.get("/checkpoint").content, [log_key])
    assert second.size > first.size
    proof = ledger.get("/proof/inclusion", params={"seq": 0, "size": second.size}).json()
    hashes = [bytes.fromhex(each) for each in proof["hashes"]]
    entry = ledger.get("/entries/0").json()
    assert entry["leaf"] == proof["leaf"]
    assert verify_inclusion(leaf_hash(entry["leaf"].encode()), 0, second.size, hashes, second.root)
    grown = ledger.get("/proof/consistency", params={"from": first.size, "to": second.size}).json()
    path = [bytes.fromhex(each) for each in grown["hashes"]]
    assert verify_consistency(first.size, second.size, path, first.root, second.root)
    tile = ledger.get(f"/tile/0/000.p/{second.size}").content
    assert tile[:32] == leaf_hash(entry["leaf"].encode())


def test_what_is_not_there_is_a_problem_document(ledger: httpx.Client) -> None:
    answer = ledger.get("/entries/999")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "never held entry 999" in answer.json()["error"]


def test_the_ledger_is_read_while_the_governor_is_away(ledger: httpx.Client, log_key: Verifier) -> None:
    from actors.connect import governor

    summary = ray.get(governor().summary.remote())
    os.kill(summary.pid, signal.SIGSTOP)
    try:
        checkpoint, _ = open_checkpoint(ledger.get("/checkpoint").content, [log_key])
        assert checkpoint.size == summary.size
        assert ledger.get("/proof/inclusion", params={"seq": checkpoint.size - 1}).json()["size"] == checkpoint.size
    finally:
        os.kill(summary.pid, signal.SIGCONT)


def test_a_command_reaches_the_governor_through_its_death_and_whoever_watches_is_told_of_it(
    cluster: LocalCluster, ledger: httpx.Client
) -> None:
    """Over HAProxy, by the client that people have; the second command is sent while there is no governor."""
    from actors.connect import governor
    from runtime.client import Fleetward, RefusedByPolicy

    def skipped(number: int) -> dict[str, Any]:
        return {"event": {"kind": "partition_skipped", "spec": "s", "partition": {"n": str(number)}, "reason": "few"}}

    with Fleetward(cluster.serve_url, timeout_seconds=60) as fleet:
        first = fleet.command("/v1/commands", skipped(10))
        watched = fleet.watch(since=first.entry)
        assert next(watched).sentence == first.sentence
        os.kill(ray.get(governor().summary.remote()).pid, signal.SIGKILL)
        second = fleet.command("/v1/commands", skipped(11), key="sent-once")
        told = next(entry for entry in watched if entry.kind == "partition_skipped")
        assert (told.seq, told.principal) == (second.entry, "user:anonymous")
        assert fleet.command("/v1/commands", skipped(11), key="sent-once").entry == second.entry
        with pytest.raises(RefusedByPolicy, match="no such hold is in force"):
            fleet.command("/v1/holds/1/release", {"reason": "closed"})
        watched.close()


def test_a_governor_that_lost_its_ledger_comes_back_and_writes_on(ledger: httpx.Client, home: Path) -> None:
    """Its epoch is moved under it: it leaves, Ray starts it again, and it takes the lease."""
    import sqlite3

    from actors.connect import governor
    from actors.quiescence import ask

    before = ask(governor().summary.remote)
    database = home / "ledger.db"
    with sqlite3.connect(database) as behind:
        behind.execute("UPDATE leases SET epoch = epoch + 1")
    behind.close()
    wait_until(lambda: not psutil.pid_exists(before.pid), 30)
    after = ask(governor().summary.remote)
    assert after.pid != before.pid
    assert after.size == before.size + 1, "the entry of its start"


def test_a_governor_with_a_new_key_starts_only_where_the_earlier_one_is_named(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    from actors.deploy import _keep
    from actors.governor import Governor
    from actors.quiescence import NotStarted, ask
    from runtime.settings import Settings

    def governor(name: str, **more: str) -> Any:
        environment = {"FLEETWARD_HOME": str(tmp_path), "FLEETWARD_PRINCIPAL": "user:test", **more}
        return _keep(Governor, name, Settings.from_environment(environment))

    first = governor("first-key")
    old = ask(first.vkey.remote)
    ask(first.checkpoint.remote)
    ray.kill(first)
    key = str(tmp_path / "keys" / "new.pem")
    with pytest.raises(NotStarted, match=rf"FLEETWARD_TRUSTED_KEYS='' cannot be used; .*{old.split('+')[1]}"):
        ask(governor("unnamed-key", FLEETWARD_KEY=key).summary.remote)
    third = governor("named-key", FLEETWARD_KEY=key, FLEETWARD_TRUSTED_KEYS=old)
    try:
        published = ask(third.checkpoint.remote)
        new = ask(third.vkey.remote)
        assert published is not None
        assert new != old
        checkpoint, _ = open_checkpoint(published.note.encode(), [Verifier.parse(new)])
        assert checkpoint.size == published.size
    finally:
        ray.kill(third)


def test_the_console_is_served_beside_it_and_records_what_a_form_says(ledger: httpx.Client) -> None:
    base = str(ledger.base_url).removesuffix("/v1/ledger/")
    with httpx.Client(base_url=f"{base}/console", trust_env=False, timeout=30) as browser:
        page = browser.get("/access")
        assert page.status_code == 200, page.text
        assert browser.get("/static/console.js").status_code == 200
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
        role = {"principal": "user:ada", "role": "auditor", "reason": "she asked", "move": "give"}
        answer = browser.post("/access/roles", data=hidden | role, headers={"origin": base.removesuffix("/api")})
        assert answer.status_code == 303, answer.text
        assert "user:ada" in browser.get("/access").text
        with browser.stream("GET", "/live", params={"since": 0}) as events:
            assert next(line for line in events.iter_lines() if line.startswith("data: "))
