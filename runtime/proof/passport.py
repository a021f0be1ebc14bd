"""The decision passport: one answered request, and everything that made it right, in one JSON file.

    {"format": "fleetward-decision-passport", "version": 1,
     "checkpoint":  the signed note whose root all entries are proven under
     "decision":    {"decision_id", "rows", "records": [{"record", "proof"}]}     proven under the record_root
     "entries":     {NAME: {"seq", "leaf", "proof"}}                      proven under the checkpoint
     "gaps":        what could not be shown, by name}

        record ──record_root── segment
           └──grant_id── grant ──key── governor
                           ├──artifact── registration ──dataset── dataset
                           └──policy── approval ──principals── consents, request
                                          ├──policy── spec ──name── declaration
                                          └──version── evaluation
        record ──subject── erasure                       if the keys of its data subject were destroyed

The file is canonical JSON (RFC 8785) without a newline, so no byte of it can be changed without a change of meaning. A
leaf stands in it as a JSON value: its canonical bytes are what the tree hashed. Hashes are 64 hex digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StrictInt, StringConstraints, ValidationError

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.notebook import section, table
from runtime.ledger.merkle import leaf_hash, verify_inclusion
from runtime.proof.errors import FileUnreadable, PassportInvalid
from runtime.proof.places import first_difference, path_at, path_of

FORMAT: Final = "fleetward-decision-passport"
VERSION: Final = 1
FIRST_BYTES: Final = b'{"checkpoint":'
LARGEST_BYTES = 16 << 20

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hex."""

Proof = tuple[Hash, ...]
"""An inclusion proof of RFC 9162, 2.1.3.1, nearest the leaf first."""

Gap = Literal["dataset", "policy"]
"""``dataset``: no entry tells what the training data was; ``policy``: the spec is not the one approved under."""


class ProvenEntry(Document):
    """An entry of the ledger with its way up to the checkpoint's root."""

    seq: Annotated[StrictInt, Field(ge=0)]
    leaf: dict[str, Any]
    proof: Proof

    def is_under(self, root: bytes, size: int) -> bool:
        """Whether the leaf is entry ``seq`` of the tree of this size and root."""
        return _proven(self.leaf, self.seq, size, self.proof, root)


class ProvenRecord(Document):
    """A record of a segment, its columns by name, with its way up to the segment's record root."""

    record: dict[str, Any]
    proof: Proof

    def is_under(self, root: bytes, index: int, size: int) -> bool:
        """Whether this is record ``index`` of the segment of this size and root."""
        return _proven(self.record, index, size, self.proof, root)


class ProvenDecision(Document):
    """The rows of one answered request, in order. ``rows`` is the writer's word: no proof tells of rows left out."""

    decision_id: str
    rows: Annotated[StrictInt, Field(ge=1)]
    records: tuple[ProvenRecord, ...] = Field(min_length=1)


class ProvenEntries(Document):
    """What the ledger says of the version that decided. ``request`` and ``consents`` are there if people approved.

    ``opening`` and ``signature`` are there instead if two people let it serve in an emergency.
    ``erasure`` is there if the inputs of the records were made unreadable by then.
    """

    governor: ProvenEntry
    spec: ProvenEntry
    declaration: ProvenEntry
    dataset: ProvenEntry | None = None
    registration: ProvenEntry
    evaluation: ProvenEntry
    request: ProvenEntry | None = None
    consents: tuple[ProvenEntry, ...]
    approval: ProvenEntry
    grant: ProvenEntry
    segment: ProvenEntry
    erasure: ProvenEntry | None = None
    opening: ProvenEntry | None = None
    signature: ProvenEntry | None = None

    def named(self) -> Iterator[tuple[str, ProvenEntry]]:
        """Every entry with the path of its field."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, ProvenEntry):
                yield f"entries.{name}", value
        yield from ((f"entries.consents[{at}]", entry) for at, entry in enumerate(self.consents))


class Passport(Document):
    """A decision with its proof."""

    format: Literal["fleetward-decision-passport"] = FORMAT
    version: Literal[1] = VERSION
    checkpoint: str
    decision: ProvenDecision
    entries: ProvenEntries
    gaps: tuple[Gap, ...]

    def encode(self) -> bytes:
        """The file. What has no value is left out."""
        document = self.model_dump(mode="json")
        document["entries"] = {name: value for name, value in document["entries"].items() if value is not None}
        return canonical.encode(document)

    def _repr_html_(self) -> str:
        """In a notebook: what was decided, then the entries behind it. It says nothing of whether the proofs hold."""
        first = self.decision.records[0].record
        named = ("model", "version", "variant", "caller", "event_time")
        told = ", ".join(f"{name} {first[name]}" for name in named if name in first)
        answers = ", ".join(str(each.record.get("output")) for each in self.decision.records[:_SHOWN_ANSWERS])
        left_out = ", ..." if len(self.decision.records) > _SHOWN_ANSWERS else ""
        text = f"{told}; answered {answers}{left_out}. Not verified by being shown: fleetward verify FILE --key KEY"
        rows = (
            (name.removeprefix("entries."), str(each.seq), *_said(each.leaf)) for name, each in self.entries.named()
        )
        gaps = [f"not shown by the ledger: {gap}" for gap in self.gaps]
        title = f"Decision {self.decision.decision_id}, {self.decision.rows} rows"
        return section(title, "; ".join([text, *gaps]), table(("", "entry", "event", "by", "at"), rows))

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """The passport of a file, its form checked and nothing else. Raises ``FileUnreadable``, ``PassportInvalid``."""
        document = _document(content)
        try:
            passport = cls.model_validate(document)
        except ValidationError as error:
            problem = error.errors()[0]
            raise PassportInvalid(path_of(problem["loc"]), problem["msg"]) from error
        text, spelled = content.decode("utf-8"), passport.encode().decode("utf-8")
        if text != spelled:
            field = path_at(text, first_difference(text, spelled))
            raise PassportInvalid(field, "not in canonical JSON, or a value that is none")
        return passport


_SHOWN_ANSWERS = 5


def _said(leaf: dict[str, Any]) -> tuple[str, str, str]:
    """Event, principal and time of an entry; a file may hold anything."""
    event = leaf.get("event")
    kind = event.get("kind", "") if isinstance(event, dict) else ""
    return str(kind), str(leaf.get("principal", "")), str(leaf.get("time", ""))


def _document(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST_BYTES:
        raise FileUnreadable("passport", f"it has {len(content)} bytes; at most {LARGEST_BYTES} are read")
    if not content:
        raise FileUnreadable("passport", "it is empty")
    document = _json(content)
    if not isinstance(document, dict):
        raise FileUnreadable("passport", "it is not a JSON object")
    for name, expected in (("format", FORMAT), ("version", VERSION)):
        found = document.get(name)
        if found != expected or type(found) is not type(expected):  # in Python, True is 1 and 1.0 is 1
            raise PassportInvalid(name, f"it is {found!r}; this release reads {expected!r}")
    return document


def _json(content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise PassportInvalid(path_at(before, len(before)), f"byte {error.start} is not UTF-8") from error
    try:
        value = canonical.decode(content)
    except json.JSONDecodeError as error:
        raise PassportInvalid(path_at(text, error.pos), f"not JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FileUnreadable("passport", f"it is not JSON: {error}") from error
    for path, reason in _unsayable((), value):
        raise PassportInvalid(path_of(path), reason)
    return value


def _unsayable(path: tuple[int | str, ...], value: Any) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Values without a canonical form: numbers beyond all floats, halves of surrogate pairs."""
    try:
        canonical.encode([value])
    except (ValueError, RecursionError) as error:
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, part in parts:
            yield from _unsayable((*path, name), part)
        yield path, f"it has no canonical form: {error}"


def _proven(value: dict[str, Any], index: int, size: int, proof: Proof, root: bytes) -> bool:
    hashes = [bytes.fromhex(each) for each in proof]
    return verify_inclusion(leaf_hash(canonical.encode(value)), index, size, hashes, root)
