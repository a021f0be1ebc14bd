"""``fleetward rollout``: how a rollout stands, and what people do to it. ``fleetward capacity``: of retrainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import recorded
from jobs.cli.options import Database, Format, Model, Offline, Output, Past, Principal, Reason
from jobs.cli.reading import reading

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.events import Event
    from runtime.domain.model_state import ModelState

_Pause = Annotated[bool, typer.Option("--pause", help="Hold it at its step; a broken guard still ends it.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Let a paused one go on.")]
_Promote = Annotated[
    bool, typer.Option("--promote", help="Skip the rest of its steps: the challenger is the champion.")
]
_Abort = Annotated[bool, typer.Option("--abort", help="End it; the champion stays.")]
_Release = Annotated[bool, typer.Option("--release-waves", help="Let later waves go on, though one ended badly.")]
_Why = Annotated[str | None, typer.Option("--reason", help="Why; it stands in the ledger. Every action needs one.")]
_Most = Annotated[int, typer.Argument(metavar="N", min=1, help="Retrain at most so many models.")]
_Every = Annotated[str, typer.Option("--every", metavar="TIME", help="In so long, in the data's time, such as 7d.")]


def rollout(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    name: Model,
    pause: _Pause = False,  # noqa: FBT002
    resume: _Resume = False,  # noqa: FBT002
    promote: _Promote = False,  # noqa: FBT002
    abort: _Abort = False,  # noqa: FBT002
    release_waves: _Release = False,  # noqa: FBT002
    reason: _Why = None,
    as_: Principal = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show a model's rollout, or act on it."""
    asked = {"pause": pause, "resume": resume, "promote": promote, "abort": abort, "release-waves": release_waves}
    given = [option for option, is_given in asked.items() if is_given]
    if len(given) > 1:
        raise typer.BadParameter(f"--{given[0]} and --{given[1]} are two actions; expected one")
    if given:
        if reason is None or not reason.strip():
            raise typer.BadParameter(f"--{given[0]} needs a --reason: it stands in the ledger")
        why = reason
        recorded(lambda governed: _ACTIONS[given[0]](governed, governed.model(name), why), as_)
        return
    if reason is not None:
        raise typer.BadParameter("--reason goes with " + ", ".join(f"--{option}" for option in asked))
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        document = _document(reader.model(name))
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        _show(document)


def capacity(models: _Most, reason: Reason, every: _Every = "7d", as_: Principal = None) -> None:
    """Set how many models may be retrained in a time; those whose waiting costs most go first."""

    def event_of(_: Governed) -> Event:
        from pydantic import ValidationError

        from runtime.domain.events import RetrainingBudgetSet

        try:
            return RetrainingBudgetSet.model_validate({"models": models, "every": every, "reason": reason})
        except ValidationError as error:
            raise typer.BadParameter(f"{every!r}: {error.errors()[0]['msg']}") from None

    recorded(event_of, as_)


def _running(model: ModelState) -> int:
    """The version that is being rolled out. Raises ``Refused`` when none is."""
    from runtime.domain.errors import Refused

    if model.rollout is None:
        raise Refused(f"acting on the rollout of {model.name}", "none is running")
    return model.rollout.version


def _paused(_: Governed, model: ModelState, reason: str) -> Event:
    from runtime.domain.events import RolloutPaused

    return RolloutPaused(model=model.name, version=_running(model), reason=reason)


def _resumed(_: Governed, model: ModelState, reason: str) -> Event:
    from runtime.domain.events import RolloutResumed

    return RolloutResumed(model=model.name, version=_running(model), reason=reason)


def _promoted(governed: Governed, model: ModelState, reason: str) -> Event:
    from runtime.domain.base import DAWN
    from runtime.domain.events import VersionPromoted

    until = governed.head().ticks_until
    as_of = None if until == DAWN else until
    return VersionPromoted(model=model.name, version=_running(model), reason=reason, as_of=as_of)


def _aborted(_: Governed, model: ModelState, reason: str) -> Event:
    from runtime.domain.events import RolloutAborted

    return RolloutAborted(model=model.name, version=_running(model), reason=reason)


def _released(_: Governed, model: ModelState, reason: str) -> Event:
    from runtime.domain.errors import Refused
    from runtime.domain.events import WavesResumed
    from runtime.domain.lifecycle import Status

    waiting = [each for each in model.versions.values() if each.status is Status.APPROVED]
    if not waiting:
        raise Refused(f"releasing the waves of {model.name}", "no version of it waits for its wave")
    newest = max(waiting, key=lambda version: version.number)
    return WavesResumed(spec=model.spec, batch=newest.registered.batch, reason=reason)


_ACTIONS: dict[str, Callable[[Governed, ModelState, str], Event]] = {
    "pause": _paused,
    "resume": _resumed,
    "promote": _promoted,
    "abort": _aborted,
    "release-waves": _released,
}


def _document(model: ModelState) -> dict[str, Any]:
    """The running rollout, its steps and what its guards say; ``rollout`` is absent when none runs."""
    from runtime.domain.base import rfc3339

    running = model.rollout
    document: dict[str, Any] = {"model": model.name, "champion": model.champion}
    if running is None:
        return document
    return document | {
        "rollout": {
            "version": running.version,
            "step": running.step,
            "steps": [step.as_document() for step in running.steps],
            "since": rfc3339(running.since),
            "paused": running.paused or None,
            "measured": None if running.measured is None else running.measured.as_document(),
            "measured_as_of": None if running.measured_as_of is None else rfc3339(running.measured_as_of),
            "guards": [reading.as_document() for reading in running.guards],
        }
    }


def _show(document: dict[str, Any]) -> None:
    from runtime.console.words import comparison_in_words, step_in_words
    from runtime.domain.events import Step
    from runtime.domain.reports import Comparison

    running = document.get("rollout")
    if running is None:
        output.lines([f"{document['model']}: no rollout is running"])
        return
    measured = running["measured"]
    rows = [
        ("model", document["model"]),
        ("champion", f"version {document['champion']}" if document["champion"] else "none"),
        ("challenger", f"version {running['version']}"),
        ("paused", running["paused"]),
        ("measured", comparison_in_words(Comparison.model_validate(measured)) if measured else None),
    ]
    output.fields((name, value) for name, value in rows if value is not None)
    steps = [Step.model_validate(step) for step in running["steps"]]
    marks = ("done", "now", "to come")
    output.table(
        ("step", "", "what"),
        (
            (str(at + 1), marks[(at >= running["step"]) + (at > running["step"])], step_in_words(step))
            for at, step in enumerate(steps)
        ),
        right=("step",),
    )
    if running["guards"]:
        output.table(
            ("guard", "rows", "value", "limit", "log evidence", "at which it ends"),
            (
                (
                    reading["guard"],
                    str(reading["rows"]),
                    *(f"{reading[name]:.4g}" for name in ("value", "limit", "log_evidence", "log_threshold")),
                )
                for reading in running["guards"]
            ),
            right=("rows", "value", "limit", "log evidence", "at which it ends"),
        )
