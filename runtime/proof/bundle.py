"""The export bundle: a whole ledger in one file, read once from front to back.

    {"checkpoints":[NOTE,...],"deleted":{"bodies":0,"records":0},"format":"fleetward-ledger-bundle","version":2}
    HASH LEAF                             entry 0, behind the head, which is canonical JSON
    HASH LEAF                             entry 1
    ...                                   as many as the last checkpoint says

Each line ends in one newline, which canonical JSON never holds. LEAF is the entry's bytes as the tree hashes them, HASH
its leaf hash in 64 hex digits: the tree is computed from the leaves alone, the digits tell which leaf is bad where the
root could only say that one is. NOTE is a signed checkpoint (C2SP), cosignatures included; their sizes grow, and the
last one's is the number of entries. The first ones narrow down where a history was changed.

What retention deleted are bodies of records, never entries: every leaf is here, and ``deleted`` says at the head, for
whoever reads no further, how many bodies the entries call deleted. Version 1 had no ``deleted``; it is read as before.

Nothing else stands in a bundle: what a verifier cannot check has no place in it.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from runtime.domain import canonical
from runtime.ledger.merkle import leaf_hash
from runtime.proof.errors import FileUnreadable

FORMAT = "fleetward-ledger-bundle"
VERSION = 2
WITHOUT_DELETED = 1
"""The version before: its head says nothing of deleted bodies."""
LONGEST_LINE_BYTES = 16 << 20
"""A line that grows beyond this is refused before it fills the memory."""

_HASH_CHARACTERS = 64
_PREFIX = _HASH_CHARACTERS + 1  # the hash and its space
_CHUNK_BYTES = 1 << 20


class Deleted(NamedTuple):
    """Bodies of segments that the ledger calls deleted, and the records that were in them."""

    bodies: int = 0
    records: int = 0


NOTHING_DELETED = Deleted()


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a bundle. ``deleted`` is None in a bundle of version 1."""

    notes: tuple[bytes, ...]
    deleted: Deleted | None


@dataclass(frozen=True, slots=True)
class Block:
    """Some entries in a row, each leaf with the hash that was computed from it.

    ``bad``: the next entry has a HASH that is not its leaf's, and reading ended there.
    """

    leaves: Sequence[bytes]
    hashes: Sequence[bytes]
    bad: bool = False


def write_bundle(
    stream: Writable, checkpoints: Sequence[bytes], leaves: Iterable[bytes], deleted: Deleted = NOTHING_DELETED
) -> int:
    """Write the signed notes and the leaves below the last one's size; the number of leaves written.

    The caller gives as many leaves as the last checkpoint says, and what their ``bodies_deleted`` entries add up to;
    a verifier would find out.
    """
    notes = [note.decode("utf-8") for note in checkpoints]
    head = {"checkpoints": notes, "deleted": deleted._asdict(), "format": FORMAT, "version": VERSION}
    stream.write(canonical.encode(head) + b"\n")
    written = 0
    for leaf in leaves:
        stream.write(hexlify(leaf_hash(leaf)) + b" " + leaf + b"\n")
        written += 1
    return written


def read_head(line: bytes) -> Head:
    """A bundle's first line, given without its newline. Raises ``FileUnreadable``."""
    document = document_of("bundle", line)
    if document.get("format") != FORMAT:
        raise FileUnreadable("bundle", f"its format is {document.get('format')!r}, not {FORMAT!r}")
    version = document.get("version")
    if version not in (VERSION, WITHOUT_DELETED) or type(version) is not int:  # in Python, True is 1 and 2.0 is 2
        raise FileUnreadable(
            "bundle", f"it has version {version!r}; this release reads {WITHOUT_DELETED} and {VERSION}"
        )
    notes = document.get("checkpoints")
    names = {"checkpoints", "format", "version", *(("deleted",) if version == VERSION else ())}
    if document.keys() != names or not isinstance(notes, list) or not notes:
        expected = ", ".join(sorted(names))
        raise FileUnreadable("bundle", f"its head is not {expected}, with one checkpoint at least")
    if not all(isinstance(note, str) for note in notes) or not _is_canonical(document, line):
        raise FileUnreadable("bundle", "its head is not canonical JSON of signed notes")
    return Head(tuple(note.encode("utf-8") for note in notes), _deleted(document))


def _deleted(document: dict[str, object]) -> Deleted | None:
    said = document.get("deleted")
    if document["version"] == WITHOUT_DELETED:
        return None
    if not isinstance(said, dict) or said.keys() != set(Deleted._fields):
        raise FileUnreadable("bundle", f"deleted in its head is {said!r}, not the numbers of bodies and of records")
    if not all(type(number) is int and number >= 0 for number in said.values()):
        raise FileUnreadable("bundle", f"deleted in its head is {said!r}, not two numbers")
    return Deleted(**said)


def _is_canonical(document: dict[str, object], line: bytes) -> bool:
    try:
        return canonical.encode(document) == line
    except ValueError:  # half of a surrogate pair, say
        return False


def document_of(what: str, line: bytes) -> dict[str, object]:
    """The JSON object of a file's first line. Raises ``FileUnreadable``."""
    try:
        document = canonical.decode(line)
    except (ValueError, RecursionError) as error:
        raise FileUnreadable(what, f"its first line is not JSON: {_short(error)}") from error
    if not isinstance(document, dict):
        raise FileUnreadable(what, "its first line is not a JSON object")
    return document


def _short(error: Exception) -> str:
    """A decoder's message without what it decoded, which may be a whole binary."""
    return str(error)[:100]


class Readable(Protocol):
    """All that is asked of a stream to be read."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """All that is asked of a stream to be written."""

    def write(self, content: bytes, /) -> int: ...


class Lines:
    """A stream as lines. ``first`` is the first of them; ``blocks`` gives the others, as they come."""

    def __init__(self, stream: Readable) -> None:
        """Raises ``FileUnreadable`` on a stream that is empty or has no end of line where one is due."""
        self._stream = stream
        self._rest = b""
        self._ended = False
        head = b""
        while b"\n" not in head and not self._ended:
            head += self._more(len(head))
        self.first, newline, self._rest = head.partition(b"\n")
        self.first_is_whole = bool(newline)
        if not head:
            raise FileUnreadable("file", "it is empty")

    def blocks(self, size: int) -> Iterator[Block]:
        """The ``size`` entries behind the head. Raises ``FileUnreadable`` if there are more or fewer."""
        if not self.first_is_whole:
            raise FileUnreadable("bundle", "it is cut off within its head")
        given = 0
        for lines in self._whole_lines():
            block = _block(lines[: size - given])
            yield block
            if block.bad:
                return
            given += len(lines)
            if given > size:
                raise FileUnreadable("bundle", f"something follows its {size} entries")
        if self._rest:
            raise FileUnreadable("bundle", f"it is cut off within entry {given} of {size}")
        if given < size:
            raise FileUnreadable("bundle", f"it ends after {given} of {size} entries")

    def _whole_lines(self) -> Iterator[list[bytes]]:
        """Lines in runs; what has no newline yet stays in ``_rest``."""
        while True:
            lines = self._rest.split(b"\n")
            self._rest = lines.pop()
            if lines:
                yield lines
            if self._ended:
                return
            self._rest += self._more(len(self._rest))

    def _more(self, held: int) -> bytes:
        if held > LONGEST_LINE_BYTES:
            raise FileUnreadable("file", f"it holds a line of more than {LONGEST_LINE_BYTES >> 20} MiB")
        chunk = self._stream.read(_CHUNK_BYTES)
        self._ended = not chunk
        return chunk


def _block(lines: list[bytes]) -> Block:
    leaves = [line[_PREFIX:] for line in lines]
    hashes = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    said = b"".join([line[:_PREFIX] for line in lines])
    if said == hexlify(b"".join(hashes), b" ", 32) + b" ":
        return Block(leaves, hashes)
    pairs = zip(lines, hashes, strict=True)
    bad = next(at for at, (line, hashed) in enumerate(pairs) if line[:_PREFIX] != hexlify(hashed) + b" ")
    return Block(leaves[:bad], hashes[:bad], bad=True)
