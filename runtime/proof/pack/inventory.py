"""The model's row in an inventory of models: every field that model-risk rules ask for, a value or a gap.

The fields and their order are those of SR 26-2, SS1/23 (P1.2-1.3) and NIST AI RMF (GOVERN 1.5-1.7), taken together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.proof.pack.entries import Told
from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.story import INCIDENTS, findings
from runtime.proof.pack.use import Decisions


@dataclass(frozen=True, slots=True)
class Value:
    """What is recorded, and the entries that say it."""

    value: Any
    entries: tuple[int, ...] = ()

    def document(self) -> dict[str, Any]:
        """As the file tells it."""
        return {"value": self.value, "entries": list(self.entries)}


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not recorded, and why not."""

    why: str

    def document(self) -> dict[str, Any]:
        """As the file tells it."""
        return {"gap": self.why}


Field = Callable[[Ledger, Decisions], Value | Gap]


def inventory(ledger: Ledger, decisions: Decisions) -> list[dict[str, Any]]:
    """The row: a document a field, in order, each with a ``value`` or a ``gap``."""
    return [{"field": name, **tell(ledger, decisions).document()} for name, tell in _FIELDS.items()]


def _of_spec(name: str, why: str = "") -> Field:
    """A field that an owner writes into the spec, if the release has it there."""

    def tell(ledger: Ledger, _: Decisions) -> Value | Gap:
        spec = ledger.spec
        if spec is None or spec.event["spec"].get(name) is None:
            return Gap(why or f"not recorded: the spec leaves {name} out")
        return Value(spec.event["spec"][name], (spec.seq,))

    return tell


def _several(*names: str) -> Field:
    def tell(ledger: Ledger, _: Decisions) -> Value | Gap:
        spec = ledger.spec
        if spec is None:
            return Gap("no spec of this model stands before the end of the period")
        return Value({name: spec.event["spec"][name] for name in names if name in spec.event["spec"]}, (spec.seq,))

    return tell


def _name(ledger: Ledger, _: Decisions) -> Value | Gap:
    partition: Mapping[str, str] = ledger.declared.event["partition"]
    return Value({"model": ledger.period.model, "partition": dict(partition)}, (ledger.declared.seq,))


def _kind(ledger: Ledger, _: Decisions) -> Value | Gap:
    found = _registration(ledger)
    if found is None:
        return Gap("no version was champion as the period ended")
    task = {} if ledger.spec is None else {"task": ledger.spec.event["spec"].get("task", "")}
    return Value({**task, "estimator": found.event["estimator"], "flavor": found.event["flavor"]}, (found.seq,))


def _use(_: Ledger, decisions: Decisions) -> Value | Gap:
    counts = decisions.counts
    if not counts.records and any(each.of_model is None for each in decisions.segments):
        return Gap("the bodies of the period's records are not there; decisions.json names them")
    said = {"records": counts.records, "by_caller": counts.by_caller, "by_variant": counts.by_variant}
    if counts.by_override:
        said["by_override"] = counts.by_override
    return Value({**said, "days": len(counts.by_day), "more": "decisions.json"})


def _developer(ledger: Ledger, _: Decisions) -> Value | Gap:
    registered = ledger.until_end("version_registered")
    if not registered:
        return Gap("no version was registered before the period ended")
    return Value(sorted({each.by for each in registered}), tuple(each.seq for each in registered))


def _validator(ledger: Ledger, decisions: Decisions) -> Value | Gap:
    """Who the spec names, else who reviewed it last."""
    reviewed = ledger.until_end("model_reviewed")
    why = "not recorded: approvals.json names who approved, which is no independent validation"
    said = _of_spec("validator", why)(ledger, decisions)
    return Value(reviewed[-1].by, (reviewed[-1].seq,)) if isinstance(said, Gap) and reviewed else said


def _champion(ledger: Ledger, _: Decisions) -> Value | Gap:
    moments = {"at_from": ledger.at_from, "at_to": ledger.at_to, "now": ledger.now}
    moves = ledger.mine("version_promoted", "rolled_back")
    return Value({name: _or_none(at.champion) for name, at in moments.items()}, tuple(each.seq for each in moves))


def _dependencies(ledger: Ledger, _: Decisions) -> Value | Gap:
    found = _registration(ledger)
    if found is None:
        return Gap("no version was champion as the period ended")
    said = {"environment": found.event["environment"], "code_revision": found.event["code_revision"]}
    return Value(said, (found.seq,))


def _environments(ledger: Ledger, _: Decisions) -> Value | Gap:
    grants = [each for number in ledger.versions for each in ledger.of_version(number, "grant_issued")]
    if not grants:
        return Gap("no grant names one")
    said = {(grant["environment"], grant["pool"]) for grant in (each.event["signed"]["grant"] for each in grants)}
    places = [{"environment": environment, "pool": pool} for environment, pool in sorted(said)]
    return Value(places, tuple(each.seq for each in grants))


def _validation(ledger: Ledger, _: Decisions) -> Value | Gap:
    found = ledger.last(ledger.at_to.champion, "version_evaluated")
    if found is None:
        return Gap("no evaluation of a champion stands before the end of the period")
    gates = found.event["report"].get("gates", ())
    passed = sum(1 for gate in gates if gate["passed"])
    said = {"version": found.event["version"], "gates": len(gates), "passed": passed, "date": found.time}
    reviewed = ledger.until_end("model_reviewed")
    if not reviewed:
        return Value(said, (found.seq,))
    last = reviewed[-1]
    review = {"version": last.event["version"], "found": last.event["found"], "by": last.by, "date": last.time}
    return Value({**said, "review": review}, (found.seq, last.seq))


def _review(ledger: Ledger, _: Decisions) -> Value | Gap:
    found = ledger.last(ledger.at_to.champion, "version_approved")
    if found is None:
        return Gap("no approval of a champion stands before the end of the period")
    return Value({"approval_ends": found.event["valid_until"]}, (found.seq,))


def _open_findings(ledger: Ledger, _: Decisions) -> Value | Gap:
    told = [each["finding"] for each in findings(ledger) if each["open"]]
    said = [{name: each[name] for name in ("finding", "about", "version", "time")} for each in told]
    return Value(said, tuple(each["entry"] for each in told))


def _remediation(ledger: Ledger, _: Decisions) -> Value | Gap:
    return _counted(ledger.entries.in_period("retraining_started", "rolled_back", "model_suspended", "rollout_aborted"))


def _incidents(ledger: Ledger, _: Decisions) -> Value | Gap:
    return _counted(ledger.mine(*INCIDENTS))


def _oversight(ledger: Ledger, _: Decisions) -> Value | Gap:
    inside = (each for each in ledger.entries.told if ledger.period.holds(each.time))
    people = [each for each in inside if each.by.startswith("user:")]
    spec = {} if ledger.spec is None else {"approval": ledger.spec.event["spec"].get("approval", {})}
    said = {**spec, "people_who_acted": sorted({each.by for each in people})}
    return Value(said, tuple(each.seq for each in people))


def _decommission(ledger: Ledger, decisions: Decisions) -> Value | Gap:
    retired = ledger.until_end("model_retired")
    if not retired and (announced := _announced(ledger)) is not None:
        said = {name: announced.event[name] for name in ("reason", "until", "successor") if name in announced.event}
        return Value({**said, "by": announced.by, "announced": announced.time}, (announced.seq,))
    if not retired:
        return _of_spec("decommission_plan")(ledger, decisions)
    said = {name: retired[-1].event[name] for name in ("reason", "successor") if name in retired[-1].event}
    return Value({**said, "by": retired[-1].by, "time": retired[-1].time}, (retired[-1].seq,))


def _announced(ledger: Ledger) -> Told | None:
    """The end that the model's callers were told, if it stands."""
    told = ledger.until_end("retirement_announced", "retirement_cancelled")
    return told[-1] if told and told[-1].kind == "retirement_announced" else None


def _status(ledger: Ledger, _: Decisions) -> Value | Gap:
    return Value({"at_from": ledger.at_from.word, "at_to": ledger.at_to.word, "now": ledger.now.word})


_FIELDS: dict[str, Field] = {
    "name": _name,
    "type of model": _kind,
    "purpose": _of_spec("purpose"),
    "intended use": _of_spec("intended_use"),
    "actual use": _use,
    "out-of-scope use": _of_spec("out_of_scope_use"),
    "operating boundaries": _of_spec("operating_boundaries"),
    "assumptions": _of_spec("assumptions"),
    "limitations": _of_spec("limitations"),
    "owner": _of_spec("owner"),
    "developer": _developer,
    "validator": _validator,
    "line of business": _of_spec("line_of_business"),
    "risk tier": _of_spec("risk_tier"),
    "rationale of the risk tier": _of_spec("risk_rationale"),
    "data inputs": _of_spec("data"),
    "dependencies": _dependencies,
    "vendors": _of_spec("vendors"),
    "champion version": _champion,
    "environments": _environments,
    "validation status and date": _validation,
    "review due": _review,
    "monitoring metrics and thresholds": _several("monitor", "retrain", "guardrail", "gates"),
    "open findings": _open_findings,
    "remediation actions": _remediation,
    "incidents": _incidents,
    "oversight mode": _oversight,
    "decommission plan": _decommission,
    "status": _status,
}
FIELDS = tuple(_FIELDS)


def _registration(ledger: Ledger) -> Told | None:
    return ledger.last(ledger.at_to.champion, "version_registered")


def _counted(told: list[Told]) -> Value:
    kinds = Counter(each.kind for each in told)
    return Value(dict(sorted(kinds.items())), tuple(each.seq for each in told))


def _or_none(champion: int | None) -> int | str:
    return "none" if champion is None else champion
