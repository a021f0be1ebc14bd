"""Writing an evidence pack: one pass over the ledger, one over the period's segments, then all that follows from them.

    leaves ──> ledger.bundle, and the entries that concern the model        (``proof.pack.entries``)
    segments ──> counts, and the records whose leaf hashes are the smallest (``evidence.sampling``)
    entries, counts ──> files and page                                      (``proof.pack.facts``)

Nothing is typed here that a verifier could not derive again; where something cannot be given, the pack says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from runtime.domain import canonical
from runtime.domain.errors import UnknownModel
from runtime.domain.ids import digest_of
from runtime.evidence.errors import EvidenceMissing
from runtime.evidence.export import deleted_in, whole_file
from runtime.evidence.ledger import SignedLedger
from runtime.evidence.sampling import Sampling, sampled
from runtime.ledger.walk import read_leaf
from runtime.proof.bundle import write_bundle
from runtime.proof.pack.entries import Collected
from runtime.proof.pack.facts import encoded, files
from runtime.proof.pack.form import BUNDLE, DECISIONS, MANIFEST, NOTE, PROOFS, SAMPLE, FileLine, Manifest, Period
from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.page import Head
from runtime.proof.pack.use import Decisions
from runtime.proof.passport import ProvenEntry
from runtime.storage.objects import ObjectStore

_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the same evidence gives the same archive."""


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """What was written: ``digest`` is the manifest's, and names the pack."""

    digest: str
    files: int
    entries: int
    samples: int
    decisions: Decisions
    gaps: list[dict[str, str]]


def write_pack(
    ledger: SignedLedger,
    store: ObjectStore,
    period: Period,
    path: Path,
    *,
    sample: int,
    passports: int,
    tell: Callable[[WrittenPack], object] = lambda _: None,
) -> WrittenPack:
    """The pack of a model and a period, under the ledger's head, with at most so many records and passports.

    ``tell`` is called when all is written, before the file has its name: what it raises leaves no pack. Raises
    ``UnknownModel``, ``EvidenceMissing`` (no entry of the period, no such file), ``LedgerCorrupt``, and
    what the store raises; nothing is written then.
    """
    with whole_file(path) as file:
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            written = _write(archive, ledger, store, period, Sampling(sample, passports))
        tell(written)
    return written


def _write(
    archive: ZipFile, ledger: SignedLedger, store: ObjectStore, period: Period, sampling: Sampling
) -> WrittenPack:
    writer = _Writer(archive)
    entries = Collected(period)
    with writer.opened(BUNDLE) as stream:
        write_bundle(stream, ledger.notes(), _taken(ledger, entries), deleted_in(ledger))
    told = _told(entries)
    chosen = sampled(entries, store, ledger, sampling)
    derived, cited = files(told, chosen.decisions, _head(ledger))
    writer.write(NOTE, ledger.head.note.encode())
    writer.write(DECISIONS, encoded(chosen.decisions))
    writer.write(SAMPLE, b"".join(canonical.encode(line) + b"\n" for line in chosen.lines))
    writer.write(PROOFS, b"".join(canonical.encode(each.as_document()) + b"\n" for each in _proven(ledger, cited)))
    for name, content in (derived | chosen.passports).items():
        writer.write(name, content)
    lines = tuple(sorted(writer.lines, key=lambda line: line.path))
    manifest = Manifest.model_validate(
        {"model": period.model, "from": period.since, "to": period.until, "files": lines}
    ).encode()
    writer.write(MANIFEST, manifest)
    gaps: list[dict[str, str]] = canonical.decode(derived["gaps.json"])
    return WrittenPack(digest_of(manifest), len(lines), entries.size, len(chosen.lines), chosen.decisions, gaps)


def _taken(ledger: SignedLedger, entries: Collected) -> Iterator[bytes]:
    """The leaves, each taken as it passes."""
    for seq, leaf in enumerate(ledger.leaves()):
        entries.take(seq, read_leaf(seq, leaf))
        yield leaf


def _told(entries: Collected) -> Ledger:
    """The model's ledger. Raises what makes a pack impossible."""
    period = entries.period
    what = f"the evidence pack of {period.model}"
    declared = [each for each in entries.of("model_declared") if each.event["model"] == period.model]
    if not declared:
        raise UnknownModel(period.model)
    if not (entries.first_time < period.until and period.since <= entries.last_time):
        reason = f"the entries under the checkpoint are of {entries.first_time} to {entries.last_time}"
        raise EvidenceMissing(what, f"no entry is of {period.since} to {period.until}: {reason}")
    told = Ledger.of(entries)
    if told is None:
        raise EvidenceMissing(what, f"it was declared on {declared[0].time}, after the period ended")
    return told


def _head(ledger: SignedLedger) -> Head:
    return Head(ledger.head.note.splitlines()[0], ledger.size, ledger.head.root)


def _proven(ledger: SignedLedger, cited: list[int]) -> Iterator[ProvenEntry]:
    return (ledger.proven_entry(seq) for seq in cited)


class _Writer:
    """Members of the archive as they are written, each with its line of the manifest."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self.lines: list[FileLine] = []

    def write(self, path: str, content: bytes) -> None:
        self._archive.writestr(_member(path), content)
        self.lines.append(FileLine(path=path, digest=digest_of(content), bytes=len(content)))

    @contextmanager
    def opened(self, path: str) -> Iterator[_Hashing]:
        """A member that is written in pieces."""
        with self._archive.open(_member(path), "w", force_zip64=True) as stream:
            hashing = _Hashing(stream)
            yield hashing
        self.lines.append(FileLine(path=path, digest=hashing.digest, bytes=hashing.bytes))


class _Hashing:
    """A stream that hashes what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, content: bytes, /) -> int:
        self._sha256.update(content)
        self.bytes += len(content)
        return self._stream.write(content)

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


def _member(path: str) -> ZipInfo:
    member = ZipInfo(path, _BEGINNING)
    member.compress_type = ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member
