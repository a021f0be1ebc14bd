"""``fleetward verify``: the offline check. It needs a file and public keys, and neither a ledger nor a cluster."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from jobs.cli import output
from jobs.cli.failing import CommandFailed
from jobs.cli.options import Format, Output

if TYPE_CHECKING:
    from runtime.proof.bundle import Lines
    from runtime.proof.checkpoints import Keys
    from runtime.proof.pack.verify import PackVerification
    from runtime.proof.verify_bundle import BundleVerification
    from runtime.proof.verify_passport import PassportVerification

    Verification = BundleVerification | PassportVerification | PackVerification

_File = Annotated[
    str, typer.Argument(metavar="FILE", help="A bundle, a passport or an evidence pack; - reads it from stdin.")
]
Keyring = Annotated[
    list[str],
    typer.Option(
        "--key",
        metavar="VKEY",
        help="The ledger's public key, got from somebody you trust; again for each earlier one.",
    ),
]
Witnesses = Annotated[
    list[str] | None,
    typer.Option("--witness-key", metavar="VKEY", help="A witness that must have cosigned; may be repeated."),
]
_Since = Annotated[
    Path | None,
    typer.Option("--since", metavar="FILE", help="A checkpoint kept from before: the bundle must extend it."),
]


def verify(
    file: _File, key: Keyring, witness_key: Witnesses = None, since: _Since = None, output_: Output = Format.TABLE
) -> None:
    """Check an exported bundle, a decision's passport or an evidence pack, offline, with public keys alone."""
    keys = keys_of(key, witness_key)
    older = None if since is None else read_file(since)
    with _opened(file) as stream, output.working("verifying"):
        pack = _as_pack(stream)
        checked = _verified(stream, keys, older) if pack is None else _verified_pack(pack, keys, older)
    document = _document(checked)
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields((name.replace("_", " "), _shown(value)) for name, value in document.items() if value)
    for name in checked.unchecked:
        output.note(f"{name} signed the checkpoint too: not checked, since no --witness-key was given for it")


def keys_of(own: list[str], witnesses: list[str] | None) -> Keys:
    """The keys that the options name. Raises ``KeyUnusable``, and ``typer.BadParameter`` on keys of several logs."""
    from runtime.ledger.note import Verifier
    from runtime.proof.checkpoints import Keys

    log, *earlier = (Verifier.parse(each) for each in own)
    for each in earlier:
        if each.name != log.name:
            raise typer.BadParameter(f"{each.name} is another ledger than {log.name}", param_hint="--key")
    return Keys(log, tuple(Verifier.parse(each) for each in witnesses or ()), tuple(earlier))


def _as_pack(stream: BinaryIO) -> BinaryIO | None:
    """The stream, if it begins as an archive does; what comes through a pipe is copied, for it is not read in order."""
    from runtime.proof.pack.form import FIRST_BYTES

    size = len(FIRST_BYTES)
    if stream.seekable():
        first = stream.read(size)
        stream.seek(0)
        return stream if first == FIRST_BYTES else None
    if not isinstance(stream, io.BufferedReader) or stream.peek(size)[:size] != FIRST_BYTES:
        return None
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - read until the process ends
    shutil.copyfileobj(stream, copy)
    return copy


def _verified_pack(stream: BinaryIO, keys: Keys, older: bytes | None) -> PackVerification:
    from runtime.proof.pack.verify import verify_pack

    return verify_pack(stream, keys, since=older)


def _verified(stream: BinaryIO, keys: Keys, older: bytes | None) -> BundleVerification | PassportVerification:
    from runtime.proof import bundle, passport
    from runtime.proof.errors import FileUnreadable
    from runtime.proof.verify_bundle import verify_bundle
    from runtime.proof.verify_passport import verify_passport

    lines = bundle.Lines(stream)
    if _format_of(lines) == passport.FORMAT:
        if older is not None:
            raise typer.BadParameter("--since is for bundles: a passport holds one checkpoint and no history")
        if lines.first_is_whole:
            raise FileUnreadable("passport", "something follows its JSON")
        return verify_passport(lines.first, keys)
    return verify_bundle(lines, keys, since=older)


def _format_of(lines: Lines) -> object:
    """What the first line says it is; of a damaged passport, what its first bytes say."""
    from runtime.proof import passport
    from runtime.proof.bundle import document_of
    from runtime.proof.errors import FileUnreadable

    try:
        return document_of("file", lines.first).get("format")
    except FileUnreadable:
        if lines.first.startswith(passport.FIRST_BYTES):
            return passport.FORMAT
        raise


def _document(checked: Verification) -> dict[str, Any]:
    """The result as JSON: ``result`` first, then every field that says something."""
    what = _KINDS[type(checked).__name__]
    said = {field.name: getattr(checked, field.name) for field in fields(checked)}
    said["witnesses"] = [{"name": each.name, "time": _plain(each.time)} for each in checked.witnesses]
    return {"result": "good", "file": what, **{name: _plain(value) for name, value in said.items()}}


def _plain(value: Any) -> Any:
    from runtime.domain.base import rfc3339

    if isinstance(value, datetime):
        return rfc3339(value)
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> object:
    if not isinstance(value, list):
        return value
    return "\n".join(f"{each['name']} at {each['time']}" if isinstance(each, dict) else str(each) for each in value)


_KINDS = {
    "BundleVerification": "bundle",
    "PassportVerification": "passport",
    "PackVerification": "evidence pack",
}


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; only opening may fail as a wrong name
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from error
