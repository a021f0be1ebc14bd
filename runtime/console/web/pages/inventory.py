"""The inventory: what models there are, whose, for what, and how risky; as a table and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from starlette.responses import Response

from runtime.console.web.desk import Desk, Page

COLUMNS = ("model", "spec", "owner", "contact", "purpose", "risk_tier", "task", "standing", "champion", "versions")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def page(desk: Desk) -> Page:
    """By model."""
    lines, size = await _lines(desk)
    return Page("inventory.html.j2", "Inventory", "Inventory", {"lines": lines}, size)


async def download(desk: Desk) -> Response:
    """The same as a file (RFC 4180)."""
    lines, _ = await _lines(desk)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(line[name]) for name in COLUMNS] for line in lines)
    told = {"content-disposition": 'attachment; filename="inventory.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=told)


async def _lines(desk: Desk) -> tuple[list[dict[str, Any]], int]:
    told = await desk.api.get("/v1/overview", as_of=desk.number("as_of"))
    return [line | told["specs"][line["spec"]] for line in told["items"]], told["size"]


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
