"""Which file of a pack answers which clause. Whether an answer is enough is for whoever answers for the model."""

from __future__ import annotations

from typing import Any, NamedTuple

from runtime.proof.pack.ledger import Ledger

_SIX_MONTHS_DAYS = 184
"""Six months are at most so many days."""
_DAYS = {"s": 1 / 86_400, "m": 1 / 1_440, "h": 1 / 24, "d": 1.0, "w": 7.0}


class _Clause(NamedTuple):
    standard: str
    clause: str
    asks: str
    files: tuple[str, ...]
    gaps: tuple[str, ...] = ()
    """Records of gaps that are of it."""


_ACT = "EU AI Act (Regulation 2024/1689)"
_SR = "SR 26-2"
_ISO = "ISO/IEC 42001, A.6.2.8"
_CLAUSES = (
    _Clause(
        _ACT,
        "Art. 12(2)(a)",
        "events that may mean a risk, or a substantial modification",
        ("findings.json", "incidents.json", "versions.json", "rollouts.json"),
        ("finding", "version"),
    ),
    _Clause(
        _ACT,
        "Art. 12(2)(b)",
        "post-market monitoring",
        ("findings.json", "retrainings.json", "decisions.json"),
        ("finding", "decisions"),
    ),
    _Clause(
        _ACT, "Art. 12(2)(c)", "monitoring of operation", ("decisions.json", "sample.jsonl"), ("decision", "decisions")
    ),
    _Clause(_ACT, "Art. 19(1)", "logs kept for at least six months", ("keeping.json", "ledger.bundle"), ("decisions",)),
    _Clause(_ACT, "Art. 26(2)", "oversight by named people", ("inventory.json", "approvals.json"), ("approval",)),
    _Clause(
        _ACT,
        "Art. 26(5)",
        "operation watched; suspension, with notice",
        ("findings.json", "incidents.json"),
        ("finding",),
    ),
    _Clause(_ACT, "Art. 26(6)", "logs kept for at least six months", ("keeping.json", "ledger.bundle"), ("decisions",)),
    _Clause(_SR, "inventory", "one row for each model", ("inventory.json",), ("inventory",)),
    _Clause(
        _SR,
        "development and change",
        "how each version was made and let in",
        ("versions.json", "approvals.json"),
        ("version", "lineage"),
    ),
    _Clause(
        _SR,
        "validation",
        "tests with values and limits; independent review",
        ("versions.json", "approvals.json"),
        ("approval",),
    ),
    _Clause(
        _SR,
        "ongoing monitoring",
        "metrics, thresholds, findings, actions",
        ("findings.json", "retrainings.json"),
        ("finding",),
    ),
    _Clause(_ISO, "start and stop", "when it was put to use, and out of it", ("rollouts.json", "incidents.json")),
    _Clause(
        _ISO,
        "decisions",
        "what was decided, by what, for whom",
        ("decisions.json", "sample.jsonl", "passports/"),
        ("decision", "decisions", "passport"),
    ),
    _Clause(_ISO, "changes", "of configuration and of the model", ("versions.json", "rollouts.json", "ledger.bundle")),
    _Clause(_ISO, "access", "who called, who was refused", ("decisions.json", "incidents.json")),
    _Clause(_ISO, "errors", "what failed, was lost or refused", ("incidents.json", "keeping.json", "retrainings.json")),
    _Clause(_ISO, "overrides", "where people decided otherwise", ("incidents.json", "approvals.json"), ("decision",)),
    _Clause(_ISO, "threshold breaches", "alarms with their evidence and limit", ("findings.json",), ("finding",)),
)


def clauses(ledger: Ledger, gaps: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The table: a document a clause, with the gaps that are of it."""
    named = [
        (each, [f"{gap['record']}: {gap['field']}" for gap in gaps if gap["record"].split(" ")[0] in each.gaps])
        for each in _CLAUSES
    ]
    kept = _kept_too_short(ledger)
    return [
        {
            "standard": each.standard,
            "clause": each.clause,
            "asks": each.asks,
            "files": list(each.files),
            "gaps": [*kept, *missing] if "six months" in each.asks else missing,
        }
        for each, missing in named
    ]


def _kept_too_short(ledger: Ledger) -> list[str]:
    """Whether the spec lets records go before six months are over."""
    spec = ledger.spec
    keep_for = "" if spec is None else spec.event["spec"].get("capture", {}).get("keep_for", "")
    if not keep_for or float(keep_for[:-1]) * _DAYS[keep_for[-1]] >= _SIX_MONTHS_DAYS:
        return []
    return [f"capture.keep_for is {keep_for}; six months are up to {_SIX_MONTHS_DAYS} days"]
