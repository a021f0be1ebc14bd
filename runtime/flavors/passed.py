"""Which artifacts passed their first load on this machine: an empty file for each, named by its digest.

    <folder>/<readers>/<64 hex digits>
    <folder>/<readers>/turn               locked by who tries an artifact

``readers`` is a digest of the limits and of the versions of the libraries that read artifacts: a new release of one of
them sees every artifact for the first time. The folder belongs to the user who runs the replicas; who can write there
could as well change what the replicas load.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runtime.domain.ids import Digest, digest_of

_log = logging.getLogger(__name__)

READERS = ("fleetward", "lightgbm", "numpy", "onnxruntime", "safetensors", "scikit-learn", "skops", "torch", "xgboost")


class Passed:
    """Digests, for as long as this process lives, and in a folder for longer where one is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    @classmethod
    def under(cls, folder: Path, limits: str) -> Passed:
        """In a folder for these limits and the libraries of this process; made if it is not there."""
        readers = " ".join([limits, *(f"{name}={_version(name)}" for name in READERS)])
        own = folder / _hex(digest_of(readers.encode()))[:16]
        try:
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("what passes its first load is not remembered in %s: %s", own, error)
            return cls()
        return cls(own)

    def __contains__(self, digest: Digest) -> bool:
        """Whether an artifact of this digest passed."""
        return digest in self._seen or (self._folder is not None and (self._folder / _hex(digest)).exists())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Blocks until no other process with this folder is inside: what it tried need not be tried again."""
        if self._folder is None:
            yield
            return
        with (self._folder / "turn").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the kernel ends it with the process
            yield

    def add(self, digest: Digest) -> None:
        """It passed. A folder that cannot be written to costs another first load, and no more."""
        self._seen.add(digest)
        if self._folder is not None:
            try:
                (self._folder / _hex(digest)).touch(mode=0o600)
            except OSError as error:
                _log.warning("%s is not remembered: %s", digest, error)


def _hex(digest: Digest) -> str:
    return digest.rpartition(":")[2]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"
