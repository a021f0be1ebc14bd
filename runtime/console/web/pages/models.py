"""One model: where it stands, its life over time, its features over time, its versions; and one version."""

from __future__ import annotations

from typing import Any

from runtime.console.web import pictures
from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.domain import events as e
from runtime.domain.metrics import Metric, headline

_MOVES = {
    "suspend": e.ModelSuspended,
    "resume": e.ModelResumed,
    "rollback": e.RolledBack,
    "retire": e.ModelRetired,
}
_SHOWN_EVENTS, _SHOWN_FINDINGS = 40, 12


async def page(desk: Desk) -> Page:
    """The model named in the path, now or ``as_of`` so many entries."""
    name, as_of = desk.part("model"), desk.number("as_of")
    model = await desk.api.get(f"/v1/models/{in_path(name)}", as_of=as_of)
    spec = (await desk.api.get(f"/v1/specs/{in_path(model['spec'])}", as_of=as_of))["document"]
    history = await desk.api.get(f"/v1/models/{in_path(name)}/history")
    if as_of is not None:
        history = _before(history, as_of)
    metric = _metric(model, spec)
    findings = history["findings"]
    values = {
        "model": model,
        "spec": spec,
        "metric": metric,
        "timeline": pictures.timeline(history, metric),
        "heatmap": pictures.heatmap(findings),
        "slices": next((each for each in reversed(findings) if each.get("slices")), None),
        "events": history["events"][::-1][:_SHOWN_EVENTS],
        "all_events": len(history["events"]),
        "findings": findings[::-1][:_SHOWN_FINDINGS],
        "all_findings": len(findings),
        "versions": [_version_line(each, metric) for each in reversed(model["versions"].values())],
        "moves": _moves(desk, model) if as_of is None else [],
        "revision": model["seq"],
        "as_of": as_of,
    }
    return Page("model.html.j2", name, "Fleet", values, model["size"])


async def version_page(desk: Desk) -> Page:
    """One version: what it was made from, how it was tested, who let it serve."""
    name, number = desk.part("model"), int(desk.part("version"))
    version = await desk.api.get(f"/v1/models/{in_path(name)}/versions/{number}")
    values = {"name": name, "version": version, "registered": version["registered"], "report": version["report"]}
    return Page("version.html.j2", f"{name} version {number}", "Fleet", values, version["size"])


async def act(desk: Desk, fields: Fields) -> Acted:
    """Suspend, resume, roll back or retire."""
    name, move = desk.part("model"), fields.get("move", "")
    if move not in _MOVES:
        raise FormRefused(f"{move[:20]!r} is nothing that is done to a model here")
    told = await command(desk, f"/v1/models/{in_path(name)}/{move}", {"reason": fields.get("reason", "")}, fields)
    return Acted(entry_of(told), f"models/{in_path(name)}")


def _moves(desk: Desk, model: dict[str, Any]) -> list[tuple[str, str]]:
    """(move, words) that make sense now and that the visitor's roles allow."""
    if model["retired"]:
        return []
    found = [("resume", "Serve again")] if model["suspended"] else [("suspend", "Suspend")]
    if model["former"]:
        found.append(("rollback", f"Roll back to version {model['former'][-1]}"))
    found.append(("retire", "Retire after 30 days' notice"))
    return [(move, words) for move, words in found if desk.visitor.may(_MOVES[move])]


def _metric(model: dict[str, Any], spec: dict[str, Any]) -> str:
    """The name of the error that stands for the model."""
    for version in reversed(model["versions"].values()):
        found = None if version["report"] is None else headline(version["report"]["metrics"])
        if found is not None:
            return found.error_name
    return str(spec.get("train", {}).get("metric") or Metric.MAE.value)


def _version_line(version: dict[str, Any], metric: str) -> dict[str, Any]:
    report = version["report"]
    gates = [] if report is None else report["gates"]
    error = None if report is None else pictures.error_in(report["metrics"], metric)
    return version | {"error": error, "gates": len(gates), "passed": sum(gate["passed"] for gate in gates)}


def _before(history: dict[str, Any], size: int) -> dict[str, Any]:
    return history | {
        "events": [each for each in history["events"] if each["seq"] < size],
        "findings": [each for each in history["findings"] if each["entry"] < size],
    }
