"""What is asked for and cannot be shown: fields that nobody records, and bodies, times or passports that are not there.

A field that a later release records stops being a gap by itself: it is looked for where it would stand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.use import Decisions


class _Unrecorded(NamedTuple):
    record: str
    field: str
    kind: str
    key: str
    why: str


_UNRECORDED = (
    _Unrecorded("version", "signature", "version_registered", "signature", "the grant that names its digest is signed"),
    _Unrecorded(
        "version", "search summary", "version_registered", "search", "only the parameters that were chosen are"
    ),
    _Unrecorded(
        "version", "model card", "version_registered", "card", "it lies in the store under the package's digest"
    ),
    _Unrecorded("approval", "authentication method", "approval_given", "authentication", "an entry names who, not how"),
    _Unrecorded("approval", "conditions", "version_approved", "conditions", "an approval has a reason and an end"),
    _Unrecorded("finding", "severity", "finding_opened", "severity", "its evidence stands against its threshold"),
    _Unrecorded("finding", "evidence digest", "finding_opened", "evidence_digest", "the numbers stand in the entry"),
    _Unrecorded("finding", "acknowledged by", "finding_opened", "acknowledged_by", "no entry says so"),
    _Unrecorded("finding", "resolved by", "finding_opened", "resolved_by", "no entry by which a person closes one"),
    _Unrecorded("finding", "incident", "finding_opened", "incident", "incidents have no numbers"),
    _Unrecorded("retirement", "callers told", "model_retired", "callers_told", "no entry says so"),
)
_UNRECORDED_OF_DECISIONS = (
    ("override", "override", "whether a person decided otherwise is not known where the answer is given"),
    ("explanation reference", "explanation", "no explanation is kept with a record"),
    ("notice reference", "notice", "whether a person was told of the system is the caller's to record"),
    ("subject pseudonym", "subject", "the records name no data subject"),
)


def gaps(ledger: Ledger, decisions: Decisions, inventory: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Every gap: the record it is of, its field, and why."""
    return [
        *(_gap("inventory", each["field"], each["gap"]) for each in inventory if "gap" in each),
        *_unrecorded(ledger, decisions),
        *_unknown_data(ledger),
        *_bodies(decisions),
        *(_gap("passport", each.decision_id, each.why) for each in decisions.passports if each.why is not None),
        *_time(ledger),
    ]


def _unrecorded(ledger: Ledger, decisions: Decisions) -> list[dict[str, str]]:
    found = []
    for each in _UNRECORDED:
        events = [told.event for told in ledger.until_end(each.kind)]
        if events and not any(each.key in event for event in events):
            found.append(_gap(each.record, each.field, f"not recorded: {each.why}"))
    if decisions.counts.records:
        absent = [each for each in _UNRECORDED_OF_DECISIONS if each[1] not in decisions.counts.columns]
        found += [_gap("decision", field, f"not recorded: {why}") for field, _, why in absent]
    return [*found, _gap("lineage", "OpenLineage run events", "not recorded: versions.json has parent, code and data")]


def _unknown_data(ledger: Ledger) -> list[dict[str, str]]:
    known = {each.event["digest"] for each in ledger.until_end("dataset_prepared")}
    registered = [told for number in ledger.versions for told in ledger.of_version(number, "version_registered")]
    return [
        _gap(
            f"version {each.event['version']}", "dataset", f"no entry tells what {each.event['dataset']} was read from"
        )
        for each in registered
        if each.event["dataset"] not in known
    ]


def _bodies(decisions: Decisions) -> list[dict[str, str]]:
    why = {
        "deleted": "retention deleted its body; how many of its records are this model's is not known any more",
        "missing": "its body is not in the store, and no entry says that it was deleted",
        "damaged": "the store's bytes are not those that the entry names",
    }
    return [
        _gap("decisions", f"segment of entry {each.entry}, {each.records} records", why[each.body])
        for each in decisions.segments
        if each.body in why
    ]


def _time(ledger: Ledger) -> list[dict[str, str]]:
    last, until = ledger.entries.last_time, ledger.period.until
    if last >= until:
        return []
    return [_gap("period", f"{last} to {until}", "the checkpoint covers entries up to the first of these times")]


def _gap(record: str, field: str, why: str) -> dict[str, str]:
    return {"record": record, "field": field, "why": why}
