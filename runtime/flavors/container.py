"""The artifact: one file that says itself what it is, the same bytes for the same model.

    zip, entries stored and in this order, dates fixed at 1980-01-01
    ├── manifest.json    canonical JSON: {container, flavor, schema, files: {name: digest}, encoding?, twin?, options?}
    └── model.<format>   the flavor's own files, in order of their names, e.g. model.onnx, model.skops

Stored, not deflated: a digest must not depend on the zlib at hand, and there is no bomb to defuse. Each file is
checked against its digest, and its name against the list of formats, before anything looks into it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Literal, TypeVar
from weakref import WeakValueDictionary

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.ids import Digest, digest_of
from runtime.domain.schema import Schema
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid

MANIFEST = "manifest.json"

FORMATS = (".skops", ".onnx", ".json", ".txt", ".safetensors", ".yaml", ".py")
"""What an artifact may hold: formats whose readers run nothing that stands in them. ``.py`` is compared, never run."""

_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))

_Shared = TypeVar("_Shared", Schema, Encoding)
_SCHEMAS: WeakValueDictionary[str, Schema] = WeakValueDictionary()
_ENCODINGS: WeakValueDictionary[str, Encoding] = WeakValueDictionary()
"""What is said of versions in memory, by its JSON."""

UNREADABLE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on damaged bytes."""


class Twin(Document):
    """A second form of the model that answers in place of the original, which is kept beside it.

    It was asked about ``rows`` rows, with and without gaps, and differed by ``largest_difference`` at most.
    """

    file: str
    rows: int
    largest_difference: float


class Manifest(Document):
    """What stands in ``manifest.json``. ``options`` is what a flavor must know that its files do not say."""

    container: Literal[1] = 1
    flavor: str
    model_schema: Schema
    files: dict[str, Digest] = {}
    encoding: Encoding | None = None
    twin: Twin | None = None
    options: dict[str, str] | None = None


def pack(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The artifact's bytes; the manifest's ``files`` become the digests of these."""
    ordered = dict(sorted(files.items()))
    whole = manifest.model_copy(update={"files": {name: digest_of(content) for name, content in ordered.items()}})
    return write_zip({MANIFEST: canonical.encode(whole.as_document()), **ordered})


def unpack(artifact: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """The inverse of ``pack``; constructs nothing of the model. Raises ``ArtifactInvalid`` naming the file at fault."""
    entries = read_zip(artifact)
    if MANIFEST not in entries:
        raise ArtifactInvalid(f"it holds {', '.join(entries) or 'nothing'}, but no {MANIFEST}")
    try:
        manifest = _sharing(Manifest.model_validate_json(entries.pop(MANIFEST)))
    except ValidationError as error:
        raise ArtifactInvalid(f"its manifest is not valid: {error.errors()[0]['msg']}") from error
    if list(entries) != sorted(manifest.files):
        found, named = ", ".join(entries) or "no file", ", ".join(sorted(manifest.files)) or "none"
        raise ArtifactInvalid(f"it holds {found}, where its manifest names {named}")
    for name, content in entries.items():
        _check_file(name, content, manifest.files[name])
    return manifest, entries


def _sharing(manifest: Manifest) -> Manifest:
    """The manifest, with schema and encoding of another version in memory where they are equal.

    The versions of a fleet have the same columns, and a linear model is smaller than what is said of them.
    """
    shared: dict[str, Schema | Encoding] = {"model_schema": _known(_SCHEMAS, manifest.model_schema)}
    if manifest.encoding is not None:
        shared["encoding"] = _known(_ENCODINGS, manifest.encoding)
    return manifest.model_copy(update=shared)


def _known(known: WeakValueDictionary[str, _Shared], new: _Shared) -> _Shared:
    return known.setdefault(new.model_dump_json(), new)


def _check_file(name: str, content: bytes, digest: Digest) -> None:
    suffix = "." + name.rpartition(".")[2]
    if suffix not in FORMATS:
        allowed = ", ".join(FORMATS)
        raise ArtifactInvalid(f"its file {name} is none of the formats that are loaded without running it: {allowed}")
    if content.startswith(_PICKLE):
        raise ArtifactInvalid(f"its file {name} is a pickle or joblib file; those are never loaded: it runs code")
    found = digest_of(content)
    if found != digest:
        raise ArtifactInvalid(f"its file {name} hashes to {found}, not to {digest} as its manifest says")


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
