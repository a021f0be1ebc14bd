"""``fleetward get`` and ``describe``: what there is of a kind, and all that is known of one, as the API has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.options import Database, Format, Offline, Output, Past
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.domain.state import FleetState


class Kind(StrEnum):
    """What there is many of."""

    MODELS = "models"
    VERSIONS = "versions"
    APPROVALS = "approvals"
    ROLLOUTS = "rollouts"
    FINDINGS = "findings"
    INCIDENTS = "incidents"
    SPECS = "specs"


class One(StrEnum):
    """What can be described."""

    MODEL = "model"
    VERSION = "version"
    FINDING = "finding"
    SPEC = "spec"


_Kind = Annotated[Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.")]
_OfModel = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model's; versions need it.")]
_One = Annotated[One, typer.Argument(metavar="KIND", help=f"One of {', '.join(One)}.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name; of a version MODEL/NUMBER, of a finding its id.")]

_COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.MODELS: ("model", "standing", "pool", "champion", "versions", "rollout", "retraining", "findings"),
    Kind.VERSIONS: ("number", "status", "registered_by", "registered_at", "reason"),
    Kind.APPROVALS: ("model", "version", "needed", "approvers", "registered_by", "reason"),
    Kind.ROLLOUTS: ("model", "champion", "version", "in_words"),
    Kind.FINDINGS: ("entry", "finding", "as_of", "model", "version", "about", "standing"),
    Kind.INCIDENTS: ("entry", "incident", "as_of", "feature", "direction", "source", "standing"),
    Kind.SPECS: ("spec", "models", "digest"),
}


def get(
    kind: _Kind,
    model: _OfModel = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """List what there is of a kind, as the control API lists it."""
    if kind is Kind.VERSIONS and model is None:
        raise typer.BadParameter("versions are of a model; expected its name: fleetward get versions MODEL")
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        found = list(_listed(kind, _state(reader), model))
    if output_ is Format.JSON:
        output.as_json(found)
    else:
        columns = _COLUMNS[kind]
        output.table(columns, ([_cell(each.get(column)) for column in columns] for each in found), wrapped=("reason",))


def describe(
    kind: _One,
    name: _Name,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show all that is known of one thing, as a document."""
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        document = _described(kind, _state(reader), name)
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.as_yaml(document)


def _listed(kind: Kind, state: FleetState, model: str | None) -> Iterable[dict[str, Any]]:
    from runtime.control.views import findings, fleet, models

    if model is not None:
        state.model(model)
    if kind is Kind.VERSIONS:
        return map(models.version_document, state.model(model or "").versions.values())
    if kind in {Kind.FINDINGS, Kind.INCIDENTS}:
        told = findings.findings if kind is Kind.FINDINGS else findings.incidents
        return told(state, findings.Asked(model))
    whole: dict[Kind, Callable[[FleetState], Iterable[dict[str, Any]]]] = {
        Kind.MODELS: lambda asked: (models.model_line(asked.models[each]) for each in sorted(asked.models)),
        Kind.APPROVALS: models.approvals,
        Kind.ROLLOUTS: models.rollouts,
        Kind.SPECS: fleet.specs,
    }
    listed = whole[kind](state)
    return listed if model is None or kind is Kind.SPECS else (each for each in listed if each["model"] == model)


def _described(kind: One, state: FleetState, name: str) -> dict[str, Any]:
    from runtime.control.views import findings, fleet, models

    if kind is One.MODEL:
        return models.model_document(state.model(name))
    if kind is One.FINDING:
        return findings.one_finding(state, name)
    if kind is One.SPEC:
        return fleet.spec_document(state, name)
    model, _, number = name.rpartition("/")
    if not (model and number.isdecimal()):
        raise typer.BadParameter(f"{name!r} names no version; expected MODEL/NUMBER")
    return models.version_document(state.model(model).version(int(number)))


def _state(reader: Reader) -> FleetState:
    """What a reader tells of models and findings, as the views take it."""
    from runtime.domain.model_state import FindingState
    from runtime.domain.state import FleetState

    head = reader.head()
    found: Sequence[FindingState] = reader.findings()
    return FleetState(
        size=head.size,
        specs=reader.specs(),
        models={model.name: model for model in reader.models()},
        findings={each.opened.finding: each for each in found},
        incidents={each.opened.incident: each for each in reader.incidents()},
        ticks_until=head.ticks_until,
    )


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
