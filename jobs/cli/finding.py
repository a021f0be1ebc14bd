"""``fleetward finding``: one finding or incident with its whole evidence, and what a person says to it.

``fleetward budget`` sets how many false alarms the fleet may raise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import bars, output
from jobs.cli.acting import recorded
from jobs.cli.options import Database, Format, Offline, Output, Past, Principal, Reason
from jobs.cli.reading import reading

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from jobs.cli.reading import Reader
    from runtime.domain.events import Event
    from runtime.domain.findings import Answer
    from runtime.domain.model_state import FindingState, IncidentState
    from runtime.domain.reports import SliceGap

_Id = Annotated[str, typer.Argument(metavar="ID", help="The finding's or incident's id, or the first letters of it.")]
_Acknowledge = Annotated[bool, typer.Option("--acknowledge", help="Say that you are looking at it.")]
_Snooze = Annotated[
    str | None,
    typer.Option(
        "--snooze", metavar="TIME", help="Not told again for so long (7d) or until a date, in the data's time."
    ),
]
_Accept = Annotated[bool, typer.Option("--accept", help="This is normal: its window is the baseline from now on.")]
_Dismiss = Annotated[bool, typer.Option("--dismiss", help="It was a false alarm.")]
_Resolve = Annotated[bool, typer.Option("--resolve", help="What it told of is repaired.")]
_Why = Annotated[str | None, typer.Option("--reason", help="Why; it stands in the ledger. Every answer needs one.")]
_FalseAlarms = Annotated[float, typer.Argument(metavar="N", help="At most so many in 30 days, in all models together.")]


def finding(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    finding_: _Id,
    acknowledge: _Acknowledge = False,  # noqa: FBT002
    snooze: _Snooze = None,
    accept: _Accept = False,  # noqa: FBT002
    dismiss: _Dismiss = False,  # noqa: FBT002
    resolve: _Resolve = False,  # noqa: FBT002
    reason: _Why = None,
    as_: Principal = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show one finding with its evidence, or answer it."""
    said = _said(acknowledge=acknowledge, snooze=snooze is not None, accept=accept, dismiss=dismiss, resolve=resolve)
    if said is not None:
        if reason is None or not reason.strip():
            raise typer.BadParameter(f"--{said[0]} needs a --reason: it stands in the ledger")
        why = reason
        recorded(lambda governed: _answer(governed, finding_, said[1], snooze, why), as_)
        return
    if reason is not None:
        raise typer.BadParameter("--reason goes with --acknowledge, --snooze, --accept, --dismiss or --resolve")
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        document = _document(reader, reader.finding(finding_))
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        _show(document)


def budget(false_alarms: _FalseAlarms, reason: Reason, as_: Principal = None) -> None:
    """Set how many false alarms all models together may raise in 30 days."""
    if not 0 < false_alarms <= _MOST:
        raise typer.BadParameter(f"{false_alarms:g} false alarms; expected more than 0 and at most {_MOST:,}")

    def event_of(_: Governed) -> Event:
        from runtime.domain.alarms import MonitoringBudgetSet

        return MonitoringBudgetSet(false_alarms=false_alarms, reason=reason)

    recorded(event_of, as_)


_MOST = 1_000_000


def _said(**asked: bool) -> tuple[str, Answer] | None:
    """The one answer that was given, by the name of its option; ``None`` for none."""
    given = [name for name, is_given in asked.items() if is_given]
    if len(given) > 1:
        raise typer.BadParameter(f"--{given[0]} and --{given[1]} are two answers; expected one")
    if not given:
        return None
    from runtime.domain.findings import Answer

    answers = dict(zip(asked, Answer, strict=True))  # both in the order of a finding's life
    return given[0], answers[given[0]]


def _answer(governed: Governed, name: str, said: Answer, snooze: str | None, reason: str) -> Event:
    from runtime.domain.findings import FindingAnswered
    from runtime.domain.model_state import FindingState

    asked = governed.finding(name)
    is_finding = isinstance(asked, FindingState)
    until = None if snooze is None else _until(snooze, max(governed.head().ticks_until, asked.opened.as_of))
    return FindingAnswered(
        finding=asked.opened.finding if isinstance(asked, FindingState) else asked.opened.incident,
        model=asked.opened.model if is_finding and isinstance(asked, FindingState) else None,
        answer=said,
        until=until,
        reason=reason,
    )


def _until(text: str, now: datetime) -> datetime:
    """A moment of data time, from a duration or a date."""
    from pydantic import TypeAdapter, ValidationError

    from runtime.domain.terms import Duration

    try:
        return now + TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        pass
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; expected a duration such as 7d, or a date") from None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    if until <= now:
        raise typer.BadParameter(f"{text} is over already: the data's time is {now:%Y-%m-%d %H:%M}")
    return until


def _document(reader: Reader, found: FindingState | IncidentState) -> dict[str, Any]:
    from runtime.control.views.findings import finding_document, incident_document
    from runtime.domain.model_state import FindingState

    now = reader.head().ticks_until
    if not isinstance(found, FindingState):
        return incident_document(found, now)
    document = finding_document(found, reader.model(found.opened.model), now)
    digest = found.opened.evidence
    return document if digest is None else {**document, "evidence_document": _evidence(digest)}


def _evidence(digest: str) -> Any:
    """The document from the store of the settings; a note where it is not to be had."""
    import json

    from runtime.domain.errors import FleetwardError
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    try:
        return json.loads(ObjectStore.open(Settings.from_environment().store).get(digest))
    except FleetwardError as error:
        output.note(f"the evidence cannot be shown: {error}")
        return None


def _show(document: dict[str, Any]) -> None:
    """Names and values, then bars."""
    verdict, answered = document["verdict"], document["answered"]
    said = answered and f"{answered['answer']} by {answered['by']} (entry {answered['seq']}): {answered['reason']}"
    rows = [
        ("incident" if "finding" not in document else "finding", document.get("finding") or document["incident"]),
        ("standing", document["standing"]),
        ("entry", document["entry"]),
        ("model", f"{document['model']} version {document['version']}" if "model" in document else None),
        ("models", ", ".join(document["models"]) if "models" in document else None),
        (
            "about",
            (document.get("about") or f"{document.get('feature')} {document.get('direction')}").replace("_", " "),
        ),
        ("source", document.get("source")),
        ("since", document.get("since")),
        ("as of", document["as_of"]),
        ("evidence", _over(document)),
        ("expected", _expected(document)),
        ("slices", _slices(document)),
        ("verdict", verdict and f"{verdict['action'].replace('_', ' ')}: {verdict['reason']}"),
        ("part of incident", document.get("incident") if "finding" in document else None),
        ("answer", said),
        ("acknowledged by", document["acknowledged_by"]),
        ("document", document.get("evidence")),
    ]
    output.fields((name, value) for name, value in rows if value is not None)
    evidence = document.get("evidence_document")
    if evidence:
        output.lines(bars.evidence_lines(evidence))


def _expected(document: dict[str, Any]) -> str | None:
    """What the rows promise whose outcomes are awaited, and what that takes for granted."""
    if "estimated" not in document:
        return None
    from runtime.domain.estimates import expected_in_words
    from runtime.domain.reports import EstimatedPerformance

    found = EstimatedPerformance.model_validate(document["estimated"])
    return f"{expected_in_words(found)} of {found.rows} rows, by {found.method.upper()}, assuming {found.assumes}"


def _slices(document: dict[str, Any]) -> str | None:
    """Of each column that is watched apart the value answered worst and the one answered best, and fairness gaps."""
    if not document.get("slices"):
        return None
    from runtime.domain.estimates import gap_in_words
    from runtime.domain.reports import SliceGap

    gaps = [SliceGap.model_validate(each) for each in document["slices"]]
    told = (f"{gap_in_words([gap])}{_unlike(gap)}, of {gap.values} values in {gap.rows:,} rows" for gap in gaps)
    return "; ".join(told)


def _unlike(gap: SliceGap) -> str:
    told = {
        "demographic parity": gap.demographic_parity_difference,
        "equalized odds": gap.equalized_odds_difference,
    }
    return "".join(f", {name} difference {value:.3f}" for name, value in told.items() if value is not None)


def _over(document: dict[str, Any]) -> str | None:
    if "log_evidence" not in document:
        return None
    return f"{document['log_evidence']:.1f} over {document['log_threshold']:.1f} (natural logarithms)"
