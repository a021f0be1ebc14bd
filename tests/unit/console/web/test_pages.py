"""Every page of the console: of a fleet that lives, of one that has nothing yet, and of one with a thousand models."""

from __future__ import annotations

import pytest

from tests.unit.console.web.ground import Browser

PAGES = (
    "/",
    "/models/air-a",
    "/models/air-a/versions/1",
    "/approvals",
    "/findings",
    "/findings?show=all",
    "/rollouts",
    "/decisions",
    "/ledger",
    "/ledger/0",
    "/inventory",
    "/cluster",
    "/access",
)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_there(path: str, browser: Browser) -> None:
    page = browser.page(path)
    assert "<main" in page
