"""Commands that show what is: status, models, one model, findings, version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import lagging, output, publishing
from jobs.cli.options import Database, Format, Model, Offline, Output, Past
from jobs.cli.reading import Reader, is_up, proving, reading

if TYPE_CHECKING:
    from runtime.domain.metrics import Metric
    from runtime.domain.model_state import FindingState, IncidentState, ModelState, VersionState
    from runtime.witness.publication import Publication

_OnlyOf = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this model's.")]
_OnlyOpen = Annotated[bool, typer.Option("--open", help="Only those that wait for somebody.")]
_Limit = Annotated[int, typer.Option("--limit", min=0, help="Only so many, the newest; 0 for all.")]


def status(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show the fleet in numbers, the ledger's head, and where Fleetward is up."""
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        # Where a cluster is up now is nothing of a past moment.
        document = {"cluster": _cluster() if as_of is None else None, **_status_document(reader)}
        if as_of is None and reader.source == "governor":
            document["monitors"] = lagging.monitors()
    publication = None
    if as_of is None:
        with proving(offline=offline, database=database) as prover:
            publication = prover.publication()
        document["publication"] = publishing.document(publication, datetime.now(UTC))
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        _show_status(document, publication)
    if publication is not None:
        publishing.raise_alarms(publication)


def _show_status(document: dict[str, Any], publication: Publication | None) -> None:
    cluster = document["cluster"] or ({} if publication is None else {"": "not up"})
    output.fields(
        [
            *((f"cluster {name}", value) for name, value in cluster.items()),
            ("read from", document["read_from"]),
            *((f"ledger {name}", value) for name, value in document["ledger"].items()),
            *(publishing.fields(publication, datetime.now(UTC)) if publication is not None else ()),
            *((name.replace("_", " "), value) for name, value in document["fleet"].items()),
            *([("monitors", lagging.in_words(document["monitors"]))] if "monitors" in document else ()),
        ]
    )


def _status_document(reader: Reader) -> dict[str, Any]:
    from runtime.control.views.models import fleet_document
    from runtime.domain.base import DAWN, rfc3339

    head, totals = reader.head(), reader.totals()
    return {
        "read_from": reader.source,
        "ledger": {"entries": head.size, "root": head.root},
        "fleet": {
            **fleet_document(reader.models()),
            "decisions": totals.decisions,
            "outcomes": totals.outcomes,
            "records_lost": totals.lost,
            "loads_refused": totals.refused_loads,
            "commands_refused": totals.refused_commands,
            "judged_until": None if head.ticks_until == DAWN else rfc3339(head.ticks_until),
        },
    }


def _cluster() -> dict[str, str] | None:
    """Where the cluster of the settings is; None when none is up."""
    import os

    from runtime.local_cluster import LocalCluster
    from runtime.settings import Settings

    settings = Settings.from_environment()
    if not is_up(settings):
        return None
    if settings.url:
        return {"address": settings.url}
    local = LocalCluster.load(settings.home)
    if local is None:
        return {"address": os.environ["RAY_ADDRESS"]}
    return {"address": local.address, "dashboard": local.dashboard, "serve": f"{local.serve_url}/v2"}


def models(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """List all models: who serves, what is being rolled out, what is due."""
    from runtime.control.views.models import model_line

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        found = [model_line(model) for model in reader.models()]
    if output_ is Format.JSON:
        output.as_json(found)
        return
    output.table(
        ("model", "pool", "serves", "findings", "retrained", "what goes on"),
        (
            (
                line["model"],
                line["pool"] or "-",
                _serves(line),
                line["findings"],
                line["retrainings"],
                _going_on(line),
            )
            for line in found
        ),
        right=("findings", "retrained"),
        wrapped=("what goes on",),
    )


def _serves(line: dict[str, Any]) -> str:
    if line["standing"] != "serving":
        return str(line["standing"])
    return f"version {line['champion']} of {line['versions']}"


def _going_on(line: dict[str, Any]) -> str:
    waits = ", ".join(f"version {number} awaits approval" for number in line["awaiting_approval"])
    retrains = f"retraining {line['retraining']}" if line["retraining"] else ""
    return "; ".join(part for part in (line["rollout"], waits, retrains) if part)


def model(
    name: Model,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show one model: its versions with their tests, its rollout, its findings."""
    from runtime.control.views.models import model_document

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        found = reader.model(name)
        findings = _listed(reader, name, only_waiting=False)
    if output_ is Format.JSON:
        output.as_json(model_document(found))
        return
    _show_model(found)
    from runtime.domain.model_state import FindingState

    own = [(found, document) for found, document in findings if isinstance(found, FindingState)]
    if own:
        _show_findings(own[-_SHOWN_FINDINGS:])
        _note_rest(min(len(own), _SHOWN_FINDINGS), len(own))


_SHOWN_FINDINGS = 5


def _show_model(model_: ModelState) -> None:
    from runtime.control.views.models import retraining_of, rollout_of, standing

    champion = "none" if model_.champion is None else f"version {model_.champion}"
    former = ", ".join(str(number) for number in model_.former)
    rows = (
        ("model", model_.name),
        ("spec", model_.spec),
        ("partition", ", ".join(f"{column} {value}" for column, value in model_.partition.items())),
        ("standing", standing(model_)),
        ("champion", champion + (f" since {output.day(model_.champion_since)}" if model_.champion_since else "")),
        ("former champions", former),
        ("rollout", rollout_of(model_)),
        ("retraining", retraining_of(model_)),
    )
    output.fields((name, value) for name, value in rows if value)
    from runtime.domain.metrics import Metric, headline, spelled

    reports = [each.report for each in model_.versions.values() if each.report is not None]
    metric = next((found for each in reports if (found := headline(each.metrics)) is not None), Metric.MAE)
    output.table(
        ("version", "status", "data before", "rows", spelled(metric), "gates", "reason"),
        (_version_row(each, metric) for each in model_.versions.values()),
        right=("version", "rows", spelled(metric)),
        wrapped=("reason",),
    )


def _version_row(version: VersionState, metric: Metric) -> Sequence[object]:
    from runtime.domain.metrics import shown

    registered, report = version.registered, version.report
    measured = None if report is None else report.metrics.get(metric.value)
    passed = "" if report is None else f"{len(report.gates) - len(report.failures)} of {len(report.gates)}"
    return (
        version.number,
        version.status.value.replace("_", " "),
        output.day(registered.as_of),
        registered.train_rows,
        "" if measured is None else shown(metric, measured),
        passed,
        version.reason,
    )


def findings(
    name: _OnlyOf = None,
    open_: _OnlyOpen = False,  # noqa: FBT002
    output_: Output = Format.TABLE,
    limit: _Limit = 50,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """List alarms with their evidence and the policy's answer, newest last; incidents of many models before them."""
    from runtime.domain.model_state import FindingState

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        if name is not None:
            reader.model(name)
        listed = _listed(reader, name, only_waiting=open_)
    newest = listed[-limit:] if limit else listed
    if output_ is Format.JSON:
        output.as_json([document for _, document in newest])
    else:
        incidents = [document for found, document in newest if not isinstance(found, FindingState)]
        if incidents:
            _show_incidents(incidents)
        _show_findings([(found, document) for found, document in newest if isinstance(found, FindingState)])
    _note_rest(len(newest), len(listed))


def _listed(
    reader: Reader, name: str | None, *, only_waiting: bool
) -> list[tuple[FindingState | IncidentState, dict[str, Any]]]:
    """Incidents and findings with their documents, oldest first."""
    from runtime.control.views.findings import finding_document, incident_document
    from runtime.policy.triage import WAITING

    now, models = reader.head().ticks_until, {each.name: each for each in reader.models()}
    found: list[tuple[FindingState | IncidentState, dict[str, Any]]] = [
        (each, finding_document(each, models[each.opened.model], now))
        for each in reader.findings()
        if name in (None, each.opened.model)
    ]
    found += [
        (each, incident_document(each, now)) for each in reader.incidents() if name is None or name in each.models
    ]
    asked = [each for each in found if not only_waiting or each[1]["standing"] in WAITING]
    return sorted(asked, key=lambda each: each[0].seq)


def _show_incidents(documents: Sequence[dict[str, Any]]) -> None:
    output.table(
        ("entry", "incident", "as of", "cause", "models", "standing", "verdict"),
        (
            (
                str(each["entry"]),
                each["incident"][:_SHOWN_ID],
                each["as_of"][:10],
                f"{each['feature']} {each['direction']} from {each['source']}",
                len(each["models"]),
                each["standing"],
                each["verdict"]["reason"],
            )
            for each in documents
        ),
        right=("entry", "models"),
        wrapped=("cause", "verdict"),
    )


_SHOWN_ID = 8
"""Characters of a finding's id that are shown: enough to name it by."""


def _show_findings(newest: Sequence[tuple[FindingState, dict[str, Any]]]) -> None:
    output.table(
        ("entry", "id", "as of", "model", "finding", "standing", "verdict"),
        (_finding_row(finding, document["standing"]) for finding, document in newest),
        right=("entry",),
        wrapped=("finding", "verdict"),
    )


def _note_rest(shown: int, total: int) -> None:
    if shown < total:
        output.note(f"the newest {shown} of {total} findings; fleetward findings --limit N shows more")


def _finding_row(finding: FindingState, standing: str) -> Sequence[object]:
    from runtime.domain.estimates import expected_in_words, gap_in_words

    opened, answer = finding.opened, finding.verdict
    about = f"version {opened.version}: {opened.about.value.replace('_', ' ')}"
    evidence = f"evidence {opened.log_evidence:.1f} over {opened.log_threshold:.1f}"
    worst = f", {opened.features[0].feature}" if opened.features else ""
    if opened.breaches:
        evidence, worst = " ".join(filter(None, (opened.breaches[0].of, opened.breaches[0].told))), ""
    said = "" if answer is None else f"{answer.action.value.replace('_', ' ')}: {answer.reason}"
    told = (expected_in_words(opened.estimated), gap_in_words(opened.slices))
    what = "; ".join([f"{about}, {evidence}{worst}", *filter(None, told)])
    name = opened.finding[:_SHOWN_ID]
    return (str(finding.seq), name, output.day(opened.as_of), opened.model, what, standing, said)


def version(output_: Output = Format.TABLE) -> None:
    """Show the versions of Fleetward, Ray and Python."""
    import platform
    from importlib.metadata import version as installed

    document = {
        "fleetward": installed("fleetward"),
        "ray": installed("ray"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields(document.items())
