"""Where models are answered: pools, what their replicas get, and the fleet's counts."""

from __future__ import annotations

from runtime.console.web.desk import Desk, Page


async def page(desk: Desk) -> Page:
    """Pools by name, and counts over the whole ledger."""
    pools = await desk.api.get("/v1/pools")
    values = {"pools": pools["items"], "fleet": await desk.api.get("/v1/fleet")}
    return Page("cluster.html.j2", "Cluster", "Cluster", values, pools["size"])
