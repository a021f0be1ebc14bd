"""What stands in an evidence pack: a zip archive whose last member, the manifest, names all others.

    manifest.json   {"files":[{"bytes","digest","path"},...],"format","from","model","to","version"}   canonical JSON
    ledger.bundle   the whole ledger under its newest checkpoint (see ``proof.bundle``)
    checkpoint.note that checkpoint alone
    proofs.jsonl    {"leaf","proof","seq"} a line: each entry that is cited, proven under the checkpoint
    *.json          derived from the entries; ``decisions.json`` counted from records
    sample.jsonl    {"proof","record","segment"} a line: decision records, proven under their segments' record roots
    passports/N.json passports of some of them
    evidence.html   all of it for people

Each member is canonical JSON but for the bundle, the note and the page; files of lines hold one document a line.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, StrictInt, StringConstraints, ValidationError

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.ids import Digest, ModelName
from runtime.proof.errors import FileUnreadable
from runtime.proof.places import path_of

FORMAT: Final = "fleetward-evidence-pack"
VERSION: Final = 1
FIRST_BYTES: Final = b"PK\x03\x04"

MANIFEST: Final = "manifest.json"
BUNDLE: Final = "ledger.bundle"
NOTE: Final = "checkpoint.note"
PROOFS: Final = "proofs.jsonl"
DECISIONS: Final = "decisions.json"
SAMPLE: Final = "sample.jsonl"
PASSPORTS: Final = "passports/"
PAGE: Final = "evidence.html"

Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
"""A moment as the ledger spells it: text order is time order."""


class Period(NamedTuple):
    """A model and a stretch of the ledger's time: ``since`` is in it, ``until`` is not."""

    model: str
    since: str
    until: str

    def holds(self, time: str) -> bool:
        """Whether the moment is of the period."""
        return self.since <= time < self.until


class FileLine(Document):
    """A member of the archive."""

    path: str
    digest: Digest
    bytes: Annotated[StrictInt, Field(ge=0)]


class Manifest(Document):
    """What is in a pack, and what it is about."""

    format: Literal["fleetward-evidence-pack"] = FORMAT
    version: Literal[1] = VERSION
    model: ModelName
    from_: Time = Field(alias="from", serialization_alias="from")
    to: Time
    files: tuple[FileLine, ...]

    @property
    def period(self) -> Period:
        """What the pack is about."""
        return Period(self.model, self.from_, self.to)

    def encode(self) -> bytes:
        """The member."""
        return canonical.encode(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """The manifest of these bytes, its form checked. Raises ``FileUnreadable``."""
        try:
            manifest = cls.model_validate(canonical.decode(content))
            again = manifest.encode()
        except ValidationError as error:
            problem = error.errors()[0]
            raise _unreadable(f"{path_of(problem['loc'])}: {problem['msg']}") from error
        except (ValueError, RecursionError) as error:
            raise _unreadable(f"not JSON: {str(error)[:100]}") from error
        if again != content:
            raise _unreadable("not canonical JSON")
        paths = [line.path for line in manifest.files]
        if paths != sorted(set(paths)) or MANIFEST in paths:
            raise _unreadable("files: not in order of their paths, or named twice")
        if manifest.from_ >= manifest.to:
            raise _unreadable(f"to: {manifest.to} is not after from, {manifest.from_}")
        return manifest


def _unreadable(reason: str) -> FileUnreadable:
    return FileUnreadable("evidence pack", f"{MANIFEST} {reason}")
