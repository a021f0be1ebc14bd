"""Who hears of what, and files that say it wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.errors import SpecError
from runtime.domain.verdict import Action, Verdict
from runtime.notifying.severity import Severity, severity_of
from runtime.notifying.subscriptions import KINDS, Subscription, load_notify
from tests.unit.domain.lives import MODEL, MONDAY, a_finding, digest

NOBODY: frozenset[str] = frozenset()


def takes(kind: str, found: Severity, model: str | None = MODEL, names: frozenset[str] = NOBODY, **said: Any) -> bool:
    return Subscription.model_validate({"to": "ops"} | said).takes(kind, found, model, names)


def test_without_kinds_it_is_to_all_that_asks_for_somebody() -> None:
    assert takes("finding_opened", Severity.WARNING)
    assert not takes("segment_sealed", Severity.INFO)
    assert takes("segment_sealed", Severity.INFO, severity="info")
    assert not takes("finding_opened", Severity.WARNING, severity="critical")


def test_kinds_are_patterns_and_then_any_severity_will_do() -> None:
    assert takes("rollout_advanced", Severity.INFO, kinds=["rollout_*"])
    assert not takes("finding_opened", Severity.WARNING, kinds=["rollout_*"])


def test_models_and_owners_must_fit_both() -> None:
    planning = frozenset({"planning"})
    assert takes("finding_opened", Severity.WARNING, MODEL, planning, models=["flight-*"], owners=["planning"])
    assert not takes("finding_opened", Severity.WARNING, MODEL, planning, models=["eta-*"])
    assert not takes("finding_opened", Severity.WARNING, MODEL, planning, owners=["billing"])
    assert not takes("incident_opened", Severity.CRITICAL, None, models=["*"])


def test_a_verdict_is_as_severe_as_what_it_asks_for() -> None:
    def reached(action: Action) -> e.VerdictReached:
        verdict = Verdict(action=action, reason="")
        return e.VerdictReached(finding="f", model=MODEL, verdict=verdict, policy=digest("p"), as_of=MONDAY)

    found = [severity_of(reached(action)) for action in (Action.NOTHING, Action.RETRAIN, Action.CALL_A_PERSON)]
    assert found == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]
    assert severity_of(a_finding()) is Severity.WARNING


def test_every_kind_of_entry_can_be_subscribed_to() -> None:
    assert {"finding_opened", "policy_proposed", "version_promoted"} <= KINDS


CHANNEL = "{name: ops, webhook: 'https://hooks.example.com/x', secret_file: /s}"


@pytest.mark.parametrize(
    ("text", "line", "place", "expected"),
    [
        ("channels: [{name: ops}]\nsubscriptions: [{to: ops}]", 1, "channels[0]", "either webhook"),
        (f"channels:\n- {CHANNEL}\nsubscriptions:\n- to: opps", 4, "subscriptions[0].to", "one of ops"),
        (
            f"channels:\n- {CHANNEL}\nsubscriptions:\n- to: ops\n  kinds: [nonsense]",
            5,
            "subscriptions[0].kinds",
            "a kind",
        ),
        (
            f"channels:\n- {CHANNEL}\nsubscriptions:\n- to: ops\n  sverity: info",
            5,
            "subscriptions[0].sverity",
            "a field",
        ),
        (
            "channels:\n- {name: a, webhook: 'https://u:p@x.example', secret_file: /s}\nsubscriptions: [{to: a}]",
            2,
            "channels[0].webhook",
            "without a password",
        ),
    ],
)
def test_a_wrong_file_is_told_by_line_place_and_what_was_expected(
    tmp_path: Path, text: str, line: int, place: str, expected: str
) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_notify(file)
    assert (caught.value.line, caught.value.path) == (line, place)
    assert expected in caught.value.expected
