"""What the control API tells: the ledger's state, a page at a time, to those who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.control import reading
from runtime.domain.events import ModelSuspended
from runtime.domain.tokens import Role, RoleGiven, RoleTaken, TokenRevoked
from tests.unit.control.ground import Asker, Ground, problem_of

Keyed = Callable[[str | None], Asker]


def walked(asker: Asker, path: str, limit: int, **params: Any) -> list[Any]:
    """All items, page after page."""
    items: list[Any] = []
    page = asker.told(path, limit=limit, **params)
    while True:
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        page = asker.told(path, limit=limit, cursor=page["next"], **params)


def test_the_fleet_in_numbers_is_the_state_of_all_entries(ada: Asker, ground: Ground) -> None:
    told = ada.told("fleet")
    assert (told["size"], told["models"], told["serving"], told["awaiting_approval"]) == (ground.size, 2, 1, 1)


def test_an_entry_that_was_just_committed_is_told_of_at_once(ada: Asker, ground: Ground) -> None:
    assert ada.told("models/minutes-a")["standing"] == "serving"
    seq = ground.record(ModelSuspended(model="minutes-a", reason="drift"))
    told = ada.told("models/minutes-a")
    assert (told["standing"], told["size"], told["seq"]) == ("suspended", seq + 1, seq)


def test_a_model_has_its_newest_entry_for_a_tag(ada: Asker, ground: Ground) -> None:
    answer = ada.get("models/minutes-a")
    assert answer.headers["etag"] == f'"{ground.writer.state.models["minutes-a"].seq}"'


def test_what_was_so_after_some_entries_can_be_asked(ada: Asker, ground: Ground) -> None:
    before = ground.size
    ground.record(ModelSuspended(model="minutes-a", reason="drift"))
    assert ada.told("models/minutes-a", as_of=before)["standing"] == "serving"
    assert ada.told("fleet", as_of=0)["models"] == 0
    assert "never held a state of 999 entries" in problem_of(ada.get("fleet", as_of=999), 404)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_of_models_give_each_once(limit: int, ada: Asker) -> None:
    assert [each["model"] for each in walked(ada, "models", limit)] == ["minutes-a", "minutes-b"]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_of_entries_give_each_once_newest_first(limit: int, ada: Asker, ground: Ground) -> None:
    assert [each["seq"] for each in walked(ada, "entries", limit)] == list(reversed(range(ground.size)))


def test_entries_of_a_kind_and_of_a_model_can_be_asked(ada: Asker) -> None:
    promoted = walked(ada, "entries", 10, kind="version_promoted", model="minutes-a")
    assert [each["event"]["version"] for each in promoted] == [2, 1]
    assert promoted[0]["sentence"].startswith("minutes-a: ")
    assert not walked(ada, "entries", 10, kind="version_promoted", model="minutes-b")


def test_a_rare_entry_is_found_a_stretch_at_a_time(ada: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SCANNED", 5)
    first = ada.told("entries", kind="governor_started")
    assert (first["items"], first["next"] is None) == ([], False)
    assert [each["seq"] for each in walked(ada, "entries", 10, kind="governor_started")] == [0]
    assert len(walked(ada, "entries", 2)) == first["size"]


def test_versions_that_wait_stand_in_the_queue_with_what_a_decision_needs(ada: Asker, ground: Ground) -> None:
    (waiting,) = ada.told("approvals")["items"]
    assert (waiting["model"], waiting["version"], waiting["needed"]) == ("minutes-a", 3, 1)
    assert waiting["registered_by"] == "user:dora"
    assert waiting["revision"] == ground.writer.state.models["minutes-a"].seq
    assert waiting["metrics"]["mae"] == 8.75


def test_findings_are_told_newest_first_with_their_standing(ada: Asker) -> None:
    (found,) = walked(ada, "findings", 1)
    assert (found["model"], found["version"]) == ("minutes-a", 2)
    assert ada.told(f"findings/{found['finding'][:8]}")["finding"] == found["finding"]
    assert walked(ada, "findings", 5, model="minutes-a") == [found]
    waits = [found] if found["standing"] in {"open", "acknowledged"} else []
    assert walked(ada, "findings", 5, waiting="true") == waits
    assert not walked(ada, "findings", 5, model="minutes-b")


def test_how_much_waits_is_counted(ada: Asker) -> None:
    findings = len(walked(ada, "findings", 5, waiting="true"))
    assert ada.told("waiting") == {"approvals": 1, "findings": findings, "incidents": 0, "rollouts": 0}


def test_who_answers_for_which_model_is_told_for_any_moment(ada: Asker, ground: Ground) -> None:
    lines = ada.told("inventory")["items"]
    assert [(each["model"], each["team"], each["risk_tier"]) for each in lines] == [
        ("minutes-a", "planning", "medium"),
        ("minutes-b", "planning", "medium"),
    ]
    assert [each["model"] for each in ada.told("inventory", as_of=3)["items"]] == ["minutes-a"]
    assert ada.told("inventory", as_of=0)["items"] == []


def test_specs_pools_and_versions_are_told(ada: Asker) -> None:
    (spec,) = ada.told("specs")["items"]
    assert (spec["spec"], spec["models"]) == ("minutes-{route}", 2)
    assert ada.told(f"specs/{spec['spec']}")["document"]["owner"]["team"] == "planning"
    assert [each["pool"] for each in ada.told("pools")["items"]] == ["default"]
    assert [each["number"] for each in ada.told("models/minutes-a/versions")["items"]] == [1, 2, 3]
    assert ada.told("models/minutes-a/versions/2")["status"] == "champion"


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("models/nobody", 404, "no model is named 'nobody'"),
        ("models/minutes-a/versions/9", 404, "no version 9"),
        ("models/minutes-a/versions/0", 422, "path version: got '0'"),
        ("findings/zzz", 404, "no finding is meant by 'zzz'"),
        ("entries/99999", 404, "the ledger never held entry 99999"),
        ("models?limit=0", 422, "query limit: got '0'"),
        ("models?limit=1001", 422, "query limit"),
        ("models?cursor=%25", 400, "what stood as next in the page before"),
        ("findings?cursor=bWludXRlcw", 400, "query cursor"),
        ("models?limits=3", 400, "query: got 'limits'; expected as_of, cursor, limit"),
        ("nothing", 404, "nothing is at GET /api/v1/nothing"),
    ],
)
def test_what_is_not_there_or_not_understood_is_said(path: str, status: int, told: str, ada: Asker) -> None:
    assert told in problem_of(ada.get(path), status)


def test_what_is_read_cannot_be_written(ada: Asker) -> None:
    answer = ada.post("fleet", {})
    assert answer.headers["allow"] == "GET"
    assert problem_of(answer, 405) == "nothing is at POST /api/v1/fleet"


def test_a_ledger_that_is_away_is_said_and_found_again(ada: Asker, ground: Ground) -> None:
    ground.ledger.close()
    ground.ledger._url = ground.url + "x"
    assert "no such file" in problem_of(ada.get("fleet"), 503)
    ground.ledger._url = ground.url
    assert ada.told("fleet")["size"] == ground.size


def test_who_proves_nothing_sees_nothing(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    for path in ("fleet", "models", "models/minutes-a", "entries", "tokens", "watch"):
        answer = asker(None).get(path)
        assert "the key is not valid" in problem_of(answer, 401) or "neither" in answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer realm=")


def test_a_client_sees_the_models_of_its_key_and_no_more(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    client = asker(ground.key("crew", Role.CLIENT, models=("minutes-a",)))
    assert [each["model"] for each in client.told("models")["items"]] == ["minutes-a"]
    assert client.told("models/minutes-a")["champion"] == 2
    there, nowhere = client.get("models/minutes-b"), client.get("models/nobody")
    assert problem_of(there, 403).replace("minutes-b", "nobody") == problem_of(nowhere, 403)
    assert "it needs the role" in problem_of(client.get("findings"), 403)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.OPERATOR, Role.APPROVER, Role.ADMIN, Role.AUDITOR])
def test_roles_see_what_they_work_with(role: Role, ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    somebody = asker(ground.key("eve", role))
    assert somebody.told("whoami")["roles"] == [role.value]
    assert somebody.get("findings").status_code == 200
    assert somebody.get("entries").status_code == (200 if role is Role.AUDITOR else 403)
    assert somebody.get("tokens").status_code == (200 if role in {Role.AUDITOR, Role.ADMIN} else 403)


def test_keys_and_roles_are_those_of_the_ledger_at_once(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    key = ground.key("eve", Role.CLIENT)
    eve = asker(key)
    assert "it needs the role auditor" in problem_of(eve.get("entries"), 403)
    ground.record(RoleGiven(principal="user:eve", role=Role.AUDITOR, reason="audit"), "user:root")
    assert eve.get("entries").status_code == 200
    ground.record(RoleTaken(principal="user:eve", role=Role.AUDITOR, reason="over"), "user:root")
    assert eve.get("entries").status_code == 403
    ground.record(TokenRevoked(token=key.partition(".")[0], reason="lost"), "user:root")
    assert "was revoked" in problem_of(eve.get("models"), 401)


def test_a_quota_is_kept(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    eve = asker(ground.key("eve", Role.AUDITOR, per_second=1))
    assert eve.get("whoami").status_code == 200
    answer = eve.get("whoami")
    assert "over its quota" in problem_of(answer, 429)
    assert answer.headers["retry-after"] == "1"


def test_no_secret_of_a_key_is_told(ground: Ground, asker: Keyed) -> None:
    ground.authenticate()
    admin = asker(ground.key("root", Role.ADMIN))
    (token,) = admin.told("tokens")["items"]
    assert (token["name"], token["state"], token["roles"]) == ("root", "live", ["admin"])
    assert "secret" not in token


def test_what_there_is_can_be_folded_before_anybody_asks(ground: Ground) -> None:
    ground.control.standing.warm()
    assert ground.control.standing._state.size == ground.size
    ground.ledger.close()
    ground.ledger._url += "x"
    ground.control.standing.warm()
