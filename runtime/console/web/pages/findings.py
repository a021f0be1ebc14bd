"""Findings and incidents: what waits for somebody first, each with its evidence, and what can be said to it."""

from __future__ import annotations

from typing import Any

from runtime.console.web import pictures
from runtime.console.web.api import ApiRefused
from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.console.words import FOUND
from runtime.domain.events import FindingKind
from runtime.domain.findings import FINAL, Answer, FindingAnswered

_PAGE = 100
_WORDS = {
    Answer.ACKNOWLEDGED: "Acknowledge",
    Answer.SNOOZED: "Snooze",
    Answer.ACCEPTED: "Accept as normal",
    Answer.DISMISSED: "Dismiss",
    Answer.RESOLVED: "Resolved",
}


async def page(desk: Desk) -> Page:
    """What waits, or all of it; of one model, or of all."""
    model, everything = desk.asked("model"), desk.asked("show") == "all"
    waiting = "false" if everything else "true"
    findings = await desk.api.get(
        "/v1/findings", model=model, waiting=waiting, limit=_PAGE, cursor=desk.asked("cursor")
    )
    incidents: dict[str, Any] = {"items": []}
    if not desk.asked("cursor"):
        incidents = await desk.api.get("/v1/incidents", model=model, waiting=waiting, limit=_PAGE)
    values = {
        "findings": [each | {"told": _told(each)} for each in findings["items"]],
        "incidents": incidents["items"],
        "model": model,
        "everything": everything,
        "next": findings["next"],
        "link": desk.with_query,
    }
    return Page("findings.html.j2", "Findings", "Findings", values, findings["size"])


async def one_page(desk: Desk) -> Page:
    """One finding or incident by its id, or the first letters of it."""
    name = desk.part("finding")
    found = await desk.api.get(f"/v1/findings/{in_path(name)}")
    is_finding = "finding" in found
    drawn: list[Any] = []
    evidence, absent = None, ""
    if is_finding and found.get("evidence"):
        try:
            evidence = await desk.api.get(f"/v1/findings/{in_path(found['finding'])}/evidence")
            drawn = pictures.evidence_pictures(evidence)
        except ApiRefused as error:
            absent = error.detail
    values = {
        "found": found,
        "id": found["finding"] if is_finding else found["incident"],
        "is_finding": is_finding,
        "told": _told(found) if is_finding else "",
        "evidence": evidence,
        "absent": absent,
        "pictures": drawn,
        "answers": _answers(desk, found, is_finding=is_finding),
    }
    title = f"Finding {values['id'][:8]}" if is_finding else f"Incident {values['id'][:8]}"
    return Page("finding.html.j2", title, "Findings", values, found["size"])


async def act(desk: Desk, fields: Fields) -> Acted:
    """An answer, with its reason, and until when for a snooze."""
    name, said = desk.part("finding"), fields.get("answer", "")
    if said not in set(Answer):
        raise FormRefused(f"{said[:20]!r} is no answer to a finding")
    body = {"answer": said, "reason": fields.get("reason", "")}
    if said == Answer.SNOOZED:
        body["snooze"] = fields.get("snooze") or "7d"
    told = await command(desk, f"/v1/findings/{in_path(name)}/answer", body, fields)
    return Acted(entry_of(told), f"findings/{in_path(name)}")


def _answers(desk: Desk, found: dict[str, Any], *, is_finding: bool) -> list[tuple[str, str]]:
    """(answer, words) that may be said to it now, by this visitor."""
    answered = found["answered"]
    before = None if answered is None else Answer(answered["answer"])
    if before in FINAL or not desk.visitor.may(FindingAnswered):
        return []
    may_accept = is_finding and bool(found.get("evidence"))
    return [
        (answer.value, words)
        for answer, words in _WORDS.items()
        if not (answer is before is Answer.ACKNOWLEDGED) and (answer is not Answer.ACCEPTED or may_accept)
    ]


def _told(finding: dict[str, Any]) -> str:
    """What was found, in a line."""
    about = FOUND[FindingKind(finding["about"])]
    if finding.get("breaches"):
        worst = finding["breaches"][0]
        return f"{about}: {' '.join(str(worst[name]) for name in ('of', 'told') if worst.get(name))}"
    if finding["features"] and finding["about"] == FindingKind.DATA_DRIFT:
        first = finding["features"][0]
        way = f" {first['direction']}" if first.get("direction") else ""
        return f"{about}, mostly {first['feature']}{way} (PSI {first['psi']:.2f})"
    recent, baseline = finding.get("recent"), finding.get("baseline")
    if recent and baseline:
        return f"{about}: MAE {recent['mae']:.3g} against the baseline's {baseline['mae']:.3g}"
    return about
