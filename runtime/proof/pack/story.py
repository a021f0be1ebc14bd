"""What happened to a model: a file each of versions, approvals, rollouts, findings, retrainings, incidents, keeping."""

from __future__ import annotations

from typing import Any

from runtime.proof.pack.entries import Told
from runtime.proof.pack.ledger import Ledger, documents

INCIDENTS = (
    "model_suspended",
    "model_resumed",
    "model_retired",
    "version_refused",
    "rollout_aborted",
    "rolled_back",
    "approval_timed_out",
    "approval_revoked",
    "renewal_refused",
    "break_glass_opened",
    "break_glass_signed",
    "grant_revoked",
    "training_failed",
    "load_refused",
    "access_refused",
    "command_refused",
)
"""What went otherwise than was meant, or was stopped by people: refusals, reversals, suspensions."""

_ROLLOUTS = (
    "rollout_started",
    "rollout_measured",
    "rollout_advanced",
    "rollout_aborted",
    "version_promoted",
    "rolled_back",
)


def versions(ledger: Ledger) -> list[dict[str, Any]]:
    """Each version of the period with what it was made from, and what its gates said."""
    return [_version(ledger, number) for number in ledger.versions]


def approvals(ledger: Ledger) -> list[dict[str, Any]]:
    """Each version's way to its grant: who was asked, who consented, what was signed, what was revoked."""
    return [
        {
            "version": number,
            "requested": documents(ledger.of_version(number, "approval_requested")),
            "consents": documents(ledger.of_version(number, "approval_given")),
            "approved": documents(ledger.of_version(number, "version_approved")),
            "refused": documents(ledger.of_version(number, "version_refused")),
            "grants": documents(ledger.of_version(number, "grant_issued")),
            "revoked": documents(ledger.of_version(number, "grant_revoked")),
        }
        for number in ledger.versions
    ]


def rollouts(ledger: Ledger) -> list[dict[str, Any]]:
    """Every move of traffic in the period, in order."""
    return documents(ledger.mine(*_ROLLOUTS))


def findings(ledger: Ledger) -> list[dict[str, Any]]:
    """Alarms of the period, and those still open as it began, each with the policy's answer."""
    answers = {each.event["finding"]: each for each in ledger.until_end("verdict_reached")}
    since = ledger.period.since
    told = []
    for opened in ledger.until_end("finding_opened"):
        answer = answers.get(opened.event["finding"])
        closed = closed_by(ledger, answer)
        if opened.time >= since or closed is None or closed.time >= since:
            verdict = {"verdict": answer.document()} if answer else {}
            closing = {} if closed is None else {"closed_by": closed.seq}
            told.append({"finding": opened.document(), **verdict, **closing, "open": closed is None})
    return told


def closed_by(ledger: Ledger, answer: Told | None) -> Told | None:
    """The entry that closed a finding: a person's last word, else the end of what its verdict led to.

    That is the verdict itself if nothing was to be done, or the end of a retraining; a finding that calls a person
    stays open until one answers.
    """
    said = _last_word(ledger, answer)
    return said if said is not None else _ended(ledger, answer)


def _last_word(ledger: Ledger, answer: Told | None) -> Told | None:
    if answer is None:
        return None
    told = (each for each in ledger.until_end("finding_answered") if each.event["answer"] in _LAST_WORDS)
    return next((each for each in told if each.event["finding"] == answer.event["finding"]), None)


_LAST_WORDS = ("accepted", "dismissed", "resolved")


def _ended(ledger: Ledger, answer: Told | None) -> Told | None:
    action = None if answer is None else answer.event["verdict"]["action"]
    if answer is None or action == "call_a_person":
        return None
    if action == "nothing":
        return answer
    started = {each.event["batch"] for each in ledger.until_end("retraining_started") if each.seq > answer.seq}
    ended = [each for each in ledger.until_end("retraining_finished") if each.event["batch"] in started]
    return ended[0] if ended else None


def retrainings(ledger: Ledger) -> list[dict[str, Any]]:
    """Batches that trained the model in the period, with their ends and this model's failures."""
    ended = {each.event["batch"]: each for each in ledger.until_end("retraining_finished")}
    failed = ledger.until_end("training_failed")
    told = []
    for started in ledger.until_end("retraining_started"):
        batch = started.event["batch"]
        end = ended.get(batch)
        if end is None or end.time >= ledger.period.since:
            document = started.document() | {"models": len(started.event["models"])}  # others' names are not this one's
            mine = [each for each in failed if each.event["batch"] == batch]
            finish = {} if end is None else {"finished": end.document()}
            told.append({"started": document, **finish, "failed": documents(mine)})
    return told


def incidents(ledger: Ledger) -> list[dict[str, Any]]:
    """Refusals, reversals and suspensions of the period, in order."""
    return documents(ledger.mine(*INCIDENTS))


def keeping(ledger: Ledger) -> dict[str, Any]:
    """What was held, deleted, erased, lost, dropped and given out in the period. Losses name a replica, not a model."""
    released = {each.event["hold"]: each for each in ledger.until_end("legal_hold_released")}
    held = [
        each
        for each in ledger.until_end("legal_hold_placed")
        if each.event["hold"] not in released or released[each.event["hold"]].time >= ledger.period.since
    ]
    return {
        "holds": [
            each.document() | {"released": documents([released[each.event["hold"]]])}
            if each.event["hold"] in released
            else each.document() | {"released": []}
            for each in held
        ],
        "deleted": [_deletion(each) for each in ledger.entries.in_period("bodies_deleted")],
        "erasures_ordered": [_erasure(each, ledger) for each in ledger.entries.in_period("subject_erasure_ordered")],
        "erased": documents(ledger.mine("subject_erased")),
        "lost_by_any_model": documents(ledger.entries.in_period("records_lost")),
        "dropped": documents(ledger.mine("records_dropped")),
        "exported": documents(ledger.mine("evidence_exported")),
    }


def _version(ledger: Ledger, number: int) -> dict[str, Any]:
    registered = ledger.of_version(number, "version_registered")
    dataset = registered[0].event["dataset"] if registered else ""
    prepared = [each for each in ledger.until_end("dataset_prepared") if each.event["digest"] == dataset]
    return {
        "version": number,
        "status": ledger.at_to.statuses[number],
        "status_now": ledger.now.statuses[number],
        "parent": registered[0].event.get("parent", "none") if registered else "unknown",
        "registered": documents(registered),
        "dataset": documents(prepared[:1]),
        "evaluated": documents(ledger.of_version(number, "version_evaluated")),
    }


def _deletion(told: Told) -> dict[str, Any]:
    document = told.document()
    return document | {"models": len(document["models"])}  # a segment of a shared pool names others too


def _erasure(told: Told, ledger: Ledger) -> dict[str, Any]:
    document = told.document()
    return document | {"parts": [part for part in document["parts"] if part["model"] == ledger.period.model]}
