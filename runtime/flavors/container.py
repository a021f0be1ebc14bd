"""The artifact: one file that says itself what it is, the same bytes for the same model.

    zip, entries stored and in this order, dates fixed at 1980-01-01
    ├── manifest.json    canonical JSON: {container, flavor, schema, encoding}
    └── model.<format>   the flavor's own payload, e.g. model.skops

Stored, not deflated: a digest must not depend on the zlib at hand, and there is no bomb to defuse.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Literal

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.schema import Schema
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid

MANIFEST = "manifest.json"
MODEL = "model.skops"

UNREADABLE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on damaged bytes."""


class Manifest(Document):
    """What stands in ``manifest.json``."""

    container: Literal[1] = 1
    flavor: str
    model_schema: Schema
    encoding: Encoding


def pack(manifest: Manifest, model: bytes) -> bytes:
    """The artifact's bytes."""
    return write_zip({MANIFEST: canonical.encode(manifest.as_document()), MODEL: model})


def unpack(artifact: bytes) -> tuple[Manifest, bytes]:
    """The inverse of ``pack``; constructs nothing of the model. Raises ``ArtifactInvalid``."""
    entries = read_zip(artifact)
    if list(entries) != [MANIFEST, MODEL]:
        raise ArtifactInvalid(f"it holds {', '.join(entries) or 'nothing'} instead of {MANIFEST} and {MODEL}")
    try:
        manifest = Manifest.model_validate_json(entries[MANIFEST])
    except ValidationError as error:
        raise ArtifactInvalid(f"its manifest is not valid: {error.errors()[0]['msg']}") from error
    return manifest, entries[MODEL]


def write_zip(entries: Mapping[str, bytes]) -> bytes:
    """A zip of stored entries in the given order, without anything of this moment or machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # else it names the operating system at hand
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def read_zip(content: bytes) -> dict[str, bytes]:
    """All entries of a zip that ``write_zip`` wrote. Raises ``ArtifactInvalid``."""
    infos = check_zip(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename: archive.read(info) for info in infos}
    except UNREADABLE as error:
        raise ArtifactInvalid(f"its zip cannot be read: {error}") from error


def check_zip(content: bytes) -> list[zipfile.ZipInfo]:
    """The entries of a zip of stored entries, each there once, content unread. Raises ``ArtifactInvalid``."""
    if not content.startswith(b"PK\x03\x04"):
        raise ArtifactInvalid("it is no zip container; pickle and joblib files are never loaded, since that runs code")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
    except UNREADABLE as error:
        raise ArtifactInvalid(f"its zip cannot be read: {error}") from error
    if len({info.filename for info in infos}) != len(infos):
        raise ArtifactInvalid("an entry stands in it twice")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ArtifactInvalid("an entry is compressed, where all are stored")
    return infos
