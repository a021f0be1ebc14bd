"""The ledger: its entries with a sentence each, one entry with its proof checked here, the signed head."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any, get_args

from runtime.console.web.api import ApiRefused
from runtime.console.web.desk import Desk, Page
from runtime.domain import events
from runtime.domain.tokens import Role
from runtime.ledger.merkle import verify_inclusion

_PAGE = 100
_KINDS = sorted(kind.model_fields["kind"].default for kind in get_args(get_args(events.Event)[0]))


async def page(desk: Desk) -> Page:
    """Entries, the newest first; of a model, of a kind, by somebody."""
    model, kind, actor, seq = (desk.asked(name) for name in ("model", "kind", "actor", "seq"))
    if seq.isdigit():
        return await _one(desk, int(seq))
    checkpoint = await _checkpoint(desk)
    if not desk.visitor.holds(Role.AUDITOR):
        return Page("ledger.html.j2", "Ledger", "Ledger", {"may_look": False, "checkpoint": checkpoint})
    told = await desk.api.get("/v1/entries", model=model, kind=kind, by=actor, limit=_PAGE, cursor=desk.asked("cursor"))
    values = {
        "may_look": True,
        "entries": told["items"],
        "next": told["next"],
        "kinds": _KINDS,
        "asked": {"model": model, "kind": kind, "actor": actor},
        "checkpoint": checkpoint,
        "link": desk.with_query,
    }
    return Page("ledger.html.j2", "Ledger", "Ledger", values, told["size"])


async def one_page(desk: Desk) -> Page:
    """One entry, and whether its proof holds."""
    return await _one(desk, int(desk.part("seq")))


async def _one(desk: Desk, seq: int) -> Page:
    entry = await desk.api.get(f"/v1/entries/{seq}")
    proof, absent = None, ""
    try:
        proof = await desk.api.get("/v1/ledger/proof/inclusion", seq=seq)
    except ApiRefused as error:
        absent = error.detail
    values = {
        "entry": entry,
        "fields": _fields(entry["event"]),
        "proof": proof,
        "steps": {} if proof is None else checked(proof),
        "absent": absent,
        "newest": await desk.api.get("/v1/entries", limit=1),
    }
    return Page("entry.html.j2", f"Entry {seq}", "Ledger", values, values["newest"]["size"])


def checked(proof: dict[str, Any]) -> dict[str, bool]:
    """What was computed here from the proof's bytes (RFC 9162, 2.1.3.2), in the order in which it leads to the root."""
    leaf = hashlib.sha256(b"\x00" + proof["leaf"].encode()).digest()
    path = [bytes.fromhex(each) for each in proof["hashes"]]
    root = bytes.fromhex(proof["root"])
    found = {
        "the entry's bytes hash to its leaf": leaf.hex() == proof["leaf_hash"],
        f"the leaf is number {proof['seq']} of {proof['size']:,} under the root": verify_inclusion(
            leaf, proof["seq"], proof["size"], path, root
        ),
    }
    note = proof.get("checkpoint")
    if note:
        found["the signed checkpoint names this size and root"] = _names(note, proof["size"], root)
    return found


def _names(note: str, size: int, root: bytes) -> bool:
    """Whether a checkpoint's text is of this tree; who signed it, a verifier with their own key finds out."""
    lines = note.splitlines()
    return len(lines) > 2 and lines[1] == str(size) and lines[2] == b64encode(root).decode()


def _fields(event: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in event.items() if name != "kind"]


async def _checkpoint(desk: Desk) -> str:
    """The newest signed note; empty where none was published."""
    try:
        return (await desk.api.fetch("/v1/ledger/checkpoint")).text
    except ApiRefused:
        return ""
