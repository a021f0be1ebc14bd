"""A content-addressed store: bytes are named by their SHA-256, on a local folder or in S3.

    <root>/objects/ab/cd/<64 hex digits>        ab, cd: the first four digits

Local write, in this order: temporary file in the target folder, write, fsync, rename, fsync of the folder (and
of its parents, when it is new). Killed anywhere, the name holds either nothing or the whole content; what may
stay behind is a ``.tmp`` file. On S3 one object is one PUT, which is whole or absent.

    ObjectMissing      404   nothing is stored under this digest
    StoreUnavailable   503   the file system refused: full, read-only, away
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import unquote, urlsplit

from runtime.domain.errors import DigestMismatch, FleetwardError, RequestError, SettingsError
from runtime.domain.ids import DIGEST_PATTERN, Digest, digest_of
from runtime.ledger.folders import sync_folder

_DIGEST = re.compile(DIGEST_PATTERN)
_CHUNK_BYTES = 1 << 20


class ObjectMissing(FleetwardError):
    """The store holds nothing under this digest."""

    status: ClassVar[int] = 404

    def __init__(self, digest: str, where: str) -> None:
        super().__init__(digest, where)
        self.digest, self.where = digest, where

    def __str__(self) -> str:
        return f"no object {self.digest} in {self.where}"


class StoreUnavailable(FleetwardError):
    """The store could not read or write; nothing was acknowledged."""

    status: ClassVar[int] = 503

    def __init__(self, where: str, action: str, reason: str) -> None:
        super().__init__(where, action, reason)
        self.where, self.action, self.reason = where, action, reason

    def __str__(self) -> str:
        return f"cannot {self.action} in {self.where}: {self.reason}"


class _Disk(Protocol):
    """Where the bytes lie; paths are relative to the root."""

    def size_of(self, path: str) -> int | None: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, chunks: Iterator[bytes]) -> None: ...
    def delete(self, path: str) -> None: ...
    def full_path(self, path: str) -> str: ...


class ObjectStore:
    """Content by digest. Every call is safe to repeat and safe from several processes at once."""

    def __init__(self, url: str, disk: _Disk) -> None:
        self.url = url
        self._disk = disk

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at a local path, ``file:///path`` or ``s3://bucket/prefix``.

        S3 takes credentials and region from the usual AWS variables (``AWS_ENDPOINT_URL`` for a stand-in).
        Raises ``SettingsError`` for anything else.
        """
        parts = urlsplit(url)
        if parts.scheme in {"", "file"}:
            if parts.netloc not in {"", "localhost"}:
                raise SettingsError("store", url, "file:///absolute/path; a file URL names no host")
            path = Path(unquote(parts.path) if parts.scheme else url)
            return cls(url, _LocalDisk(path.expanduser().absolute()))
        if parts.scheme != "s3" or not parts.netloc:
            raise SettingsError("store", url, "a local path, file:///path or s3://bucket/prefix")
        return cls.over(*_s3(url), url=url)

    @classmethod
    def over(cls, filesystem: Any, root: str, *, url: str) -> Self:
        """A store on any ``pyarrow.fs.FileSystem``, under ``root``."""
        return cls(url, _ArrowDisk(filesystem, root))

    def put(self, content: bytes) -> Digest:
        """Store the content, if it is not there yet, and give its digest. Durable once this returns."""
        digest = digest_of(content)
        self._put(digest, len(content), iter((content,)))
        return digest

    def put_file(self, path: Path) -> Digest:
        """As ``put``, for a file of any size: read twice, never held in memory. The file must not change."""
        sha256 = hashlib.sha256()
        for chunk in _chunks(path):
            sha256.update(chunk)
        digest = f"sha256:{sha256.hexdigest()}"
        self._put(digest, path.stat().st_size, _verified(path, digest))
        return digest

    def get(self, digest: Digest) -> bytes:
        """The content, hashed again. Raises ``ObjectMissing``, or ``DigestMismatch`` if the bytes changed."""
        with self._translated("read"):
            try:
                content = self._disk.read(_key(digest))
            except FileNotFoundError:
                raise ObjectMissing(digest, self.url) from None
        actual = digest_of(content)
        if actual != digest:
            raise DigestMismatch(self.path_of(digest), digest, actual)
        return content

    def exists(self, digest: Digest) -> bool:
        """Whether something is stored under the digest; only ``get`` says that it is intact."""
        with self._translated("look"):
            return self._disk.size_of(_key(digest)) is not None

    def delete(self, digest: Digest) -> None:
        """Take the content out, if it is there. Durable once this returns."""
        with self._translated("delete"):
            if self._disk.size_of(_key(digest)) is not None:
                self._disk.delete(_key(digest))

    def path_of(self, digest: Digest) -> str:
        """Where the object lies (or would): an absolute path, or ``bucket/key``."""
        return self._disk.full_path(_key(digest))

    def _put(self, digest: str, size_bytes: int, chunks: Iterator[bytes]) -> None:
        # Comparing sizes makes a put heal an object that a broken upload left short.
        with self._translated("write"):
            if self._disk.size_of(_key(digest)) != size_bytes:
                self._disk.write(_key(digest), chunks)

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(self.url, action, str(error)) from error


def _key(digest: str) -> str:
    # A digest comes from outside, and becomes a path: nothing but hex digits may pass.
    if _DIGEST.fullmatch(digest) is None:
        raise RequestError("digest", repr(digest), "sha256: and 64 hex digits")
    name = digest.removeprefix("sha256:")
    return f"objects/{name[:2]}/{name[2:4]}/{name}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            yield chunk


def _verified(path: Path, digest: str) -> Iterator[bytes]:
    sha256 = hashlib.sha256()
    for chunk in _chunks(path):
        sha256.update(chunk)
        yield chunk
    actual = f"sha256:{sha256.hexdigest()}"
    if actual != digest:
        raise DigestMismatch(str(path), digest, actual)


class _LocalDisk:
    def __init__(self, root: Path) -> None:
        self._root = root

    def size_of(self, path: str) -> int | None:
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def full_path(self, path: str) -> str:
        return str(self._root / path)

    def delete(self, path: str) -> None:
        target = self._root / path
        target.unlink(missing_ok=True)
        sync_folder(target.parent)

    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        target = self._root / path
        new_folder = not target.parent.is_dir()
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).rename(target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        self._sync_folders(target.parent, with_parents=new_folder)

    def _sync_folders(self, folder: Path, *, with_parents: bool) -> None:
        # objects/ab/cd, then ab, objects and the root, whose entries may be new as well.
        for each in [folder, *folder.parents][: 4 if with_parents else 1]:
            sync_folder(each)


class _ArrowDisk:
    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def size_of(self, path: str) -> int | None:
        from pyarrow import fs

        info = self._filesystem.get_file_info(self.full_path(path))
        return None if info.type is fs.FileType.NotFound else int(info.size)

    def read(self, path: str) -> bytes:
        with self._filesystem.open_input_stream(self.full_path(path)) as stream:
            content: bytes = stream.read()
        return content

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._filesystem.delete_file(self.full_path(path))

    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        from pyarrow import fs

        target = self.full_path(path)
        if not isinstance(self._filesystem, fs.S3FileSystem):  # S3 has no folders to make
            self._filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        # Closed only after the last chunk: closing is what makes an S3 upload an object.
        stream = self._filesystem.open_output_stream(target)
        for chunk in chunks:
            stream.write(chunk)
        stream.close()

    def full_path(self, path: str) -> str:
        return f"{self._root}/{path}"


def _s3(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(url)
    return filesystem, path
