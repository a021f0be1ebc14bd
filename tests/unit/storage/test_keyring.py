"""Keys of data subjects: one each, whoever asks first; destroyed for good, and nobody stands there in the clear."""

from __future__ import annotations

import os
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from runtime.storage import keyring as keyrings
from runtime.storage.keyring import Keyring
from runtime.storage.keyring_errors import KeyringUnavailable, SubjectKeyDamaged
from tests.unit.storage.records import START

ADA, BOB = "ada@example.org", "bob@example.org"
MODEL, OTHER = "credit", "fraud"


def clock() -> datetime:
    return START


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "subjects"


@pytest.fixture
def keyring(folder: Path) -> Keyring:
    return Keyring.create(folder, clock)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_subject_has_one_key_until_it_is_erased(keyring: Keyring, folder: Path) -> None:
    first = keyring.key(MODEL, ADA)
    again = Keyring.open(folder, clock, expected=keyring.id).key(MODEL, ADA)
    assert again.pseudonym == first.pseudonym
    assert again.open("d", 0, first.seal("d", 0, ([1.5], ["x"]))) == ([1.5], ["x"])
    assert re.fullmatch("[0-9a-f]{64}", first.pseudonym)


def test_names_differ_by_subject_model_and_keyring(keyring: Keyring, tmp_path: Path) -> None:
    elsewhere = Keyring.create(tmp_path / "elsewhere", clock)
    rings = [(keyring, MODEL, ADA), (keyring, MODEL, BOB), (keyring, OTHER, ADA), (elsewhere, MODEL, ADA)]
    assert len({ring.key(model, subject).pseudonym for ring, model, subject in rings}) == 4
    assert len({ring.lookup(model, subject) for ring, model, subject in rings}) == 4


def test_of_many_replicas_that_see_a_new_subject_at_once_one_makes_its_key(folder: Path, keyring: Keyring) -> None:
    rings = [Keyring.open(folder, clock) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda ring: ring.key(MODEL, ADA).pseudonym, rings))
    assert len({*found}) == 1
    assert [path.name for path in (folder / "by").iterdir()] == [found[0]]
    assert len(files(folder / "of")) == 1


def test_no_file_name_and_no_content_shows_a_subject_or_a_secret(keyring: Keyring, folder: Path) -> None:
    key = keyring.key(MODEL, ADA)
    content = b"\n".join(str(path).encode() + path.read_bytes() for path in files(folder))
    assert ADA.encode() not in content
    assert MODEL.encode() not in content
    assert {path.stat().st_mode & 0o777 for path in files(folder)} == {0o600}
    assert "AESGCM" not in repr(key)


def test_a_destroyed_key_is_gone_and_the_next_request_makes_another(keyring: Keyring, folder: Path) -> None:
    old = keyring.key(MODEL, ADA)
    kept = keyring.key(MODEL, BOB), keyring.key(OTHER, ADA)
    keyring.destroy(MODEL, ADA, old.pseudonym)
    assert keyring.key_of(old.pseudonym) is None
    assert not keyring.lives(old.pseudonym)
    assert [name.pseudonym for name in keyring.names(MODEL, ADA)] == [old.pseudonym]
    new = keyring.key(MODEL, ADA)
    assert new.pseudonym != old.pseudonym
    keyring.forget(MODEL, ADA, old.pseudonym)
    assert keyring.key(MODEL, ADA).pseudonym == new.pseudonym
    assert all(keyring.key_of(each.pseudonym) is not None for each in kept)
    assert not [path for path in files(folder) if old.pseudonym in path.name]


def test_the_bytes_of_a_destroyed_key_are_overwritten_in_place(keyring: Keyring, folder: Path) -> None:
    key = keyring.key(MODEL, ADA)
    path = folder / "by" / key.pseudonym
    before = path.read_bytes()
    with path.open("rb") as held:  # the inode lives on while somebody holds it: what it holds by then can be seen
        keyring.destroy(MODEL, ADA, key.pseudonym)
        after = held.read()
    assert len(after) == len(before)
    assert after != before
    assert list((folder / "by").iterdir()) == []


def test_nothing_is_left_of_a_subject_that_is_forgotten(keyring: Keyring, folder: Path) -> None:
    key = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, key.pseudonym)
    keyring.forget(MODEL, ADA, key.pseudonym)
    assert keyring.names(MODEL, ADA) == []
    assert sorted(path.name for path in folder.rglob("*")) == ["by", "erasing.lock", "master.key", "of"]


def test_a_key_made_after_an_unfinished_erasure_is_not_taken_for_the_old_one(keyring: Keyring) -> None:
    old = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, old.pseudonym)
    new = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, old.pseudonym)
    assert keyring.lives(new.pseudonym)
    named = {name.pseudonym: name.since for name in keyring.names(MODEL, ADA)}
    assert named == {old.pseudonym: None, new.pseudonym: START}


def test_what_a_replica_left_that_died_while_making_a_key_is_destroyed_too(
    keyring: Keyring, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(Killed):
            keyring.key(MODEL, ADA)
    of = folder / "of" / keyring.lookup(MODEL, ADA)
    assert len(list(of.glob("new-*"))) == 1
    key = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, key.pseudonym)
    assert [path.name for path in of.iterdir()] == [f"erasing-{key.pseudonym}"]
    assert list((folder / "by").iterdir()) == []


def test_a_draft_whose_maker_died_before_its_key_had_a_name_goes_when_the_subject_is_asked_for(
    keyring: Keyring, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        with pytest.raises(KeyringUnavailable, match="No space left"):
            keyring.key(MODEL, ADA)
    assert len(files(folder / "of")) == 1
    assert keyring.names(MODEL, ADA) == []
    assert list((folder / "of").iterdir()) == []


def test_the_draft_of_a_key_made_meanwhile_is_removed_without_harm_to_the_key(keyring: Keyring, folder: Path) -> None:
    old = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, old.pseudonym)
    new = keyring.key(MODEL, ADA)
    of = folder / "of" / keyring.lookup(MODEL, ADA)
    os.link(of / "key", of / "new-0")
    keyring.destroy(MODEL, ADA, old.pseudonym)
    assert keyring.key(MODEL, ADA).pseudonym == new.pseudonym
    assert not (of / "new-0").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"lookup":"ab","wrapped":"AAAA"}'])
def test_a_changed_key_file_is_named_and_never_replaced(keyring: Keyring, folder: Path, content: bytes) -> None:
    key = keyring.key(MODEL, ADA)
    path = folder / "by" / key.pseudonym
    path.write_bytes(content)
    with pytest.raises(SubjectKeyDamaged, match="not wrapped under this keyring's master key"):
        keyring.key(MODEL, ADA)
    with pytest.raises(SubjectKeyDamaged, match=key.pseudonym):
        keyring.key_of(key.pseudonym)


def test_a_key_put_in_the_place_of_anothers_is_refused(keyring: Keyring, folder: Path) -> None:
    ada, bob = (folder / "of" / keyring.lookup(MODEL, subject) / "key" for subject in (ADA, BOB))
    mine = keyring.key(MODEL, ADA).pseudonym
    theirs = keyring.key(MODEL, BOB).pseudonym
    ada.unlink()
    os.link(bob, ada)
    with pytest.raises(SubjectKeyDamaged, match="another subject"):
        keyring.key(MODEL, ADA)
    (folder / "by" / mine).unlink()
    os.link(folder / "by" / theirs, folder / "by" / mine)
    with pytest.raises(SubjectKeyDamaged, match="another pseudonym"):
        keyring.key_of(mine)


def test_a_folder_that_others_do_not_share_is_refused(tmp_path: Path, keyring: Keyring) -> None:
    with pytest.raises(KeyringUnavailable, match=r"master\.key cannot be read"):
        Keyring.open(tmp_path / "none", clock, expected=keyring.id)
    other = Keyring.create(tmp_path / "other", clock)
    with pytest.raises(KeyringUnavailable, match=f"it is keyring {other.id}, not {keyring.id}"):
        Keyring.open(tmp_path / "other", clock, expected=keyring.id)


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("zz" * 32, 0o600, "is not hex"),
        ("ab" * 16, 0o600, "holds 16 bytes; expected 32"),
        ("ab" * 32, 0o644, "lets others at it"),
    ],
)
def test_a_master_key_that_cannot_be_used_says_why(
    keyring: Keyring, folder: Path, content: str, mode: int, why: str
) -> None:
    (folder / keyrings.MASTER).write_text(content)
    (folder / keyrings.MASTER).chmod(mode)
    with pytest.raises(KeyringUnavailable, match=why) as caught:
        Keyring.create(folder, clock)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert content not in str(caught.value)


def test_a_disk_that_refuses_is_an_error_that_names_no_subject(keyring: Keyring, folder: Path) -> None:
    (folder / "of").rmdir()
    (folder / "of").write_text("a file")
    with pytest.raises(KeyringUnavailable) as caught:
        keyring.key(MODEL, ADA)
    assert ADA not in str(caught.value)
