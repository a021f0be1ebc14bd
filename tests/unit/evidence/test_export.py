"""Bundles out of a real ledger: under a checkpoint, whole or not at all."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.domain.errors import LedgerCorrupt
from runtime.evidence.errors import EvidenceMissing, NotSigned
from runtime.evidence.export import export_bundle, whole_file
from runtime.evidence.ledger import MOST_CHECKPOINTS, spread
from runtime.proof.verify_bundle import BundleVerification, verify_bundle
from tests.unit.domain.lives import a_spec, applied
from tests.unit.evidence.conftest import Installation


def checked(installation: Installation, path: Path, since: bytes | None = None) -> BundleVerification:
    return verify_bundle(io.BytesIO(path.read_bytes()), installation.keys, since=since)


def test_the_bundle_of_a_ledger_verifies_and_extends_what_was_kept(installation: Installation, tmp_path: Path) -> None:
    kept = installation.publish()
    installation.served()
    installation.publish()
    installation.record("user:dora", applied(a_spec(purpose="behind the checkpoint")))
    size = export_bundle(installation.signed(), tmp_path / "bundle")
    found = checked(installation, tmp_path / "bundle", since=kept)
    assert (found.size, found.checkpoints, found.extends) == (size, 2, 1)
    assert size == installation.log.size - 1


def test_a_bundle_ends_at_the_last_checkpoint_within_the_size_that_was_asked_for(
    installation: Installation, tmp_path: Path
) -> None:
    installation.publish()
    installation.declare()
    installation.publish()
    assert export_bundle(installation.signed(until=2), tmp_path / "bundle") == 1
    assert checked(installation, tmp_path / "bundle").size == 1
    with pytest.raises(NotSigned, match="of at most 0 entries"):
        installation.signed(until=0)


def test_a_damaged_ledger_gives_no_bundle_and_leaves_the_old_one(installation: Installation, tmp_path: Path) -> None:
    installation.served()
    installation.publish()
    path = tmp_path / "bundle"
    export_bundle(installation.signed(), path)
    before = path.read_bytes()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw, raw:
        raw.execute("UPDATE entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'dora', 'dara') AS BLOB) WHERE seq = 3")
    with pytest.raises(LedgerCorrupt, match="ledger entry 3: "):
        export_bundle(installation.signed(), path)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw, raw:
        raw.execute("DELETE FROM entries WHERE seq = 2")
    with pytest.raises(LedgerCorrupt, match="ledger entry 2: missing"):
        export_bundle(installation.signed(), path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))


def test_a_folder_that_is_not_there_is_told(installation: Installation, tmp_path: Path) -> None:
    installation.publish()
    with pytest.raises(EvidenceMissing, match="cannot be written: No such file"):
        export_bundle(installation.signed(), tmp_path / "nowhere" / "bundle")


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"


def test_checkpoints_are_spread_over_the_history_and_the_last_is_always_among_them() -> None:
    for count in (1, 2, MOST_CHECKPOINTS, MOST_CHECKPOINTS + 1, 1000, 12_345):
        sizes = list(range(1, count + 1))
        chosen = spread(sizes, MOST_CHECKPOINTS)
        assert chosen[-1] == count
        assert len(chosen) == min(count, len(chosen)) <= MOST_CHECKPOINTS
        assert chosen == sorted(set(chosen))


def test_a_bundle_exported_after_a_deletion_says_so_and_still_verifies(
    installation: Installation, tmp_path: Path, decision_id: str
) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id, rows=3))
    installation.delete(segment)
    installation.publish()
    export_bundle(installation.signed(), tmp_path / "bundle")
    assert b'"deleted":{"bodies":1,"records":3}' in (tmp_path / "bundle").read_bytes()
    found = checked(installation, tmp_path / "bundle")
    assert (found.bodies_deleted, found.records_deleted) == (1, 3)
