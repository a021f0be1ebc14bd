"""Policies at the command line: proposed by one, approved by another, listed, shown, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]
Answer = Callable[..., Any]
POLICY = """
kind: policy
name: cautious
about: fewer retrainings
retrain: {degraded_by: 50%}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def test_a_policy_is_in_force_once_a_second_person_agreed(
    governed: Installation, file: Path, run: Run, answer: Answer
) -> None:
    made = run("policy", "propose", "-f", str(file), "--reason", "winter")
    assert "fleet: policy cautious proposed" in made.stdout
    alone = run("policy", "approve", "cautious", "--reason", "me too")
    assert alone.exit_code
    assert "user:ada proposed it; a second person must agree" in alone.stderr
    assert run("policy", "approve", "cautious", "--reason", "yes", "--as", "user:bob").exit_code == 0
    (listed,) = answer("policy", "list")
    assert (listed["standing"], listed["in_force"]["approved_by"]) == ("in force", "user:bob")
    assert "degraded_by: 0.5" in run("policy", "show", "cautious").stdout


def test_the_difference_is_told_spec_by_spec_before_it_is_approved(
    governed: Installation, file: Path, run: Run, answer: Answer
) -> None:
    run("policy", "propose", "-f", str(file), "--reason", "winter")
    assert answer("policy", "diff", "cautious") == [
        {"spec": "minutes-{route}", "place": "retrain.degraded_by", "before": 0.1, "after": 0.5}
    ]


def test_a_name_that_nobody_proposed_is_told_with_those_that_are_known(governed: Installation, run: Run) -> None:
    missing = run("policy", "approve", "reckless", "--reason", "x")
    assert missing.exit_code
    assert "no policy is meant by 'reckless': known policies: none" in missing.stderr


def test_a_report_of_another_policy_is_no_evidence(
    governed: Installation, file: Path, run: Run, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    report.write_text('{"digest": "sha256:00"}')
    made = run("policy", "propose", "-f", str(file), "--reason", "winter", "--backtest", str(report))
    assert made.exit_code
    assert "it is of policy sha256:00" in made.stderr
