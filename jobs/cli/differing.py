"""``fleetward diff``: what a spec's file would change, and in what two versions of a model differ."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.options import Database, Format, Offline, Output
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.domain.model_state import ModelState

_File = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="SPEC.yaml", exists=True, dir_okay=False, help="Against what is applied."),
]
_Model = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Whose versions.")]
_Old = Annotated[int | None, typer.Argument(metavar="[VERSION]", min=1, help="[default: the champion]")]
_New = Annotated[int | None, typer.Argument(metavar="[VERSION]", min=1, help="[default: the newest]")]


def diff(
    model: _Model = None,
    old: _Old = None,
    new: _New = None,
    file: _File = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Show what differs: a spec's file and the spec that is applied, or two versions of a model."""
    if (model is None) == (file is None):
        raise typer.BadParameter("expected a model with two versions, or --file SPEC.yaml")
    with reading(offline=offline, database=database) as reader:
        before, after, names = _of_spec(reader, file) if file is not None else _of_versions(reader, model, old, new)
    changed = list(_changes("", before, after))
    if output_ is Format.JSON:
        output.as_json([{"at": at, "before": was, "after": is_} for at, was, is_ in changed])
    else:
        output.lines(_unified(before, after, names))


def _of_spec(reader: Reader, file: Path) -> tuple[dict[str, Any], dict[str, Any], tuple[str, str]]:
    from runtime.domain.load import load_spec

    spec = load_spec(file)
    present = reader.specs().get(spec.name)
    before = {} if present is None else present.as_document()
    return before, spec.as_document(), (f"{spec.name} (applied)" if before else "nothing applied", str(file))


def _of_versions(
    reader: Reader, name: str | None, old: int | None, new: int | None
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, str]]:
    from jobs.cli.failing import CommandFailed

    found = reader.model(name or "")
    first = old if old is not None else found.champion
    second = new if new is not None else max(found.versions, default=None)
    if first is None or second is None:
        raise CommandFailed(f"{found.name} has no champion to compare with; expected two versions")
    before, after = _version(found, first), _version(found, second)
    return before, after, (f"{found.name} version {first}", f"{found.name} version {second}")


def _version(model: ModelState, number: int) -> dict[str, Any]:
    """What it was made from and how it did; not the ids that differ always."""
    from runtime.control.views.models import version_document

    document = version_document(model.version(number))
    made = {name: value for name, value in document["registered"].items() if name not in _ALWAYS}
    report = document.get("report") or {}
    return {
        "status": document["status"],
        **made,
        "metrics": report.get("metrics", {}),
        "gates": {each["gate"]: each["passed"] for each in report.get("gates", [])},
    }


_ALWAYS = frozenset({"kind", "model", "version"})


def _changes(at: str, before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = list(dict.fromkeys([*before, *after]))
        return [
            change
            for name in names
            for change in _changes(f"{at}.{name}".lstrip("."), before.get(name), after.get(name))
        ]
    return [] if before == after else [(at, before, after)]


def _unified(before: dict[str, Any], after: dict[str, Any], names: tuple[str, str]) -> list[str]:
    import yaml

    old, new = (yaml.safe_dump(each, sort_keys=False, allow_unicode=True).splitlines() for each in (before, after))
    return list(difflib.unified_diff(old if before else [], new, *names, lineterm="")) or ["no difference"]
