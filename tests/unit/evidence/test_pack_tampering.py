"""Whatever is done to a pack, and however well the rest is made to fit, verification says which file and what in it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import pytest

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.ids import digest_of
from runtime.ledger.log import Log
from runtime.proof.checkpoints import Keys
from runtime.proof.errors import CheckpointRefused, ProofInvalid
from runtime.proof.pack.form import MANIFEST
from tests.unit.domain.lives import MONDAY
from tests.unit.evidence.conftest import Installation
from tests.unit.evidence.packs import checked, lived, members, repacked, written
from tests.unit.proof.cases import STRANGER, WITNESS, witness_keys

FILES = (
    *("approvals.json", "checkpoint.note", "clauses.json", "decisions.json", "evidence.html", "findings.json"),
    *("gaps.json", "incidents.json", "inventory.json", "keeping.json", "ledger.bundle", "passports/1.json"),
    *("passports/2.json", "proofs.jsonl", "retrainings.json", "rollouts.json", "sample.jsonl", "versions.json"),
)


class Pack(NamedTuple):
    """A good pack with all records in it, one with a few, and the keys."""

    content: bytes
    sampled: bytes
    kept: bytes
    keys: Keys


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("pack")
    clock: list[Installation] = []
    with Log.open(f"sqlite:///{folder / 'ledger.db'}", lambda: clock[0].clock() if clock else MONDAY) as log:
        installation = Installation(folder, log)
        clock.append(installation)
        kept = installation.publish()
        lived(installation)
        written(installation, folder / "whole.zip")
        written(installation, folder / "sampled.zip", sample=5)
        whole, sampled = ((folder / name).read_bytes() for name in ("whole.zip", "sampled.zip"))
        return Pack(whole, sampled, kept, installation.keys)


def refusal(content: bytes, keys: Keys) -> str:
    with pytest.raises((ProofInvalid, LedgerCorrupt)) as refused:
        checked(content, keys)
    return str(refused.value)


def with_file(content: bytes, name: str, change: Callable[[bytes], bytes], *, fitting: bool = True) -> bytes:
    """The pack with another content of one file."""
    files = members(content)
    changed = change(files[name])
    assert changed != files[name]
    return repacked(files | {name: changed}, fitting=fitting)


def with_value(content: bytes, name: str, change: Callable[[Any], object]) -> bytes:
    """The pack with another value in one JSON file."""

    def changed(old: bytes) -> bytes:
        document = canonical.decode(old)
        change(document)
        return canonical.encode(document)

    return with_file(content, name, changed)


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_the_pack_holds_before_it_is_changed_and_has_these_files(pack: Pack) -> None:
    for content in (pack.content, pack.sampled):
        checked(content, pack.keys)
        checked(repacked(members(content)), pack.keys)
        assert sorted(members(content)) == sorted((*FILES, MANIFEST))


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.999])
def test_no_byte_of_any_file_can_be_changed_though_the_manifest_is_made_to_fit(
    name: str, part: float, pack: Pack
) -> None:
    size = len(members(pack.content)[name])
    changed = with_file(pack.content, name, lambda old: flipped(old, int(size * part)), fitting=name != MANIFEST)
    said = refusal(changed, pack.keys)
    where = {"ledger.bundle": ("ledger entry", "bundle", "checkpoints[0]"), "checkpoint.note": (name, "checkpoint")}
    assert any(each in said for each in where.get(name, (name,))), said


@pytest.mark.parametrize("name", FILES)
def test_the_manifest_must_name_each_file_as_it_is(name: str, pack: Pack) -> None:
    def changed(manifest: Any) -> None:
        (line,) = (line for line in manifest["files"] if line["path"] == name)
        line["digest"] = digest_of(b"else")

    files = members(pack.content)
    manifest = canonical.decode(files[MANIFEST])
    changed(manifest)
    said = refusal(repacked(files | {MANIFEST: canonical.encode(manifest)}, fitting=False), pack.keys)
    assert f"manifest.json field files[{sorted(FILES).index(name)}].digest: {name} hashes to" in said


CHANGES: list[tuple[str, str, Callable[[Any], object], str]] = [
    (
        "the owner",
        "inventory.json",
        lambda d: d[9]["value"].update(team="nobody"),
        "inventory.json field [9].value.team",
    ),
    ("a gap filled", "inventory.json", lambda d: d[3].update(gap="none"), "inventory.json field [3].gap"),
    ("a gap dropped", "gaps.json", lambda d: d.pop(0), "gaps.json field [0]"),
    (
        "a gate passed",
        "versions.json",
        lambda d: d[0]["evaluated"][0]["report"]["gates"][0].update(value=1),
        "gates[0].value: ",
    ),
    ("an approver", "approvals.json", lambda d: d[0]["approved"][0].update(by="user:eve"), "approvals.json field [0]"),
    ("a finding closed", "findings.json", lambda d: d[0].update(open=not d[0]["open"]), "findings.json field [0].open"),
    ("a hold dropped", "keeping.json", lambda d: d["holds"].clear(), "keeping.json field holds"),
    ("a step", "rollouts.json", lambda d: d[0]["steps"][0].update(share=0.5), "rollouts.json field [0].steps[0].share"),
    ("an incident made up", "incidents.json", lambda d: d.append({}), "incidents.json"),
    ("a clause", "clauses.json", lambda d: d[0].update(gaps=[]), "clauses.json field [0].gaps"),
]


@pytest.mark.parametrize(
    ("name", "change", "expected"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES]
)
def test_a_fact_that_does_not_follow_from_the_bundle_is_named_with_its_field(
    name: str, change: Callable[[Any], object], expected: str, pack: Pack
) -> None:
    assert expected in refusal(with_value(pack.content, name, change), pack.keys)


COUNTS: list[tuple[str, Callable[[Any], object], str]] = [
    ("a segment left out", lambda d: d["segments"].pop(), "decisions.json field segments: the period's are those"),
    ("a body not read", lambda d: d["segments"][2].update(body="missing"), "segments[2].body: missing, where"),
    ("a body read", lambda d: d["segments"][2].update(body="read", of_model=0), "segments[2].body: read, where"),
    ("more than there are", lambda d: d["segments"][0].update(of_model=13), "segments[0].of_model: 13 of 12"),
    ("a record less", lambda d: d["segments"][0].update(of_model=11), "counts.records: 16, where the segments add up"),
    ("another sum", lambda d: d["counts"]["by_day"].update({"2026-03-02": 13}), "counts.by_day: it adds up to 17"),
    ("another caller", lambda d: d["counts"].update(by_caller={"eve": 16}), "counts.by_caller"),
    ("another latency", lambda d: d["counts"]["latency_us"].update(p99=1), "counts.latency_us"),
    ("another digest", lambda d: d["segments"][0].update(digest=digest_of(b"")), "segments[0].digest"),
    ("a sample of another size", lambda d: d["sample"].update(records=1), "sample.records: 1, where the sample has"),
    ("a passport of nothing", lambda d: d["passports"].append({"decision_id": "x"}), "passports[2]: expected a file"),
    ("a passport not named", lambda d: d["passports"].pop(), "passports/2.json is no passport that decisions.json"),
    ("another decision", lambda d: d["passports"][0].update(decision_id="x"), "passports/1.json field decision"),
]


@pytest.mark.parametrize(("change", "expected"), [each[1:] for each in COUNTS], ids=[each[0] for each in COUNTS])
def test_counts_that_contradict_bundle_or_records_are_named(
    change: Callable[[Any], object], expected: str, pack: Pack
) -> None:
    said = refusal(with_value(pack.content, "decisions.json", change), pack.keys)
    page_too = "evidence.html" in said or "gaps.json" in said  # what follows from the counts is compared first
    assert expected in said or ("passport" in expected and page_too), said


def test_of_a_bounded_sample_counts_are_no_less_than_it_and_latencies_are_the_writers_word(pack: Pack) -> None:
    said = refusal(with_value(pack.sampled, "decisions.json", lambda d: d["sample"].update(whole=True)), pack.keys)
    assert "sample.whole: True, with 5 of 16" in said

    def moved(document: Any) -> None:
        document["counts"].update(by_caller={"eve": 16})

    assert "counts.by_caller.planning: less than the 5" in refusal(
        with_value(pack.sampled, "decisions.json", moved), pack.keys
    )


def test_a_record_stands_where_its_proof_says_and_in_the_order_of_the_hashes(pack: Pack) -> None:
    edited = with_file(pack.content, "sample.jsonl", lambda old: old.replace(b'"output":321.5', b'"output":999.5', 1))
    assert "sample.jsonl field [" in refusal(edited, pack.keys)
    swapped = with_file(pack.content, "sample.jsonl", lambda old: b"".join(reversed(old.splitlines(keepends=True))))
    assert "in the order of their leaf hashes" in refusal(swapped, pack.keys)
    twice = with_file(pack.content, "sample.jsonl", lambda old: old.splitlines(keepends=True)[0] + old)
    assert "sample.jsonl field [1]: not behind" in refusal(twice, pack.keys)
    cut = with_file(pack.content, "sample.jsonl", lambda old: old[:-1])
    assert "its last line is cut off" in refusal(cut, pack.keys)


def test_cited_entries_are_all_proven(pack: Pack) -> None:
    fewer = with_file(pack.content, "proofs.jsonl", lambda old: b"".join(old.splitlines(keepends=True)[:-1]))
    assert "proofs.jsonl: " in refusal(fewer, pack.keys)
    other = with_file(pack.content, "proofs.jsonl", lambda old: b"".join(reversed(old.splitlines(keepends=True))))
    assert "proofs.jsonl field [0].seq" in refusal(other, pack.keys)


def test_another_model_or_period_in_the_manifest_is_found(pack: Pack) -> None:
    def manifest(**changes: str) -> bytes:
        files = members(pack.content)
        document = canonical.decode(files[MANIFEST]) | changes
        return repacked(files | {MANIFEST: canonical.encode(document)}, fitting=False)

    assert "manifest.json field model: the bundle declares no other" in refusal(manifest(model="other"), pack.keys)
    later = rfc3339(MONDAY + timedelta(days=1))
    assert "evidence pack, " in refusal(manifest(**{"from": later}), pack.keys)
    assert "is not after from" in refusal(manifest(to=rfc3339(MONDAY)), pack.keys)
    assert "to: String should match" in refusal(manifest(to="2026-03-05"), pack.keys)
    assert "version" in refusal(manifest(version="2"), pack.keys)


def test_keys_witnesses_and_an_older_checkpoint_hold_for_the_packs_bundle(pack: Pack) -> None:
    assert checked(pack.content, pack.keys, since=pack.kept).extends == 1
    assert "no key that is trusted" in refusal(pack.content, Keys(STRANGER.verifier))
    keys = Keys(pack.keys.log, witness_keys(WITNESS.verifier).witnesses)
    with pytest.raises(CheckpointRefused, match=r"not cosigned by witness\.example\.org"):
        checked(pack.content, keys)


# --- what is no whole pack -------------------------------------------------------------------------


def test_a_pack_that_is_cut_anywhere_is_told(pack: Pack) -> None:
    for end in range(0, len(pack.content), 97):
        assert "not a whole evidence pack: " in refusal(pack.content[:end], pack.keys)


def test_a_damaged_archive_is_told_or_holds_the_same_members(pack: Pack) -> None:
    for place in range(0, len(pack.content), 211):
        damaged = flipped(pack.content, place)
        try:
            checked(damaged, pack.keys)
        except (ProofInvalid, LedgerCorrupt):
            continue
        assert members(damaged) == members(pack.content)  # a time or a mode in the container, which says nothing


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_file_that_is_not_there_is_named(name: str, pack: Pack) -> None:
    fewer = {each: content for each, content in members(pack.content).items() if each != name}
    assert name in refusal(repacked(fewer, fitting=False), pack.keys)
    if name != MANIFEST:
        assert name in refusal(repacked(fewer), pack.keys)


def test_a_file_more_is_named(pack: Pack) -> None:
    more = members(pack.content) | {"notes.txt": b"trust me"}
    assert "notes.txt: it is in the archive and not in the manifest" in refusal(
        repacked(more, fitting=False), pack.keys
    )
    assert "notes.txt is no file of a pack" in refusal(repacked(more), pack.keys)


def test_two_files_of_one_name_are_refused(pack: Pack) -> None:
    stream = io.BytesIO(pack.content)
    with warnings.catch_warnings(), ZipFile(stream, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of what this test does on purpose
        archive.writestr("gaps.json", b"[]")
    assert "two files of one name" in refusal(stream.getvalue(), pack.keys)


def test_what_is_no_pack_is_told(pack: Pack, tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"plain text"):
        assert "not a whole evidence pack: " in refusal(content, pack.keys)
