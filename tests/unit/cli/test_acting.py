"""Acting commands: one event, recorded as a person, with its entry printed; refusals are the governor's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState
from tests.unit.cli.conftest import Installation
from tests.unit.cli.fleet import SPEC_TEXT

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def up(governed: Installation) -> Installation:
    return governed


def model(installation: Installation, name: str = "minutes-a") -> ModelState:
    return installation.writer.state.model(name)


def last(installation: Installation, kind: str) -> str:
    """Who recorded the newest entry of a kind."""
    from runtime.ledger.log import Log

    with Log.open_read_only(installation.url) as log:
        return list(log.entries(kinds=[kind]))[-1].principal


def test_an_approval_is_given_by_the_person_of_the_settings(run: Run, up: Installation) -> None:
    size = up.writer.state.size
    result = run("approve", "minutes-a", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    expected = f"entry {size}: minutes-a: approval of version 3 given by user:ada: looked at and agreed\n"
    assert result.stdout == expected
    assert model(up).version(3).status is Status.APPROVED


def test_who_acts_can_be_named(run: Run, up: Installation) -> None:
    assert run("approve", "minutes-a", "3", "--as", "user:bob", "--reason", "tested by hand").exit_code == 0
    assert last(up, "approval_given") == "user:bob"


@pytest.mark.parametrize("principal", ["bob", "service:governor", "user:", "user:a b"])
def test_only_a_person_acts_at_the_command_line(principal: str, run: Run, up: Installation) -> None:
    size = up.writer.state.size
    result = run("approve", "minutes-a", "3", "--as", principal)
    assert result.exit_code == 2
    assert "user:NAME" in result.stderr
    assert up.writer.state.size == size


def test_who_registered_a_version_may_not_approve_it(run: Run, up: Installation) -> None:
    result = run("approve", "minutes-a", "3", "--as", "user:dora")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1
    assert "who registered a version may not approve it" in result.stderr
    assert model(up).version(3).status is Status.AWAITING_APPROVAL


def test_a_rejected_version_is_refused_with_its_reason(run: Run, up: Installation) -> None:
    assert run("reject", "minutes-a", "3", "--reason", "too slow on Mondays").exit_code == 0
    version = model(up).version(3)
    assert (version.status, version.reason) == (Status.REFUSED, "too slow on Mondays")


@pytest.mark.parametrize("reason", [[], ["--reason", " "]], ids=["none", "blank"])
@pytest.mark.parametrize(
    "command",
    [["reject", "minutes-a", "3"], ["rollback", "minutes-a"], ["suspend", "minutes-a"], ["resume", "minutes-a"]],
    ids=lambda command: command[0],
)
def test_what_takes_something_away_needs_a_reason(command: list[str], reason: list[str], run: Run) -> None:
    assert run(*command, *reason).exit_code == 2


def test_a_rollback_goes_to_the_champion_before(run: Run, up: Installation) -> None:
    result = run("rollback", "minutes-a", "--reason", "complaints")
    assert result.exit_code == 0
    assert "rolled back from version 2 to version 1 by user:ada: complaints" in result.stdout
    assert model(up).champion == 1


def test_a_rollback_to_a_version_that_never_was_champion_is_refused(run: Run, up: Installation) -> None:
    result = run("rollback", "minutes-a", "--to", "3", "--reason", "complaints")
    assert result.exit_code == 3
    assert "former champions are [1]" in result.stderr
    assert model(up).champion == 2


def test_a_rollback_needs_a_champion_and_one_before_it(run: Run) -> None:
    assert "it has no champion" in run("rollback", "minutes-b", "--reason", "r").stderr
    assert run("rollback", "minutes-a", "--reason", "r").exit_code == 0
    again = run("rollback", "minutes-a", "--reason", "r")
    assert again.exit_code == 3
    assert "version 1 is its first champion" in again.stderr


def test_a_model_is_suspended_and_resumed_again_and_again(run: Run, up: Installation) -> None:
    for _ in range(2):
        assert run("suspend", "minutes-a", "--reason", "strike").exit_code == 0
        assert model(up).suspended
        assert run("resume", "minutes-a", "--reason", "strike is over").exit_code == 0
        assert not model(up).suspended


def test_resuming_what_was_not_suspended_is_refused(run: Run) -> None:
    result = run("resume", "minutes-a", "--reason", "r")
    assert result.exit_code == 3
    assert "it is not suspended" in result.stderr


def test_acting_on_an_unknown_model_names_it(run: Run) -> None:
    result = run("suspend", "minutes-z", "--reason", "r")
    assert (result.exit_code, result.stderr) == (1, "fleetward: no model is named 'minutes-z'\n")


def test_a_spec_that_is_applied_already_changes_nothing(run: Run, up: Installation, tmp_path: Path) -> None:
    file, size = tmp_path / "spec.yaml", up.writer.state.size
    file.write_text(SPEC_TEXT)
    result = run("apply", "-f", str(file))
    assert result.exit_code == 0
    assert "applied already; nothing changed" in result.stdout
    assert up.writer.state.size == size


def test_a_changed_spec_is_applied_and_so_is_the_former_one_again(run: Run, up: Installation, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    for text, tier in ((SPEC_TEXT.replace("medium", "high"), "high"), (SPEC_TEXT, "medium")):
        file.write_text(text)
        assert run("apply", "-f", str(file)).exit_code == 0
        assert up.writer.state.spec("minutes-{route}").risk_tier.value == tier


def test_a_spec_that_is_wrong_is_refused_with_its_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC_TEXT.replace("medium", "mediun"))
    result = run("apply", "-f", str(file))
    assert result.exit_code == 1
    assert f"{file}:7: risk_tier: got 'mediun'" in result.stderr
