import pickle
from pathlib import Path

import pytest
from pyarrow import fs

from runtime.domain.errors import DigestMismatch, RequestError, SettingsError
from runtime.domain.ids import digest_of
from runtime.storage.objects import ObjectMissing, ObjectStore, StoreUnavailable


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A folder, and a pyarrow file system that knows nothing of folders on this machine, as S3 does."""
    if request.param == "local":
        return ObjectStore.open(str(tmp_path))
    filesystem = fs._MockFileSystem()
    return ObjectStore.over(filesystem, "bucket/prefix", url="s3://bucket/prefix")


def test_content_comes_back_under_its_digest(store: ObjectStore) -> None:
    digest = store.put(b"weights")
    assert digest == digest_of(b"weights")
    assert store.get(digest) == b"weights"
    assert store.exists(digest)


def test_the_empty_content_is_an_object_too(store: ObjectStore) -> None:
    assert store.get(store.put(b"")) == b""


def test_putting_twice_is_putting_once(store: ObjectStore) -> None:
    assert store.put(b"weights") == store.put(b"weights")


def test_a_file_is_stored_under_the_digest_of_its_content(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(b"x" * 3_000_000)
    digest = store.put_file(source)
    assert digest == digest_of(source.read_bytes())
    assert store.get(digest) == source.read_bytes()


def test_a_missing_object_is_named_with_its_store(store: ObjectStore) -> None:
    digest = digest_of(b"never stored")
    assert not store.exists(digest)
    with pytest.raises(ObjectMissing, match=digest) as caught:
        store.get(digest)
    assert caught.value.where == store.url
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "a" * 32])
def test_what_is_no_digest_never_becomes_a_path(store: ObjectStore, digest: str) -> None:
    for act in (store.get, store.exists, store.path_of):
        with pytest.raises(RequestError, match="64 hex digits"):
            act(digest)


def test_changed_bytes_are_caught_when_read(tmp_path: Path) -> None:
    store = ObjectStore.open(str(tmp_path))
    digest = store.put(b"weights")
    Path(store.path_of(digest)).write_bytes(b"WEIGHTS")
    with pytest.raises(DigestMismatch, match=digest):
        store.get(digest)


def test_a_put_heals_an_object_that_was_cut_short(tmp_path: Path) -> None:
    store = ObjectStore.open(str(tmp_path))
    digest = store.put(b"weights")
    Path(store.path_of(digest)).write_bytes(b"wei")
    store.put(b"weights")
    assert store.get(digest) == b"weights"


def test_objects_lie_in_folders_by_their_first_digits(tmp_path: Path) -> None:
    digest = ObjectStore.open(tmp_path.as_uri()).put(b"weights")
    name = digest.removeprefix("sha256:")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        tmp_path / "objects" / name[:2] / name[2:4] / name
    ]


def test_a_failed_write_leaves_nothing_behind_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable, match="cannot write"):
        ObjectStore.open(str(tmp_path)).put(b"weights")


def test_a_file_that_changes_while_it_is_stored_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, source = ObjectStore.open(str(tmp_path / "store")), tmp_path / "model.bin"
    source.write_bytes(b"before")
    size_of = store._disk.size_of

    def changed_meanwhile(path: str) -> int | None:
        source.write_bytes(b"after!")
        return size_of(path)

    monkeypatch.setattr(store._disk, "size_of", changed_meanwhile)
    with pytest.raises(DigestMismatch):
        store.put_file(source)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "s3://", "file://elsewhere/path", "https://example.com"])
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="store"):
        ObjectStore.open(url)
