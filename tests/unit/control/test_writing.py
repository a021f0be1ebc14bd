"""Commands over HTTP: recorded as whoever asks, once, against the revision they saw; refusals are the governor's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runtime.control.commands import COMMANDS
from runtime.domain import events as e
from runtime.domain.events import ModelSuspended
from runtime.domain.lifecycle import Status
from runtime.domain.tokens import Role
from tests.unit.cli.fleet import SPEC_TEXT
from tests.unit.control.ground import Asker, Ground, problem_of

Keyed = Callable[[str | None], Asker]
APPROVE = "models/minutes-a/versions/3/approve"


def recorded(answer: httpx.Response) -> Any:
    """What an accepted command was answered."""
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(ground: Ground, since: int) -> list[str]:
    return [entry.kind for entry in ground.log.entries(since)]


def test_an_approval_is_recorded_as_whoever_asks_and_told_of_at_once(ada: Asker, ground: Ground) -> None:
    size = ground.size
    told = recorded(ada.post(APPROVE, {"reason": "tested by hand"}))
    assert told["entry"] == size
    assert told["sentence"] == "minutes-a: approval of version 3 given by user:ada: tested by hand"
    assert ground.writer.state.models["minutes-a"].version(3).status is Status.APPROVED
    assert not ada.told("approvals")["items"]


def test_a_refusal_says_why_and_stands_in_the_ledger(ada: Asker, ground: Ground) -> None:
    size = ground.size
    answer = ada.post("models/minutes-a/resume", {"reason": "mended"})
    assert "refused: it is not suspended" in problem_of(answer, 409)
    assert answer.json()["reason"] == "it is not suspended"
    assert kinds(ground, size) == ["command_refused"]


def test_whoever_registered_a_version_may_not_approve_it(ground: Ground, runner: asyncio.Runner) -> None:
    dora = Asker(ground, runner, name="dora")
    assert "who registered a version may not approve it" in problem_of(dora.post(APPROVE, {}), 403)


def test_nobody_acts_as_a_service(ground: Ground, runner: asyncio.Runner) -> None:
    told = recorded(Asker(ground, runner, name="service:governor").post("models/minutes-a/suspend", {"reason": "x"}))
    (entry,) = ground.log.entries(told["entry"], 1)
    assert entry.principal == "user:service:governor"


def test_a_command_against_an_old_revision_is_refused(ada: Asker, ground: Ground) -> None:
    seen = ada.get("models/minutes-a").headers["etag"]
    ground.record(ModelSuspended(model="minutes-a", reason="drift"))
    answer = ada.post(APPROVE, {}, match=seen)
    assert "its newest entry is" in problem_of(answer, 412)
    assert ground.writer.state.models["minutes-a"].version(3).status is Status.AWAITING_APPROVAL
    fresh = ada.get("models/minutes-a").headers["etag"]
    accepted = ada.post(APPROVE, {}, match=fresh)
    assert accepted.headers["etag"] == ada.get("models/minutes-a").headers["etag"] != fresh


def test_of_two_who_decide_on_one_revision_the_second_is_told(ground: Ground, runner: asyncio.Runner) -> None:
    """Whichever comes first: the writer judges them one by one."""
    ada, bob = Asker(ground, runner), Asker(ground, runner, name="bob")
    seen = {"if-match": ada.get("models/minutes-a").headers["etag"]}

    async def both() -> list[httpx.Response]:
        paths = (APPROVE, APPROVE.replace("approve", "reject"))
        asked = [each.asked("POST", path, {"reason": "so"}, seen) for each, path in zip((ada, bob), paths, strict=True)]
        return await asyncio.gather(*asked)

    assert sorted(answer.status_code for answer in runner.run(both())) == [200, 412]


@pytest.mark.parametrize("match", ["17", 'W/"17"', '"x"', '"1", "2"'])
def test_a_revision_that_is_none_is_said(match: str, ada: Asker) -> None:
    assert "header if-match" in problem_of(ada.post(APPROVE, {}, match=match), 400)


def test_a_command_sent_again_with_its_key_happens_once_and_is_answered_the_same(ada: Asker, ground: Ground) -> None:
    first = ada.post(APPROVE, {"reason": "good"}, key="k-1")
    size = ground.size
    again = ada.post(APPROVE, {"reason": "good"}, key="k-1")
    assert recorded(again) == recorded(first)
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert ground.size == size


@pytest.mark.parametrize(
    ("path", "body"),
    [(APPROVE, {"reason": "other"}), ("models/minutes-a/suspend", {"reason": "good"})],
    ids=["another body", "another command"],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_key_is_of_one_command(path: str, body: dict[str, str], restarted: bool, ada: Asker, ground: Ground) -> None:
    recorded(ada.post(APPROVE, {"reason": "good"}, key="k-1"))
    size = ground.size
    if restarted:
        ground.begin()
    assert "another command came with that key before" in problem_of(ada.post(path, body, key="k-1"), 422)
    assert ground.size == size


def test_a_key_counts_after_the_api_has_restarted(ada: Asker, ground: Ground) -> None:
    first = recorded(ada.post("models/minutes-a/holds", {"reason": "case 7"}, key="k-1"))
    ground.begin()
    again = ada.post("models/minutes-a/holds", {"reason": "case 7"}, key="k-1")
    assert recorded(again) == first
    assert again.headers["idempotent-replayed"] == "true"
    assert len(ground.writer.state.holds) == 1


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("specs", {"spec": SPEC_TEXT.replace("medium", "low")}, {"spec": SPEC_TEXT.replace("medium", "high")}),
        (
            "commands",
            {"event": {"kind": "model_suspended", "model": "minutes-a", "reason": "x"}},
            {"event": {"kind": "model_suspended", "model": "minutes-a", "reason": "y"}},
        ),
        ("tokens", {"name": "crew", "roles": ["client"]}, {"name": "crew", "roles": ["auditor"]}),
    ],
)
def test_after_a_restart_too_a_key_is_of_what_was_said_with_it(
    path: str, body: dict[str, Any], other: dict[str, Any], ada: Asker, ground: Ground
) -> None:
    first = recorded(ada.post(path, body, key="k-1"))
    size = ground.size
    ground.begin()
    again = recorded(ada.post(path, body, key="k-1"))
    assert (again["entry"], again.get("key")) == (first["entry"], None)
    ground.begin()
    problem_of(ada.post(path, other, key="k-1"), 422)
    assert ground.size == size


def test_keys_of_two_people_are_two(ground: Ground, runner: asyncio.Runner) -> None:
    body, path = {"reason": "case 7"}, "models/minutes-a/holds"
    for name in ("ada", "bob"):
        recorded(Asker(ground, runner, name=name).post(path, body, key="k-1"))
    assert [hold.by for hold in ground.writer.state.holds.values()] == ["user:ada", "user:bob"]


def test_the_same_command_twice_at_once_happens_once(ada: Asker, ground: Ground, runner: asyncio.Runner) -> None:
    async def both() -> list[httpx.Response]:
        key = {"idempotency-key": "k-1"}
        body = {"reason": "case 7"}
        return await asyncio.gather(*(ada.asked("POST", "models/minutes-a/holds", body, key) for _ in range(5)))

    answers = [recorded(answer) for answer in runner.run(both())]
    assert answers == [answers[0]] * 5
    assert len(ground.writer.state.holds) == 1


def test_a_refused_command_may_be_tried_again_with_its_key(ada: Asker, ground: Ground) -> None:
    assert ada.post("models/minutes-a/resume", {"reason": "mended"}, key="k-1").status_code == 409
    ground.record(ModelSuspended(model="minutes-a", reason="drift"))
    recorded(ada.post("models/minutes-a/resume", {"reason": "mended"}, key="k-1"))


def test_a_lost_answer_is_asked_for_again(ada: Asker, ground: Ground) -> None:
    ground.away = True
    lost = ada.post("models/minutes-a/holds", {"reason": "case 7"}, key="k-1")
    assert "send it again with the same Idempotency-Key" in problem_of(lost, 503)
    ground.away = False
    told = recorded(ada.post("models/minutes-a/holds", {"reason": "case 7"}, key="k-1"))
    assert told["sentence"].startswith("minutes-a: ")
    assert len(ground.writer.state.holds) == 1


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("models/minutes-a/versions/3/reject", {"reason": "no"}, "version_refused"),
        ("models/minutes-a/rollback", {"reason": "worse"}, "rolled_back"),
        ("models/minutes-a/rollback", {"reason": "worse", "to": 1}, "rolled_back"),
        ("models/minutes-a/suspend", {"reason": "drift"}, "model_suspended"),
        ("models/minutes-b/retire", {"reason": "over", "notice": "0d", "successor": "minutes-a"}, "model_retired"),
        ("models/minutes-a/retire", {"reason": "over", "notice": "7d"}, "retirement_announced"),
        ("models/minutes-a/versions/2/revoke", {"reason": "wrong"}, "approval_revoked"),
        ("models/minutes-a/versions/2/review", {"found": "fit", "reason": "looked"}, "model_reviewed"),
        ("models/minutes-a/versions/3/break-glass", {"reason": "storm", "valid_for": "2h"}, "break_glass_opened"),
        ("capacity", {"models": 3, "every": "1d", "reason": "cost"}, "retraining_budget_set"),
        ("models/minutes-a/holds", {"reason": "case 7"}, "legal_hold_placed"),
        ("budget", {"false_alarms": 3, "reason": "calm"}, "monitoring_budget_set"),
        ("pools/default", {"replicas": "1-4", "cpus": 0.5}, "pool_configured"),
        ("roles/give", {"principal": "user:bob", "role": "approver", "reason": "new"}, "role_given"),
        ("tokens", {"name": "crew", "roles": ["client"], "models": ["minutes-*"], "lasts": "30d"}, "token_created"),
        ("specs", {"spec": SPEC_TEXT.replace("medium", "low")}, "spec_applied"),
        ("commands", {"event": {"kind": "model_suspended", "model": "minutes-a", "reason": "x"}}, "model_suspended"),
    ],
)
def test_what_people_want_is_an_entry(path: str, body: dict[str, Any], kind: str, ada: Asker, ground: Ground) -> None:
    told = recorded(ada.post(path, body))
    (entry,) = ground.log.entries(told["entry"], 1)
    assert (entry.kind, entry.principal) == (kind, "user:ada")
    assert told["event_id"] == entry.event_id


def test_a_spec_that_is_applied_already_changes_nothing(ada: Asker, ground: Ground) -> None:
    size = ground.size
    told = recorded(ada.post("specs", {"spec": SPEC_TEXT}))
    assert (told["entry"], told["spec"], ground.size) == (None, "minutes-{route}", size)


def test_a_spec_comes_as_yaml_or_as_its_document(ada: Asker) -> None:
    document = ada.told("specs/minutes-{route}")["document"]
    assert recorded(ada.post("specs", {"spec": document}))["entry"] is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"answer": "acknowledged"}, "acknowledged"),
        ({"answer": "snoozed", "snooze": "7d"}, "snoozed"),
        ({"answer": "snoozed", "snooze": "2014-01-01"}, "snoozed"),
        ({"answer": "dismissed"}, "dismissed"),
    ],
)
def test_a_finding_is_answered(said: dict[str, str], expected: str, ada: Asker) -> None:
    (found,) = ada.told("findings")["items"]
    recorded(ada.post(f"findings/{found['finding'][:8]}/answer", {**said, "reason": "looked"}))
    assert ada.told(f"findings/{found['finding']}")["standing"] == expected


def test_a_rollout_is_ended_by_people(ada: Asker, ground: Ground) -> None:
    assert "none is running" in problem_of(ada.post("models/minutes-a/rollout/abort", {"reason": "no"}), 409)
    recorded(ada.post(APPROVE, {}))
    step = e.Step(stage=e.Stage.CANARY, share=0.1, decisions=5)
    ground.record(e.RolloutStarted(model="minutes-a", version=3, steps=(step,)), "service:operator")
    assert [each["version"] for each in ada.told("rollouts")["items"]] == [3]
    recorded(ada.post("models/minutes-a/rollout/pause", {"reason": "wait"}))
    recorded(ada.post("models/minutes-a/rollout/resume", {"reason": "go on"}))
    recorded(ada.post("models/minutes-a/rollout/abort", {"reason": "no"}))
    assert ground.writer.state.models["minutes-a"].rollout is None


def test_a_policy_is_proposed_by_one_and_put_in_force_by_another(ground: Ground, runner: asyncio.Runner) -> None:
    ada, bob = Asker(ground, runner), Asker(ground, runner, name="bob")
    policy = "kind: policy\nname: calm\nabout: fewer alarms\nspecs: ['minutes-*']\nretrain: {snooze: 10d}\n"
    told = recorded(ada.post("policies", {"policy": policy, "reason": "calmer"}))
    (waiting,) = ada.told("policies")["items"]
    assert (waiting["standing"], waiting["waiting"]["digest"]) == ("proposed", told["digest"])
    assert "a second person must agree" in problem_of(ada.post("policies/calm/approve", {"reason": "mine"}), 409)
    recorded(bob.post("policies/calm/approve", {"reason": "agreed"}))
    assert ada.told("policies")["items"][0]["standing"] == "in force"
    assert "no proposal of it waits" in problem_of(bob.post("policies/calm/reject", {"reason": "late"}), 404)


def test_a_hold_is_released_by_its_number(ada: Asker) -> None:
    recorded(ada.post("models/minutes-a/holds", {"reason": "case 7"}))
    recorded(ada.post("holds/1/release", {"reason": "closed"}))
    (hold,) = ada.told("holds")["items"]
    assert hold["released"] == "closed"
    assert "no such hold is in force" in problem_of(ada.post("holds/1/release", {"reason": "closed"}), 409)


def test_a_new_key_is_shown_once_and_good_at_once(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    root = asker(ground.key("root", Role.ADMIN))
    told = recorded(root.post("tokens", {"name": "eve", "roles": ["auditor"]}))
    eve = asker(told["key"])
    assert eve.told("whoami")["principal"] == "user:eve"
    assert told["key"] not in root.get("tokens").text
    recorded(root.post(f"tokens/{told['token']}/revoke", {"reason": "lost"}))
    assert "was revoked" in problem_of(eve.get("whoami"), 401)


def test_a_person_does_what_their_roles_allow_and_no_more(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    approver, operator = asker(ground.key("eve", Role.APPROVER)), asker(ground.key("otto", Role.OPERATOR))
    size = ground.size
    refused = problem_of(approver.post("models/minutes-a/suspend", {"reason": "x"}), 403)
    assert "it needs the role operator; held: ['approver']" in refused
    assert kinds(ground, size) == ["command_refused"]
    recorded(operator.post("models/minutes-a/suspend", {"reason": "x"}))
    recorded(approver.post(APPROVE, {}))


def test_who_proves_nothing_reaches_no_governor(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    problem_of(asker(None).post(APPROVE, {}), 401)
    assert ground.handed_in == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        (APPROVE, {"reason": " "}, 422, "body reason: got ' '"),
        (APPROVE, {"why": "x"}, 422, "body why"),
        (APPROVE, [], 422, "body"),
        ("models/minutes-a/suspend", {}, 422, "body reason: got nothing"),
        ("models/nobody/suspend", {"reason": "x"}, 404, "no model is named 'nobody'"),
        ("models/a b/suspend", {"reason": "x"}, 422, "body.model: got 'a b'"),
        ("models/minutes-a/versions/x/approve", {}, 422, "path version"),
        ("models/minutes-b/rollback", {"reason": "x"}, 409, "it has no champion"),
        ("pools/default", {}, 422, "at least one option"),
        ("pools/default", {"replicas": "4-1"}, 422, "body.options.replicas"),
        ("tokens", {"name": "x", "roles": ["governor"]}, 422, "body roles.0"),
        ("tokens", {"name": "x", "roles": ["client"], "lasts": "soon"}, 422, "body lasts"),
        ("specs", {"spec": "kind: nothing"}, 422, "body.spec"),
        ("specs", {"spec": {"kind": "model"}}, 422, "body.spec"),
        ("commands", {"event": {"kind": "nonsense"}}, 422, "body.event"),
        ("findings/zz/answer", {"answer": "dismissed", "reason": "x"}, 404, "no finding is meant"),
    ],
)
def test_what_is_no_command_is_said(path: str, body: Any, status: int, told: str, ada: Asker, ground: Ground) -> None:
    size = ground.size
    assert told in problem_of(ada.post(path, body), status)
    assert set(kinds(ground, size)) <= {"command_refused"}


def test_a_body_that_is_too_large_is_refused_unread(ada: Asker, ground: Ground) -> None:
    problem_of(ada.post("specs", {"spec": "x" * (1 << 20)}), 413)
    assert ground.handed_in == 0


def test_every_command_has_a_name_and_a_path_of_its_own() -> None:
    assert len({command.name for command in COMMANDS}) == len({command.path for command in COMMANDS}) == len(COMMANDS)
