"""Commands that write documents about one version in forms that others read: a model card, an ML-BOM."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.failing import CommandFailed
from jobs.cli.options import Database, Model, Offline, Past
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.documents.told import Told


class CardFormat(StrEnum):
    """In which form a card is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


_Which = Annotated[
    int | None,
    typer.Argument(metavar="[VERSION]", min=1, help="The version's number. [default: the champion, else the newest]"),
]
_Form = Annotated[CardFormat, typer.Option("--format", "-f", help="Markdown for Hugging Face, one HTML page, or JSON.")]
_Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", dir_okay=False, help="The file to write. [default: stdout]"),
]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where packages lie. [default: FLEETWARD_STORE]")
]


def card(
    name: Model,
    version: _Which = None,
    form: _Form = CardFormat.MARKDOWN,
    out: _Out = None,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
    as_of: Past = None,
) -> None:
    """Write the model card of a version, with who approved it and what was found since."""
    from runtime.documents.card import as_document, as_html, as_markdown

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        told = _told(reader, name, version, store)
    if form is CardFormat.JSON:
        written = _as_json(as_document(told))
    else:
        written = as_html(told) if form is CardFormat.HTML else as_markdown(told)
    _write(written, out)


def bom(
    name: Model,
    version: _Which = None,
    out: _Out = None,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
    as_of: Past = None,
) -> None:
    """Write what a version is made of as a CycloneDX 1.7 ML-BOM."""
    from runtime.documents.ml_bom import ml_bom

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        told = _told(reader, name, version, store)
    _write(_as_json(ml_bom(told)), out)


def _told(reader: Reader, name: str, number: int | None, store: str | None) -> Told:
    """All that is known of the version. Raises ``UnknownModel``, ``UnknownVersion``, ``CommandFailed``."""
    from runtime.documents.told import Told, newest_served

    model = reader.model(name)
    chosen = number or newest_served(model)
    if chosen is None:
        raise CommandFailed(f"{name} has no version yet: a document is about one")
    version = model.version(chosen)
    found = tuple(each for each in reader.findings() if (each.opened.model, each.opened.version) == (name, chosen))
    return Told(reader.specs()[model.spec], model, version, found, _package(version.registered.package, store))


def _package(digest: str, store: str | None) -> dict[str, Any] | None:
    """The package's manifest; a note says where it is not at hand, since the ledger alone tells less."""
    from runtime.domain import canonical
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectMissing, ObjectStore, StoreUnavailable

    try:
        content = ObjectStore.open(store or Settings.from_environment().store).get(digest)
    except (ObjectMissing, StoreUnavailable) as error:
        output.note(f"gap: the package's own document is not at hand ({error}); the rest comes from the ledger")
        return None
    manifest: dict[str, Any] = canonical.decode(content)
    return manifest


def _as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot write {out}: {error.strerror}") from error
    output.lines([f"{out}: {len(text.encode()):,} bytes"])
