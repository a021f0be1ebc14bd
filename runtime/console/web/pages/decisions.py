"""One recorded decision: what was asked, what was answered, who let that version answer, and its passport."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from runtime.console.web.api import ApiRefused
from runtime.console.web.commanding import in_path
from runtime.console.web.desk import Desk, Page
from runtime.domain.tokens import Role


async def page(desk: Desk) -> Page:
    """Where an id is asked for; with one, the decision."""
    decision = desk.asked("id")
    return await _shown(desk, decision) if decision else _asked(desk)


async def one_page(desk: Desk) -> Page:
    """The decision named in the path."""
    return await _shown(desk, desk.part("decision"))


async def passport(desk: Desk) -> Response:
    """The passport as a file."""
    path = f"/v1/decisions/{in_path(desk.part('decision'))}/passport"
    told = await desk.api.fetch(path, version=desk.number("version"))
    kept = {name: told.headers[name] for name in ("content-disposition",) if name in told.headers}
    return Response(told.content, media_type="application/json", headers=kept)


def _asked(desk: Desk, problem: str = "", decision: str = "") -> Page:
    values = {
        "found": None,
        "problem": problem,
        "id": decision,
        "may_look": desk.visitor.holds(Role.AUDITOR),
    }
    return Page("decision.html.j2", "Decisions", "Decisions", values)


async def _shown(desk: Desk, decision: str) -> Page:
    version = desk.number("version")
    try:
        found = await desk.api.get(f"/v1/decisions/{in_path(decision)}", version=version)
    except ApiRefused as error:
        if error.needs_login:
            raise
        return _asked(desk, error.detail, decision)
    model = in_path(found["model"])
    by = await _or_none(desk, f"/v1/models/{model}/versions/{found['version']}")
    checked, broken = None, ""
    if desk.asked("verify"):
        try:
            checked = await desk.api.get(f"/v1/decisions/{in_path(decision)}/verification", version=version)
        except ApiRefused as error:
            broken = error.detail
    values = {
        "found": found,
        "problem": "",
        "id": decision,
        "may_look": True,
        "by": by,
        "checked": checked,
        "broken": broken,
        "version": version,
        "inputs": _columns(found["rows"]),
        "link": desk.with_query,
    }
    return Page("decision.html.j2", f"Decision {decision[:13]}", "Decisions", values, found["size"])


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """The names of inputs, where any row has them in the clear."""
    return next((list(row["values"]) for row in rows if row["values"] is not None), [])


async def _or_none(desk: Desk, path: str) -> Any:
    try:
        return await desk.api.get(path)
    except ApiRefused:
        return None
