"""Pages of the web console: each asks the control API as the one who looks, and shows what it was told.

``PAGES`` are what a browser gets, ``ACTIONS`` what a form does, ``DOWNLOADS`` what is saved as a file; each by its
path below the console.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from runtime.console.web.desk import Act, Desk, MakePage
from runtime.console.web.pages import (
    access,
    approvals,
    cluster,
    decisions,
    findings,
    fleet,
    inventory,
    ledger,
    models,
    policies,
    rollouts,
)

Download = Callable[[Desk], Awaitable[Response]]

PAGES: Mapping[str, MakePage] = {
    "/": fleet.page,
    "/models/{model}": models.page,
    "/models/{model}/versions/{version:int}": models.version_page,
    "/approvals": approvals.page,
    "/findings": findings.page,
    "/findings/{finding}": findings.one_page,
    "/rollouts": rollouts.page,
    "/decisions": decisions.page,
    "/decisions/{decision}": decisions.one_page,
    "/ledger": ledger.page,
    "/ledger/{seq:int}": ledger.one_page,
    "/inventory": inventory.page,
    "/policies": policies.page,
    "/cluster": cluster.page,
    "/access": access.page,
}

ACTIONS: Mapping[str, Act] = {
    "/models/{model}/act": models.act,
    "/approvals/{model}/{version:int}": approvals.act,
    "/findings/{finding}": findings.act,
    "/rollouts/{model}": rollouts.act,
    "/policies/{policy}": policies.act,
    "/access/keys": access.create_key,
    "/access/keys/{token}/revoke": access.revoke_key,
    "/access/roles": access.change_role,
}

DOWNLOADS: Mapping[str, Download] = {
    "/inventory.csv": inventory.download,
    "/decisions/{decision}/passport": decisions.passport,
}
