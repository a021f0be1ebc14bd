"""Who may do what: API keys and roles, and forms for admins."""

from __future__ import annotations

from typing import Any

from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.domain.tokens import GIVEN, Role, RoleGiven, RoleTaken, TokenCreated, TokenRevoked

_MOVES = ("give", "take")


async def page(desk: Desk) -> Page:
    """Keys and roles, for admins and auditors."""
    return await _page(desk)


async def create_key(desk: Desk, fields: Fields) -> Acted:
    """A new key, shown once."""
    body: dict[str, Any] = {
        "name": fields.get("name", ""),
        "roles": [role.value for role in sorted(GIVEN) if fields.get(f"role-{role.value}")],
        "models": fields.get("models", "").replace(",", " ").split(),
        "lasts": fields.get("lasts") or "90d",
    }
    told = await command(desk, "/v1/tokens", body, fields)
    return Acted(entry_of(told), "access", await _page(desk, told))


async def revoke_key(desk: Desk, fields: Fields) -> Acted:
    """A key is worth nothing from now on."""
    path = f"/v1/tokens/{in_path(desk.part('token'))}/revoke"
    told = await command(desk, path, {"reason": fields.get("reason", "")}, fields)
    return Acted(entry_of(told), "access")


async def change_role(desk: Desk, fields: Fields) -> Acted:
    """A person is given a role, or it is taken from them."""
    move = fields.get("move", "")
    if move not in _MOVES:
        raise FormRefused(f"{move[:20]!r} is nothing that is done to a role here")
    body = {name: fields.get(name, "") for name in ("principal", "role", "reason")}
    told = await command(desk, f"/v1/roles/{move}", body, fields)
    return Acted(entry_of(told), "access")


async def _page(desk: Desk, made: dict[str, Any] | None = None) -> Page:
    may_look = desk.visitor.holds(Role.ADMIN, Role.AUDITOR)
    values: dict[str, Any] = {"may_look": may_look, "made": made, "tokens": [], "roles": []}
    size = None
    if may_look:
        tokens = await desk.api.get("/v1/tokens")
        values |= {"tokens": tokens["items"], "roles": (await desk.api.get("/v1/roles"))["items"]}
        size = tokens["size"]
    values |= {
        "given": sorted(role.value for role in GIVEN),
        "may_create": desk.visitor.may(TokenCreated),
        "may_revoke": desk.visitor.may(TokenRevoked),
        "may_change": desk.visitor.may(RoleGiven, RoleTaken),
    }
    return Page("access.html.j2", "Access", "Access", values, size)
