"""Who gets in, what they are shown, and whose forms are believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.console.web.sessions import COOKIE, IDLE_SECONDS, LASTS_SECONDS, Sessions
from runtime.domain import events as e
from runtime.domain.tokens import Role
from tests.unit.console.fleets import Fleet, artifact, day
from tests.unit.console.web.ground import Browser, Served, hidden_of

Of = Callable[[Served], Browser]


@pytest.fixture
def found(young: Fleet) -> str:
    """A finding that waits."""
    young.find("air-a", e.FindingKind.PERFORMANCE, day(4))
    return list(young.writer.state.findings)[-1]


def test_whoever_has_not_logged_in_is_asked_to_and_gets_where_they_wanted(guarded: Served, browser_of: Of) -> None:
    browser, key = browser_of(guarded), guarded.key("vera", Role.AUDITOR)
    answer = browser.get("/models/air-a?as_of=9")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/api/console/login?next=models/air-a%3Fas_of%3D9",
    )
    page = browser.page("/login?next=models/air-a%3Fas_of%3D9")
    answer = browser.send(page, "/login", credential=key)
    assert answer.headers["location"] == "/api/console/models/air-a?as_of=9"
    assert "vera" in browser.page("/")


@pytest.mark.parametrize("then", ["//evil.example/", "https://evil.example", "/\\evil.example", "\\\\evil.example"])
def test_a_login_leads_nowhere_else(then: str, guarded: Served, browser_of: Of) -> None:
    browser = browser_of(guarded)
    fields = hidden_of(browser.page("/login"), "/login") | {
        "next": then,
        "credential": guarded.key("vera", Role.AUDITOR),
    }
    assert browser.post("/login", fields).headers["location"] == "/api/console/"


def test_the_cookie_is_for_the_browser_alone_and_says_nothing_of_the_key(guarded: Served, browser_of: Of) -> None:
    browser, key = browser_of(guarded), guarded.key("vera", Role.AUDITOR)
    told = browser.log_in(key).headers["set-cookie"]
    assert told.startswith(f"{COOKIE}=")
    assert "HttpOnly" in told
    assert "SameSite=strict" in told
    assert "Path=/api/console" in told
    assert key not in told
    assert key.split(".")[1] not in told


def test_a_wrong_key_is_told_and_none_is_let_in(guarded: Served, browser_of: Of) -> None:
    browser = browser_of(guarded)
    answer = browser.log_in("aaaaaaaaaaaaaaaa.nonsense")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert browser.get("/").status_code == 303


def test_a_login_gives_another_cookie_than_the_one_before(guarded: Served, browser_of: Of) -> None:
    browser = browser_of(guarded)
    browser.page("/login")
    before = browser.cookies[COOKIE]
    browser.log_in(guarded.key("vera", Role.AUDITOR))
    assert browser.cookies[COOKIE] != before


def test_after_logging_out_the_cookie_is_worth_nothing(guarded: Served, browser_of: Of) -> None:
    browser = browser_of(guarded)
    browser.log_in(guarded.key("vera", Role.AUDITOR))
    kept = browser.cookies[COOKIE]
    browser.send(browser.page("/"), "/logout")
    browser.cookies.set(COOKIE, kept, domain="fleet", path="/api/console")
    assert browser.get("/").status_code == 303


def test_a_form_that_was_not_made_here_is_refused_and_changes_nothing(
    served: Served, found: str, browser_of: Of
) -> None:
    browser = browser_of(served)
    path = f"/findings/{found}"
    fields = hidden_of(browser.page(path), path) | {"answer": "dismissed", "reason": "nothing to see"}
    size = served.fleet.writer.state.size
    forged = [
        browser.post(path, fields | {"form_key": "0" * 64}),
        browser.post(path, {name: value for name, value in fields.items() if name != "form_key"}),
        browser.post(path, fields, {"origin": "https://evil.example"}),
        browser.post(path, fields, {"sec-fetch-site": "cross-site"}),
        browser_of(served).post(path, fields),
    ]
    assert [answer.status_code for answer in forged] == [403] * 5
    assert served.fleet.writer.state.size == size
    assert browser.post(path, fields, {"origin": "http://fleet", "sec-fetch-site": "same-origin"}).status_code == 303


def test_another_sessions_form_is_refused(found: str, guarded: Served, browser_of: Of) -> None:
    grace, olga = browser_of(guarded), browser_of(guarded)
    grace.log_in(guarded.key("grace", Role.OPERATOR))
    olga.log_in(guarded.key("olga", Role.OPERATOR))
    path = f"/findings/{found}"
    fields = hidden_of(grace.page(path), path) | {"answer": "dismissed", "reason": "nothing to see"}
    assert olga.post(path, fields).status_code == 403


def test_whoever_may_not_is_shown_no_button_and_refused_by_the_governor(
    found: str, guarded: Served, browser_of: Of
) -> None:
    browser = browser_of(guarded)
    browser.log_in(guarded.key("vera", Role.AUDITOR))
    path = f"/findings/{found}"
    page = browser.page(path)
    assert f'action="/api/console{path}"' not in page
    fields = {"form_key": hidden_of(page, "/logout")["form_key"], "answer": "dismissed", "reason": "no"}
    answer = browser.post(path, fields)
    assert answer.status_code == 403
    assert "needs the role" in answer.text
    assert guarded.fleet.writer.state.findings[found].answered is None


def test_a_client_is_refused_a_page_in_words(guarded: Served, browser_of: Of) -> None:
    browser = browser_of(guarded)
    browser.log_in(guarded.key("app", Role.CLIENT, models=("air-*",)))
    assert "air-a" in browser.page("/")
    answer = browser.get("/approvals")
    assert answer.status_code == 403
    assert "it needs the role" in answer.text


def test_a_revoked_key_is_out_with_the_next_page(guarded: Served, browser_of: Of) -> None:
    vera, admin = browser_of(guarded), browser_of(guarded)
    vera.log_in(guarded.key("vera", Role.AUDITOR))
    admin.log_in(guarded.key("olga", Role.ADMIN))
    vera.page("/")
    token = next(name for name, known in guarded.fleet.writer.state.tokens.items() if known.key.name == "vera")
    path = f"/access/keys/{token}/revoke"
    assert admin.send(admin.page("/access"), path, reason="she left").status_code == 303
    assert vera.get("/").status_code == 303


def test_a_new_key_is_shown_once(guarded: Served, browser_of: Of) -> None:
    admin = browser_of(guarded)
    admin.log_in(guarded.key("olga", Role.ADMIN))
    answer = admin.send(admin.page("/access"), "/access/keys", name="newcomer", **{"role-auditor": "1"}, lasts="7d")
    assert answer.status_code == 200, answer.text
    key = answer.text.split('id="new-key">')[1].split("<")[0]
    assert key not in admin.page("/access")
    newcomer = browser_of(guarded)
    assert newcomer.log_in(key).status_code == 303
    assert "newcomer" in newcomer.page("/")


def test_an_answer_stands_in_the_ledger_with_its_reason_and_twice_sent_is_once_said(
    served: Served, found: str, browser_of: Of
) -> None:
    browser = browser_of(served)
    path = f"/findings/{found}"
    page = browser.page(path)
    first = browser.send(page, path, answer="snoozed", reason="until the season ends", snooze="14d")
    size = served.fleet.writer.state.size
    again = browser.send(page, path, answer="snoozed", reason="until the season ends", snooze="14d")
    assert first.headers["location"] == again.headers["location"] == f"/api/console{path}?done={size - 1}"
    assert served.fleet.writer.state.size == size
    answered = served.fleet.writer.state.findings[found].answered
    assert answered is not None
    assert (answered.answer, answered.reason) == ("snoozed", "until the season ends")
    assert "Recorded:" in browser.page(f"{path}?done={size - 1}")


def test_a_model_that_changed_since_it_was_seen_is_left_alone(served: Served, browser_of: Of) -> None:
    browser = browser_of(served)
    page = browser.page("/models/air-a")
    served.fleet.version("air-a", 2, artifact(2.0))
    answer = browser.send(page, "/models/air-a/act", move="suspend", reason="it looks odd")
    assert answer.status_code == 412
    assert not served.fleet.writer.state.models["air-a"].suspended
    assert (
        browser.send(browser.page("/models/air-a"), "/models/air-a/act", move="suspend", reason="odd").status_code
        == 303
    )
    assert served.fleet.writer.state.models["air-a"].suspended


def test_a_policy_comes_into_force_on_a_second_persons_word(guarded: Served, browser_of: Of) -> None:
    admin = guarded.key("olga", Role.ADMIN)
    document = {"kind": "policy", "name": "calmer", "about": "fewer retrainings", "retrain": {"snooze": "56d"}}
    first, second = browser_of(guarded), browser_of(guarded)
    first.log_in(admin)
    second.log_in(guarded.key("grace", Role.APPROVER))
    proposed = first.told("/v1/policies", {"policy": document, "reason": "too many retrainings"}, admin)
    assert proposed.status_code == 200, proposed.text
    assert "somebody else must agree" in first.page("/policies")
    answer = second.send(second.page("/policies"), "/policies/calmer", move="approve", reason="fine by me")
    assert answer.status_code == 303, answer.text
    assert "In force" in second.page("/policies")


def test_a_link_cannot_make_the_console_say_anything(served: Served, browser_of: Of) -> None:
    page = browser_of(served).page("/", done="call 555 for help")
    assert "555" not in page.split("<main")[1]


def test_where_nobody_must_log_in_the_page_says_so(served: Served, browser_of: Of) -> None:
    assert "Authentication is off" in browser_of(served).page("/")


def test_a_session_ends_by_itself() -> None:
    now = [0.0]
    sessions = Sessions(elapsed=lambda: now[0], most=2)
    first = sessions.begin("key-1")
    now[0] = IDLE_SECONDS - 1
    assert sessions.credential(first) == "key-1"
    now[0] += IDLE_SECONDS
    assert sessions.credential(first) is None
    kept = sessions.begin("key-2")
    begun = now[0]
    while now[0] - begun < LASTS_SECONDS - IDLE_SECONDS:
        now[0] += IDLE_SECONDS / 2
        assert sessions.credential(kept) == "key-2"
    now[0] = begun + LASTS_SECONDS
    assert sessions.credential(kept) is None
    names = [sessions.begin(f"key-{number}") for number in range(3)]
    assert [sessions.credential(name) for name in names] == [None, "key-1", "key-2"]
