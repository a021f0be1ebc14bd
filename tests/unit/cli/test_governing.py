"""Commands about how long a model may serve: each is a person's entry, and what follows is the policy's."""

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


def model(installation: Installation) -> ModelState:
    return installation.writer.state.model("minutes-a")


def test_a_renewal_asks_and_is_its_first_consent(run: Run, up: Installation) -> None:
    before = model(up).version(2).signed
    result = run("renew", "minutes-a", "--reason", "still good")
    assert result.exit_code == 0, result.stderr
    assert "version 2 is to serve for longer by user:ada: still good" in result.stdout
    assert "approval of version 2 given by user:ada" in result.stdout
    after = model(up).version(2).signed
    assert before is not None
    assert after is not None
    assert after.grant.valid_until > before.grant.valid_until


def test_a_renewal_that_policy_grants_asks_nobody(run: Run, up: Installation, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC_TEXT + "approval: {automatic_if: [all_gates_pass]}\n")
    assert run("apply", "-f", str(file)).exit_code == 0
    assert run("retire", "minutes-b", "--notice", "0d", "--reason", "r").exit_code == 0
    result = run("renew", "minutes-a", "1", "--reason", "in case")
    assert "its policy lets it serve for longer; nobody was asked" in result.stderr
    assert model(up).version(1).needed == 0


def test_what_may_not_serve_longer_is_said_by_reject(run: Run, up: Installation) -> None:
    assert run("renew", "minutes-a", "--reason", "r", "--as", "user:dora").exit_code != 0
    assert model(up).version(2).needed == 1, "who registered it may ask, and not agree"
    result = run("reject", "minutes-a", "2", "--reason", "too old", "--as", "user:ada")
    assert "version 2 is not to serve for longer by user:ada: too old" in result.stdout
    assert (model(up).version(2).status, model(up).version(2).needed) == (Status.CHAMPION, 0)


def test_a_revoked_version_holds_nothing(run: Run, up: Installation) -> None:
    result = run("revoke", "minutes-a", "2", "--reason", "recalled")
    assert result.exit_code == 0, result.stderr
    assert "approval of version 2 revoked by user:ada: recalled" in result.stdout
    assert model(up).version(2).grants == ()


def test_two_people_break_the_glass(run: Run, up: Installation) -> None:
    begun = run("break-glass", "minutes-a", "3", "--for", "90m", "--reason", "outage")
    assert begun.exit_code == 0, begun.stderr
    assert "for 1.5 h, once another person signs" in begun.stdout
    assert "it serves once another person signs" in begun.stderr
    assert "another person signs" in run("break-glass", "minutes-a", "3", "--sign", "--reason", "r").stderr
    signed = run("break-glass", "minutes-a", "3", "--sign", "--reason", "seen it", "--as", "user:bob")
    assert signed.exit_code == 0, signed.stderr
    assert model(up).champion == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "1h", "--sign"], "how long is said by who begins"),
        (["--for", "a while"], "no duration"),
        (["--for", "30s"], "between a minute and 30 days"),
    ],
)
def test_a_glass_that_cannot_be_meant_is_wrong_usage(options: list[str], words: str, run: Run) -> None:
    result = run("break-glass", "minutes-a", "3", "--reason", "r", *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_model_is_retired_after_a_notice_that_can_be_taken_back(run: Run, up: Installation) -> None:
    told = run("retire", "minutes-a", "--notice", "30d", "--successor", "minutes-b", "--reason", "route closed")
    assert told.exit_code == 0, told.stderr
    assert "model is to be retired in favour of minutes-b by user:ada, on " in told.stdout
    assert model(up).retiring is not None
    assert run("retire", "minutes-a", "--cancel", "--reason", "it stays").exit_code == 0
    assert model(up).retiring is None
    assert run("retire", "minutes-a", "--notice", "0d", "--reason", "now").exit_code == 0
    assert model(up).retired


def test_a_review_is_of_the_champion_by_somebody_else(run: Run, up: Installation) -> None:
    refused = run("review", "minutes-a", "--found", "fit", "--reason", "r", "--as", "user:dora")
    assert "who registered a version may not review it" in refused.stderr
    result = run("review", "minutes-a", "--found", "with-conditions", "--reason", "in summer", "--as", "user:ada")
    assert "version 2 reviewed and found fit for its use, with conditions by user:ada: in summer" in result.stdout
    review = model(up).review
    assert review is not None
    assert (review.version, review.by) == (2, "user:ada")


def test_conditions_and_roles_go_with_a_consent(run: Run, up: Installation) -> None:
    result = run("approve", "minutes-a", "3", "--condition", "in summer", "--condition", "by day", "--role", "approver")
    assert "on condition of in summer and by day" in result.stdout
    approval = model(up).version(3).approval
    assert approval is not None
    assert approval.conditions == ("in summer", "by day")
    assert "not auditor" in run("approve", "minutes-a", "3", "--role", "auditor").stderr


def test_a_policy_that_cannot_be_met_is_said_when_it_is_applied(
    run: Run, up: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC_TEXT + "approval: {otherwise: {role: chief}}\n")
    result = run("apply", "-f", str(file))
    assert result.exit_code != 0
    assert "approvers of the role 'chief' can never be found" in result.stderr
    file.write_text(SPEC_TEXT + "approval: {otherwise: {approvers: 2}}\n")
    monkeypatch.setenv("FLEETWARD_AUTHENTICATION", "required")
    result = run("apply", "-f", str(file))
    assert result.exit_code == 0, result.stderr
    assert "2 more of the role approver must be found: it is held by nobody" in result.stderr
