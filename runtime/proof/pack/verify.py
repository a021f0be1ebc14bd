"""The offline check of an evidence pack: nothing of it is believed that does not follow from its own bundle.

    1  archive     whole, with the members that the manifest names and no others
    2  bundle      ``proof.verify_bundle``: signatures, every leaf, every root; the model's entries are taken from it
    3  decisions   the segments are the bundle's, the numbers add up, each record of the sample is proven
    4  files       derived again from the entries (and the numbers of 3), byte for byte, the page too
    5  proofs      each cited entry, proven alone under the checkpoint
    6  passports   ``proof.verify_passport``, under the same checkpoint
    7  digests     of every member, as the manifest says

The first file that does not hold is named, with the field or line. What no check can show is named in the result:
counts of records that are not in the pack (``word``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.domain import canonical
from runtime.proof.bundle import Lines, read_head
from runtime.proof.checkpoints import Keys, Witnessed
from runtime.proof.errors import PackInvalid, PassportInvalid
from runtime.proof.pack.archive import Archive
from runtime.proof.pack.entries import Collected
from runtime.proof.pack.facts import files
from runtime.proof.pack.form import BUNDLE, DECISIONS, MANIFEST, NOTE, PAGE, PASSPORTS, PROOFS, SAMPLE
from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.page import Head
from runtime.proof.pack.samples import SampleLine, require_decisions
from runtime.proof.pack.use import Decisions
from runtime.proof.passport import Passport, ProvenEntry
from runtime.proof.places import first_difference, first_unlike, path_at, path_of
from runtime.proof.verify_bundle import BundleVerification, verify_bundle
from runtime.proof.verify_passport import verify_passport

_Form = TypeVar("_Form", bound=BaseModel)
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class PackVerification:
    """A pack that holds. ``word`` says what in it is the word of whoever wrote it; ``digest`` is the manifest's."""

    model: str
    period_from: str
    period_to: str
    digest: str
    files: int
    origin: str
    size: int
    root: str
    checkpoints: int
    first_time: datetime | None
    last_time: datetime | None
    records: int
    records_in_pack: int
    passports: int
    gaps: int
    bodies_deleted: int
    records_deleted: int
    word: tuple[str, ...]
    witnesses: tuple[Witnessed, ...]
    extends: int | None
    unchecked: tuple[str, ...]


def verify_pack(source: BinaryIO, keys: Keys, *, since: bytes | None = None) -> PackVerification:
    """Check a whole pack, and that its bundle extends the older checkpoint ``since``.

    Raises ``PackInvalid`` naming file and field, ``LedgerCorrupt`` and ``CheckpointRefused`` for its bundle, and
    ``FileUnreadable`` for what is no whole pack.
    """
    archive = Archive(source)
    entries = Collected(archive.manifest.period)
    bundle, note = _bundle(archive, keys, entries, since)
    ledger = Ledger.of(entries)
    if ledger is None:
        raise PackInvalid(MANIFEST, "model", f"the bundle declares no {entries.period.model} before the period ends")
    decisions = _decoded(DECISIONS, archive.read(DECISIONS), Decisions)
    sample = [_decoded(SAMPLE, line, SampleLine, at) for at, line in enumerate(_lines(archive, SAMPLE))]
    require_decisions(decisions, entries, sample)
    derived, cited = files(ledger, decisions, Head(bundle.origin, bundle.size, bundle.root))
    derived[NOTE] = note
    for path, content in derived.items():
        _require_same(path, archive.read(path), content)
    _require_proofs(archive, cited, bundle)
    _require_passports(archive, keys, decisions, note)
    _require_no_others(archive, derived, decisions)
    for path in archive.lines:
        if path != BUNDLE:
            archive.require_digest(path, archive.read(path))
    return _verification(archive, bundle, decisions, len(canonical.decode(derived["gaps.json"])))


def _bundle(archive: Archive, keys: Keys, entries: Collected, since: bytes | None) -> tuple[BundleVerification, bytes]:
    """The bundle's verification, and its last note."""
    with archive.bundle() as stream:
        lines = Lines(stream)
        checked = verify_bundle(lines, keys, since=since, take=entries.take)
    return checked, read_head(lines.first).notes[-1]


def _decoded(path: str, content: bytes, form: type[_Form], at: int | None = None) -> _Form:
    """A document of its form and in canonical JSON. Raises ``PackInvalid``."""
    start: tuple[int, ...] = () if at is None else (at,)
    try:
        value = canonical.decode(content)
        found = form.model_validate(value)
        again = canonical.encode(value)
    except ValidationError as error:
        problem = error.errors()[0]
        raise PackInvalid(path, path_of((*start, *problem["loc"])), problem["msg"]) from error
    except (ValueError, RecursionError) as error:
        raise PackInvalid(path, path_of(start), f"not JSON: {str(error)[:100]}") from error
    if again != content:
        raise PackInvalid(path, path_of(start), "not canonical JSON")
    return found


def _lines(archive: Archive, path: str) -> list[bytes]:
    content = archive.read(path)
    if content and not content.endswith(b"\n"):
        raise PackInvalid(path, "", "its last line is cut off")
    return content.split(b"\n")[:-1]


def _require_same(path: str, found: bytes, expected: bytes) -> None:
    """Raises ``PackInvalid`` at the first character that does not follow from the entries."""
    if found == expected:
        return
    text, due = found.decode("utf-8", "replace"), expected.decode("utf-8")
    at = first_difference(text, due)
    field = f"line {text.count(chr(10), 0, at) + 1}"
    shown = [each[max(at - _SHOWN // 2, 0) : at + _SHOWN] for each in (text, due)]
    if path not in (PAGE, NOTE):
        field, shown = _unlike(found, expected) or (path_at(text, at), shown)
    raise PackInvalid(path, field, f"{shown[0]!r}, where the entries give {shown[1]!r}")


def _unlike(found: bytes, expected: bytes) -> tuple[str, list[str]] | None:
    """The first value that differs, if the file is JSON at all and says another thing."""
    try:
        said, due = canonical.decode(found), canonical.decode(expected)
    except (ValueError, RecursionError):
        return None
    place, *values = first_unlike(said, due)
    return None if said == due else (path_of(place), [str(value)[: 2 * _SHOWN] for value in values])


def _require_proofs(archive: Archive, cited: list[int], bundle: BundleVerification) -> None:
    """One proven entry for each that is cited, in order."""
    proven = [_decoded(PROOFS, line, ProvenEntry, at) for at, line in enumerate(_lines(archive, PROOFS))]
    for at, (entry, seq) in enumerate(zip(proven, cited, strict=False)):
        if entry.seq != seq:
            raise PackInvalid(PROOFS, f"[{at}].seq", f"{entry.seq}, where entry {seq} is cited")
        if not entry.is_under(bytes.fromhex(bundle.root), bundle.size):
            raise PackInvalid(PROOFS, f"[{at}]", f"its leaf and proof do not make it entry {seq} of {bundle.size}")
    if len(proven) != len(cited):
        raise PackInvalid(PROOFS, "", f"{len(proven)} entries, where {len(cited)} are cited")


def _require_passports(archive: Archive, keys: Keys, decisions: Decisions, note: bytes) -> None:
    for at, line in enumerate(decisions.passports):
        if (line.file is None) == (line.why is None):
            raise PackInvalid(DECISIONS, f"passports[{at}]", "expected a file, or why there is none")
        if line.file is None:
            continue
        content = archive.read(line.file)
        try:
            checked = verify_passport(content, keys)
        except PassportInvalid as error:
            raise PackInvalid(line.file, error.field, error.reason) from error
        said = (checked.decision_id, checked.model, Passport.decode(content).checkpoint.encode())
        due = (line.decision_id, archive.manifest.model, note)
        for name, found, expected in zip(
            ("decision.decision_id", "entries.registration", "checkpoint"), said, due, strict=True
        ):
            if found != expected:
                raise PackInvalid(line.file, name, f"{found!r}, where {expected!r} is due")


def _require_no_others(archive: Archive, derived: dict[str, Any], decisions: Decisions) -> None:
    """Nothing is in the pack that was not checked."""
    passports = {each.file for each in decisions.passports}
    for at, path in enumerate(archive.lines):
        if path not in {*derived, *passports, BUNDLE, DECISIONS, SAMPLE, PROOFS}:
            what = "no passport that decisions.json names" if path.startswith(PASSPORTS) else "no file of a pack"
            raise PackInvalid(MANIFEST, f"files[{at}].path", f"{path} is {what}")


def _verification(archive: Archive, bundle: BundleVerification, decisions: Decisions, gaps: int) -> PackVerification:
    counts, sample = decisions.counts, decisions.sample
    others = sum(each.records - (each.of_model or 0) for each in decisions.segments if each.body == "read")
    word = []
    if not sample.whole:
        word.append(f"counts and latencies of the {counts.records - sample.records} records that are not in the pack")
    if others:
        word.append(f"that {others} other records of these segments are of other models or times")
    if unread := [each for each in decisions.segments if each.body in ("missing", "damaged")]:
        word.append(f"that {len(unread)} bodies are missing or damaged")
    manifest = archive.manifest
    return PackVerification(
        model=manifest.model,
        period_from=manifest.from_,
        period_to=manifest.to,
        digest=archive.digest,
        files=len(archive.lines),
        origin=bundle.origin,
        size=bundle.size,
        root=bundle.root,
        checkpoints=bundle.checkpoints,
        first_time=bundle.first_time,
        last_time=bundle.last_time,
        records=counts.records,
        records_in_pack=sample.records,
        passports=sum(each.file is not None for each in decisions.passports),
        gaps=gaps,
        bodies_deleted=bundle.bodies_deleted,
        records_deleted=bundle.records_deleted,
        word=tuple(word),
        witnesses=bundle.witnesses,
        extends=bundle.extends,
        unchecked=bundle.unchecked,
    )
