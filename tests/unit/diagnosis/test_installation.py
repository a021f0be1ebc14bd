"""What `fleetward doctor` finds in a folder, a ledger and a store that are as they should be, and that are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.diagnosis.installation import examine
from runtime.diagnosis.symptoms import Health, Symptom, examined, fine, worst
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"FLEETWARD_HOME": str(tmp_path / "home")})


@pytest.fixture
def healthy(settings: Settings) -> Settings:
    settings.home.mkdir()
    Database.open_for_writing(settings.database, timedelta(seconds=5)).close()
    return settings


def of(settings: Settings, what: str) -> Symptom:
    [found] = [symptom for symptom in examine(settings) if symptom.what == what]
    return found


def test_an_installation_that_does_not_exist_yet_is_told_how_to_begin(settings: Settings) -> None:
    found = {symptom.what: symptom for symptom in examine(settings)}
    assert found["folder"].remedy == "run: fleetward up"
    assert found["ledger"].health is Health.FAIL
    assert all(symptom.remedy for symptom in found.values() if symptom.health is not Health.OK)


def test_the_store_is_left_as_it_was(healthy: Settings) -> None:
    assert of(healthy, "store").health is Health.OK
    assert not [path for path in Path(healthy.store).rglob("*") if path.is_file()]


def test_a_store_that_cannot_be_written_to_is_broken(healthy: Settings) -> None:
    Path(healthy.store).write_text("a file where the folder should be")
    found = of(healthy, "store")
    assert found.health is Health.FAIL
    assert "FLEETWARD_STORE" in found.remedy


def test_a_secret_that_others_can_read_is_broken_and_the_command_against_it_is_told(healthy: Settings) -> None:
    healthy.credential.parent.mkdir(mode=0o700)
    healthy.credential.write_text("authorization: Bearer hush")
    healthy.credential.chmod(0o644)
    found = of(healthy, "credential")
    assert found.health is Health.FAIL
    assert found.remedy == f"chmod 600 {healthy.credential}"
    assert "hush" not in found.told
    healthy.credential.chmod(0o600)
    assert of(healthy, "credential").health is Health.OK


def test_a_disk_that_is_nearly_full_is_told_before_it_is(healthy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_free(free: int) -> Callable[[Path], os.statvfs_result]:
        return lambda _path: type("Usage", (), {"free": free})()

    for free, health in ((100 << 30, Health.OK), (1 << 30, Health.WARN), (1 << 20, Health.FAIL)):
        monkeypatch.setattr("shutil.disk_usage", with_free(free))
        assert of(healthy, "disk").health is health


def test_records_that_wait_too_long_are_found(healthy: Settings) -> None:
    assert of(healthy, "records").health is Health.OK
    healthy.wal.mkdir()
    waiting = healthy.wal / "replica@1@1.wal"
    waiting.write_bytes(b"record")
    assert of(healthy, "records").health is Health.OK
    os.utime(waiting, (0, 0))
    assert of(healthy, "records").health is Health.WARN
    waiting.rename(waiting.with_suffix(".wal.damaged"))
    assert "damaged" in of(healthy, "records").told


def test_a_check_that_fails_is_a_symptom_and_hides_no_other() -> None:
    def failing() -> list[Symptom]:
        raise LedgerCorrupt(3, "is another")

    assert [each.health for each in examined("ledger", failing, "restore it")] == [Health.FAIL]
    assert worst([]) is Health.OK
    assert worst([fine("a", "b"), *examined("ledger", failing, "restore it")]) is Health.FAIL
