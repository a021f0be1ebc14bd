"""Policies over specs: what is in force, what is proposed, and the word of a second person."""

from __future__ import annotations

from typing import Any

from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.domain.policies import PolicyApproved, PolicyRejected

_MOVES = {"approve": PolicyApproved, "reject": PolicyRejected}


async def page(desk: Desk) -> Page:
    """By name."""
    told = await desk.api.get("/v1/policies")
    values = {
        "policies": [each | {"own": _own(desk, each)} for each in told["items"]],
        "may": {move for move, event in _MOVES.items() if desk.visitor.may(event)},
    }
    return Page("policies.html.j2", "Policies", "Policies", values, told["size"])


async def act(desk: Desk, fields: Fields) -> Acted:
    """Put the proposal that was seen in force, or turn it down."""
    name, move, digest = desk.part("policy"), fields.get("move", ""), fields.get("digest", "")
    if move not in _MOVES:
        raise FormRefused(f"{move[:20]!r} is no answer to a policy")
    waiting = {each["name"]: each["waiting"] for each in (await desk.api.get("/v1/policies"))["items"]}.get(name)
    if waiting is None or waiting["digest"] != digest:
        raise FormRefused(f"the proposal of {name} that you saw waits no more: load the page again")
    told = await command(desk, f"/v1/policies/{in_path(name)}/{move}", {"reason": fields.get("reason", "")}, fields)
    return Acted(entry_of(told), "policies")


def _own(desk: Desk, policy: dict[str, Any]) -> bool:
    """Whether the visitor proposed what waits: then somebody else must agree."""
    return policy["waiting"] is not None and policy["waiting"]["proposed_by"] == desk.visitor.principal
