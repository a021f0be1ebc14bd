"""What waits for people's consent: the challenger's gates beside the champion's, and two buttons."""

from __future__ import annotations

from typing import Any

from runtime.console.web.api import ApiRefused
from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.domain import events as e

_SHOWN = 20
_MOVES = {"approve": e.ApprovalGiven, "reject": e.VersionRefused}


async def page(desk: Desk) -> Page:
    """The queue, those registered first in front."""
    told = await desk.api.get("/v1/approvals")
    only = desk.asked("model")
    queue = [each for each in told["items"] if only in {"", each["model"]}]
    shown = [each | await _compared(desk, each) for each in queue[:_SHOWN]]
    for each in shown:
        own = each["registered_by"] == desk.visitor.principal
        agreed = desk.visitor.principal in each["approvers"]
        each["why_not"] = (
            "You registered it: somebody else must approve." if own else "You have agreed." if agreed else ""
        )
        each["seat"] = _seat(desk, each)
    values = {
        "queue": shown,
        "all": len(queue),
        "only": only,
        "may_reject": desk.visitor.may(e.VersionRefused),
    }
    return Page("approvals.html.j2", "Approvals", "Approvals", values, told["size"])


async def act(desk: Desk, fields: Fields) -> Acted:
    """Approve or reject, with a reason."""
    model, version, move = desk.part("model"), desk.part("version"), fields.get("move", "")
    if move not in _MOVES:
        raise FormRefused(f"{move[:20]!r} is no answer to a version that waits")
    path = f"/v1/models/{in_path(model)}/versions/{version}/{move}"
    body: dict[str, Any] = {"reason": fields.get("reason", "")}
    if move == "approve":
        body |= {"card": "card" in fields, "role": fields.get("role") or None}
    told = await command(desk, path, body, fields)
    return Acted(entry_of(told), "approvals")


def _seat(desk: Desk, waiting: dict[str, Any]) -> str:
    """The role in which the visitor could agree: one of those that are still asked; empty where there is none."""
    return next((role for role in waiting["missing"] if role in desk.visitor.roles), "")


async def _compared(desk: Desk, waiting: dict[str, Any]) -> dict[str, Any]:
    """Both reports, gate by gate and metric by metric."""
    path = f"/v1/models/{in_path(waiting['model'])}/versions"
    challenger = await _report(desk, f"{path}/{waiting['version']}")
    champion = None if waiting["champion"] is None else await _report(desk, f"{path}/{waiting['champion']}")
    mine, theirs = (report or {"metrics": {}, "gates": []} for report in (challenger, champion))
    theirs_by = {gate["gate"]: gate for gate in theirs["gates"]}
    return {
        "gate_rows": [(gate, theirs_by.get(gate["gate"])) for gate in mine["gates"]],
        "metric_rows": [(name, value, theirs["metrics"].get(name)) for name, value in sorted(mine["metrics"].items())],
        "comparison": mine.get("comparison"),
        "tested_rows": mine.get("rows"),
    }


async def _report(desk: Desk, path: str) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] | None = (await desk.api.get(path))["report"]
    except ApiRefused:
        return None
    return report
