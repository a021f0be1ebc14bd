"""The console as people use it: from a finding to an approval, a rollout and a passport; by keyboard; on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site

SERIOUS = {"serious", "critical"}
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 720}


def paths(site: Site) -> dict[str, str]:
    """Every page, by the name of its picture."""
    first, finding = site.told["first"], site.told["finding"]
    return {
        "fleet": "/",
        "model": f"/models/{site.told['lived']}",
        "version": f"/models/{first}/versions/1",
        "approvals": "/approvals",
        "findings": "/findings",
        "finding": f"/findings/{finding}",
        "rollouts": "/rollouts",
        "decision": f"/decisions/{site.told['decision']}?verify=1",
        "ledger": "/ledger",
        "entry": "/ledger/12",
        "inventory": "/inventory",
        "policies": "/policies",
        "cluster": "/cluster",
        "access": "/access",
    }


@contextmanager
def visit(browser: Browser, site: Site, name: str | None, **given: Any) -> Iterator[Page]:
    """A window of somebody who has logged in; nothing may be said to its console, and no request may fail."""
    context = browser.new_context(viewport=given.pop("viewport", WIDE), **given)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(site.url) else complaints.append(request.url))
    if name is not None:
        page.goto(f"{site.url}/login")
        page.get_by_label("Key", exact=True).fill(site.key(name))
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
    yield page
    context.close()
    assert not complaints


def test_pictures_of_the_tour(site: Site, browser: Browser, pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.getoption("--screenshots", default="")
    if not folder:
        pytest.skip("--screenshots FOLDER writes them")
    Path(folder).mkdir(parents=True, exist_ok=True)
    with visit(browser, site, "olga") as page:
        for name, path in paths(site).items():
            page.goto(site.url + path)
            page.screenshot(path=Path(folder) / f"{name}.png")
    with visit(browser, site, "olga", color_scheme="dark") as page:
        page.goto(site.url + paths(site)["model"])
        page.screenshot(path=Path(folder) / "model-dark.png")
    with visit(browser, site, "olga", viewport=PHONE) as page:
        page.goto(f"{site.url}/")
        page.screenshot(path=Path(folder) / "fleet-phone.png")


def test_from_a_finding_to_an_approval_a_rollout_and_a_passport(site: Site, browser: Browser, tmp_path: Path) -> None:
    waiting, rolling = site.told["waiting"][0], site.told["rolling"]
    with visit(browser, site, "grace") as page:
        page.get_by_role("link", name=re.compile("^Findings")).click()
        page.locator("#findings tbody a").first.click()
        expect(page.get_by_role("heading", name="Baseline and window")).to_be_visible()
        page.get_by_label("Why? It stands in the ledger.").fill("wind is up, as each June")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("status").first).to_contain_text("Recorded: entry")
        expect(page.get_by_text("acknowledged by user:grace")).to_be_visible()

        page.get_by_role("link", name=re.compile("^Approvals")).click()
        card = page.locator("section", has=page.get_by_role("link", name=waiting))
        card.get_by_label("Why? It stands in the ledger.").fill("its gates and slices are good")
        card.get_by_role("button", name="Approve version 2").click()
        expect(page.get_by_role("status").first).to_contain_text("Recorded: entry")
        page.goto(f"{site.url}/models/{waiting}/versions/2")
        expect(page.get_by_role("heading", level=1)).to_contain_text("approved")

        page.get_by_role("link", name=re.compile("^Rollouts")).click()
        card = page.locator("section", has=page.get_by_role("link", name=rolling))
        card.get_by_text("Act on this rollout").click()
        card.get_by_label("Why? It stands in the ledger.").fill("good enough, the season begins")
        card.get_by_role("button", name="Abort").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(rolling)
        expect(page.get_by_text("good enough, the season begins").first).to_be_visible()

        page.get_by_role("link", name="Decisions").click()
        page.get_by_label("Decision id, as it came with the answer").fill(site.told["decision"])
        page.get_by_role("button", name="Look up").click()
        page.get_by_role("link", name="Verify it").click()
        expect(page.get_by_text("It holds")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the passport").click()
        passport = tmp_path / "passport.json"
        download.value.save_as(passport)
        assert site.told["decision"] in passport.read_text()


def test_all_of_it_can_be_done_by_keyboard(site: Site, browser: Browser) -> None:
    with visit(browser, site, "grace") as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("g")
        page.keyboard.press("a")
        expect(page.get_by_role("heading", level=1)).to_have_text("Approvals")
        card = page.locator("section", has=page.get_by_role("link", name=site.told["waiting"][1]))
        card.get_by_label("Why? It stands in the ledger.").focus()
        page.keyboard.type("looked at and agreed, j and k are letters here")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("Recorded: entry")
        page.keyboard.press("g")
        page.keyboard.press("f")
        expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
        page.keyboard.press("/")
        page.keyboard.type(site.told["first"])
        expect(page.locator("#models tbody tr:not([hidden])")).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(site.told["first"])
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_page_follows_the_ledger_while_somebody_looks(site: Site, browser: Browser) -> None:
    with visit(browser, site, "vera") as looking, visit(browser, site, "grace") as acting:
        only = f"{site.url}/approvals?model={site.told['waiting'][2]}"
        looking.goto(only)
        expect(looking.locator("#live")).to_have_text("following the ledger")
        expect(looking.get_by_role("heading", level=2)).to_contain_text("version 2")
        acting.goto(only)
        acting.get_by_label("Why? It stands in the ledger.").fill("agreed")
        acting.get_by_role("button", name="Approve version 2").click()
        expect(looking.get_by_text("Nothing waits for anybody.")).to_be_visible(timeout=15_000)


def test_an_auditor_is_shown_no_button_that_changes_something(site: Site, browser: Browser) -> None:
    with visit(browser, site, "vera") as page:
        for path in paths(site).values():
            page.goto(site.url + path)
            forms = page.locator("main form[method=post]")
            expect(forms).to_have_count(0)


IN_LIGHT = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
IN_DARK = {"runOnly": ["color-contrast"]}
"""Nothing but the colours differs."""


@pytest.mark.parametrize(("scheme", "options"), [("light", IN_LIGHT), ("dark", IN_DARK)])
def test_no_page_has_a_serious_fault_for_those_who_hear_or_feel_it(
    scheme: Any, options: dict[str, Any], site: Site, browser: Browser
) -> None:
    with visit(browser, site, "olga", color_scheme=scheme) as page:
        found = {}
        for name, path in paths(site).items():
            page.goto(site.url + path)
            result = Axe().run(page, options=options)
            serious = [each for each in result.response["violations"] if each["impact"] in SERIOUS]
            found[name] = [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in serious]
        assert {name: faults for name, faults in found.items() if faults} == {}


def test_a_phone_never_scrolls_sideways(site: Site, browser: Browser) -> None:
    with visit(browser, site, "olga", viewport=PHONE) as page:
        for path in paths(site).values():
            page.goto(site.url + path)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path


def test_without_a_key_there_is_a_login_and_nothing_else(site: Site, browser: Browser) -> None:
    with visit(browser, site, None) as page:
        page.goto(f"{site.url}/models/{site.told['first']}?as_of=9")
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.get_by_label("Key", exact=True).fill(site.key("vera"))
        page.get_by_role("button", name="Log in").click()
        assert page.url.endswith(f"/models/{site.told['first']}?as_of=9")
