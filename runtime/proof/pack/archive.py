"""Reading the members of a pack: named by the manifest, each whole, none more, and none larger than it says.

The container's own bytes (times and modes of members) say nothing and are not checked; every byte of a member is.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from runtime.domain.ids import digest_of
from runtime.proof.errors import FileUnreadable, PackInvalid
from runtime.proof.pack.form import BUNDLE, MANIFEST, FileLine, Manifest

LARGEST_BYTES = 256 << 20
"""A member beyond this, the bundle apart, which is read as it comes, is refused before it fills the memory."""


class Archive:
    """A pack that is open for reading."""

    def __init__(self, source: BinaryIO) -> None:
        """Raises ``FileUnreadable`` for what is no whole archive of the members that its manifest names."""
        with _readable():
            self._zip = zipfile.ZipFile(source)
        infos = self._zip.infolist()
        self._sizes = {info.filename: info.file_size for info in infos}
        if len(self._sizes) != len(infos):
            raise FileUnreadable("evidence pack", "it holds two files of one name")
        if MANIFEST not in self._sizes:
            raise FileUnreadable("evidence pack", f"it has no {MANIFEST}")
        content = self._content(MANIFEST)
        self.manifest = Manifest.decode(content)
        self.digest = digest_of(content)
        self.lines = {line.path: line for line in self.manifest.files}
        self._require_members()

    def read(self, path: str) -> bytes:
        """A member. Raises ``FileUnreadable`` if it is not there or damaged; its digest is not looked at."""
        if path not in self.lines:
            raise FileUnreadable("evidence pack", f"it has no {path}")
        return self._content(path)

    def require_digest(self, path: str, content: bytes) -> None:
        """Raises ``PackInvalid`` if the manifest says another digest of the member."""
        self._require(self.lines[path], digest_of(content))

    @contextmanager
    def bundle(self) -> Iterator[Hashing]:
        """The ledger's bundle, as a stream. Its digest is compared behind it, once all of it was read."""
        if BUNDLE not in self.lines:
            raise FileUnreadable("evidence pack", f"it has no {BUNDLE}")
        with _readable():
            stream = self._zip.open(BUNDLE)
        with stream:
            hashing = Hashing(stream)
            yield hashing
        self._require(self.lines[BUNDLE], hashing.digest)

    def _content(self, path: str) -> bytes:
        if self._sizes[path] > LARGEST_BYTES:
            raise FileUnreadable(
                "evidence pack", f"{path} has {self._sizes[path]} bytes; at most {LARGEST_BYTES} are read"
            )
        with _readable(), self._zip.open(path) as stream:
            return stream.read()

    def _require(self, line: FileLine, found: str) -> None:
        if line.digest != found:
            field = f"files[{list(self.lines).index(line.path)}].digest"
            raise PackInvalid(MANIFEST, field, f"{line.path} hashes to {found}, not to {line.digest}")

    def _require_members(self) -> None:
        members = self._sizes.keys() - {MANIFEST}
        for path in sorted(members ^ self.lines.keys()):
            reason = "it is in the archive and not in the manifest" if path in members else "it is not in the archive"
            raise FileUnreadable("evidence pack", f"{path}: {reason}")
        for path, line in self.lines.items():
            if line.bytes != self._sizes[path]:
                raise FileUnreadable("evidence pack", f"{path} has {self._sizes[path]} bytes, not {line.bytes}")


class Hashing:
    """A stream that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """As a file's."""
        with _readable():
            content = self._stream.read(size)
        self._sha256.update(content)
        return content

    @property
    def digest(self) -> str:
        """Of what was read."""
        return f"sha256:{self._sha256.hexdigest()}"


@contextmanager
def _readable() -> Iterator[None]:
    """Says of damage in the container that the pack is not whole."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FileUnreadable("evidence pack", f"the archive is damaged: {error}") from error
