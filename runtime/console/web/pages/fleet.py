"""The fleet: every model in a line, searched, filtered, grouped and sorted by the query, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from runtime.console.web.desk import Desk, Page
from runtime.console.web.pictures import spark

SHOWN = 200
"""Lines of a page; the next ones are a link away, or all of them with ``show=all``."""
GROUPS = {"owner": "owner", "spec": "spec", "risk_tier": "tier", "health": "health"}
_RANK = {
    "suspended": 0,
    "calls a person": 1,
    "no champion": 2,
    "finding": 3,
    "awaits approval": 4,
    "rolling out": 5,
    "retraining": 6,
    "good": 7,
    "retired": 8,
}
TONES = {
    "suspended": "bad",
    "calls a person": "bad",
    "no champion": "warn",
    "finding": "warn",
    "awaits approval": "warn",
    "rolling out": "info",
    "retraining": "info",
    "good": "good",
}
_TIERS = {"high": 0, "medium": 1, "low": 2}
Line = dict[str, Any]
_SORTS: dict[str, Callable[[Line], Any]] = {
    "health": lambda line: (_RANK[line["health"]], line["model"]),
    "model": lambda line: line["model"],
    "owner": lambda line: (line["owner"], line["model"]),
    "tier": lambda line: (_TIERS.get(line["risk_tier"], 3), line["model"]),
    "traffic": lambda line: (-(line["rows_a_day"] or 0.0), line["model"]),
    "error": lambda line: (-_change(line), line["model"]),
    "findings": lambda line: (-line["waiting_findings"], -line["findings"], line["model"]),
}


async def page(desk: Desk) -> Page:
    """All models that the visitor may see."""
    told = await desk.api.get("/v1/overview", as_of=desk.number("as_of"))
    lines = [line | {"health": health(line)} for line in told["items"]]
    fitting = [line for line in lines if _fits(line, desk)]
    sort = desk.asked("sort") if desk.asked("sort") in _SORTS else "health"
    fitting.sort(key=_SORTS[sort])
    group = desk.asked("group") if desk.asked("group") in GROUPS else ""
    if group:
        fitting.sort(key=lambda line: str(line[group]))
    number, all_shown = max(desk.number("page") or 1, 1), desk.asked("show") == "all"
    pages = 1 if all_shown else max(-(-len(fitting) // SHOWN), 1)
    number = min(number, pages)
    shown = fitting if all_shown else fitting[(number - 1) * SHOWN : number * SHOWN]
    for line in shown:
        line["spark"] = spark(line["alarms"])
        line["change"] = _change(line) if line["error"] and line["error"]["recent"] is not None else None
    values = {
        "cards": _cards(lines),
        "groups": _grouped(shown, group),
        "all": len(lines),
        "fitting": len(fitting),
        "first": (number - 1) * SHOWN + 1 if shown else 0,
        "number": number,
        "pages": pages,
        "asked": {name: desk.asked(name) for name in ("q", "health", "tier", "owner", "as_of", "show")}
        | {"sort": sort, "group": group},
        "healths": sorted({line["health"] for line in lines}, key=_RANK.__getitem__),
        "owners": sorted({line["owner"] for line in lines}),
        "tiers": sorted({line["risk_tier"] for line in lines}, key=lambda tier: _TIERS.get(tier, 3)),
        "sorts": list(_SORTS),
        "group_names": GROUPS,
        "tones": TONES,
        "link": desk.with_query,
        "until": told["until"],
        "weeks": told["weeks"],
    }
    return Page("fleet.html.j2", "Fleet", "Fleet", values, told["size"])


def health(line: Line) -> str:
    """How a model stands, in the one word that matters most to whoever looks after it."""
    if line["standing"] in {"retired", "suspended"}:
        return str(line["standing"])
    if line["calls_a_person"]:
        return "calls a person"
    if line["awaiting_approval"]:
        return "awaits approval"
    if line["standing"] == "no champion":
        return "no champion"
    if line["waiting_findings"]:
        return "finding"
    if line["rollout"]:
        return "rolling out"
    return "retraining" if line["retraining"] else "good"


def _fits(line: Line, desk: Desk) -> bool:
    text = " ".join((line["model"], line["owner"], line["spec"], *line["partition"].values())).lower()
    return (
        all(word in text for word in desk.asked("q").lower().split())
        and desk.asked("health") in {"", line["health"]}
        and desk.asked("tier") in {"", line["risk_tier"]}
        and desk.asked("owner") in {"", line["owner"]}
    )


def _change(line: Line) -> float:
    """How much larger the recent error is than the tested one, as a share."""
    error = line["error"]
    if not error or error["recent"] is None or not error["tested"]:
        return 0.0
    return float(error["recent"] / error["tested"] - 1)


def _cards(lines: Sequence[Line]) -> list[tuple[int, str, str]]:
    """(how many, of what, the health that shows them)."""
    counted = [(sum(line["health"] == name for line in lines), name) for name in _RANK]
    return [(len(lines), "models", ""), *((count, name, name) for count, name in counted if count)]


def _grouped(lines: Sequence[Line], group: str) -> Iterable[tuple[str, list[Line]]]:
    if not group:
        return [("", list(lines))]
    return [(f"{GROUPS[group]} {key}", list(of)) for key, of in groupby(lines, key=lambda line: str(line[group]))]
