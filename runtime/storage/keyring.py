"""Salt and key of every data subject, in files that can be destroyed one by one.

    <folder>/master.key              32 random bytes in hex, mode 0600: what the other files are wrapped under
    <folder>/of/<lookup>/key         {"lookup", "wrapped"}; wrapped holds pseudonym, salt, key and time of making
    <folder>/by/<pseudonym>          the same file by its other name (a hard link), for those who read records
    <folder>/of/<lookup>/erasing-<pseudonym>        an erasure that is not recorded yet

    lookup       HMAC-SHA256(master's lookup key, model | 0 | subject)      finds a subject, and is in no record
    pseudonym    HMAC-SHA256(salt, subject)                                 stands in records, and finds nobody

So no subject stands here in the clear. A subject has a file for each model: it can be erased from one and kept in
another that is under a legal hold, and its records in two models share no name.

Making one. Of all replicas on all nodes that see a new subject at once, one makes its key, since a link fails where the
name exists: draft new-*, sync, link by/, link key, remove the draft, sync. Killed anywhere, there is a key or none, and
drafts that an erasure destroys too.

Destroying one, under a lock that only erasures take; each step is safe to repeat:

    1  erasing-<pseudonym>, synced       from here on a rerun knows whom it is about, though the salt is gone
    2  rename key (and drafts) to dying-*               a new request makes a new salt, key and pseudonym
    3  unlink by/<pseudonym>                            records are not opened any more
    4  overwrite with random bytes, sync, unlink, sync
    5  after the ledger has the entry: remove the mark  (``forget``)

Overwriting reaches the file's own blocks. What a file system that copies on write, a flash drive, a snapshot or a
backup keeps besides is not reached from here; docs/operations/erasure.md says so.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from runtime.domain import canonical
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.folders import sync_folder
from runtime.ledger.private_files import place_private, read_private, write_private
from runtime.storage.keyring_errors import KeyringUnavailable, SubjectKeyDamaged
from runtime.storage.subject_key import NONCE_BYTES, SubjectKey

MASTER = "master.key"
_SECRET_BYTES = 32
_KEY, _DRAFT, _DYING, _ERASING = "key", "new-", "dying-", "erasing-"
_ATTEMPTS = 100
"""More erasures of one subject than can come between two system calls."""


@dataclass(frozen=True, slots=True)
class Named:
    """A subject's name in one model's records; ``since`` is unknown once the key is destroyed."""

    pseudonym: str
    since: datetime | None


class Keyring:
    """Keys of data subjects in a folder that all replicas share. ``create`` or ``open`` is the way to one."""

    def __init__(self, folder: Path, master: bytes, clock: Callable[[], datetime]) -> None:
        self._of, self._by, self._lock = folder / "of", folder / "by", folder / "erasing.lock"
        self._clock = clock
        self._finder = _derived(master, b"lookup")
        self._wrapper = AESGCM(_derived(master, b"wrap"))
        self.id = _derived(master, b"id").hex()[:16]

    @classmethod
    def create(cls, folder: Path, clock: Callable[[], datetime]) -> Self:
        """The keyring of this folder, made there if there is none. Raises ``KeyringUnavailable``."""
        try:
            if not (folder / MASTER).exists():
                place_private(folder / MASTER, secrets.token_hex(_SECRET_BYTES).encode())
            for name in ("of", "by"):
                (folder / name).mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder)
        except OSError as error:
            raise KeyringUnavailable(str(folder), f"it cannot be made: {error.strerror}") from error
        return cls.open(folder, clock)

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], datetime], *, expected: str = "") -> Self:
        """The keyring of this folder, if it is the one of this id.

        Raises ``KeyringUnavailable``, also for a folder that is not the one the others share: a key made in a folder
        of a node's own would be missed by the erasure.
        """
        try:
            master = bytes.fromhex(read_private(folder / MASTER).decode())
        except OSError as error:
            raise KeyringUnavailable(str(folder), f"{MASTER} cannot be read: {error.strerror}") from error
        except KeyUnusable as error:
            raise KeyringUnavailable(str(folder), f"{MASTER}: {error.reason}") from error
        except ValueError as error:
            raise KeyringUnavailable(str(folder), f"{MASTER} is not hex") from error
        if len(master) != _SECRET_BYTES:
            raise KeyringUnavailable(str(folder), f"{MASTER} holds {len(master)} bytes; expected {_SECRET_BYTES}")
        keyring = cls(folder, master, clock)
        if expected not in {"", keyring.id}:
            raise KeyringUnavailable(str(folder), f"it is keyring {keyring.id}, not {expected}; share one folder")
        return keyring

    def lookup(self, model: str, subject: str) -> str:
        """Under what a subject's key towards a model is found."""
        return hmac.digest(self._finder, f"{model}\0{subject}".encode(), "sha256").hex()

    def key(self, model: str, subject: str) -> SubjectKey:
        """The subject's key, made and durable when this returns if there was none.

        Raises ``KeyringUnavailable``, ``SubjectKeyDamaged``.
        """
        lookup = self.lookup(model, subject)
        path = self._of / lookup / _KEY
        with self._translated():
            for _ in range(_ATTEMPTS):
                # What is missing was not there yet, or an erasure took it away this moment: look again.
                with suppress(FileNotFoundError):
                    return self._checked(path, subject)
                with suppress(FileNotFoundError):
                    self._make(lookup, subject)
        raise KeyringUnavailable(str(self._of), "a key that was made is gone each time: do erasures run in a loop?")

    def key_of(self, pseudonym: str) -> SubjectKey | None:
        """The key under which this pseudonym's records are sealed; None when it is destroyed. Raises as ``key``."""
        path = self._by / pseudonym
        with self._translated():
            try:
                found = self._read(path)
            except FileNotFoundError:
                return None
            except SubjectKeyDamaged:
                if self.lives(pseudonym):  # else: it was read while it was destroyed
                    raise
                return None
        if found.key.pseudonym != pseudonym:
            raise SubjectKeyDamaged(str(path), "it is the key of another pseudonym")
        return found.key

    def lives(self, pseudonym: str) -> bool:
        """Whether its key is there."""
        return (self._by / pseudonym).exists()

    def names(self, model: str, subject: str) -> list[Named]:
        """The pseudonyms of a subject that an erasure has to see to: those of unfinished ones, and the present one.

        What a maker or an erasure left that was killed, and that has no name of its own, goes on the way.
        """
        folder = self._of / self.lookup(model, subject)
        with self._translated(), self._erasing():
            if not folder.is_dir():
                return []
            self._sweep(folder)
            marked = [path.name.removeprefix(_ERASING) for path in folder.glob(f"{_ERASING}*")]
            named = {pseudonym: Named(pseudonym, None) for pseudonym in marked}
            with suppress(FileNotFoundError):
                present = self._read(folder / _KEY)
                named[present.key.pseudonym] = Named(present.key.pseudonym, present.made)
            self._remove_if_empty(folder)
        return list(named.values())

    def destroy(self, model: str, subject: str, pseudonym: str) -> None:
        """Steps 1 to 4: salt and key of this pseudonym are gone when this returns."""
        folder = self._of / self.lookup(model, subject)
        with self._translated(), self._erasing():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / f"{_ERASING}{pseudonym}").touch(mode=0o600)
            sync_folder(folder)
            with suppress(FileNotFoundError):
                if self._read(folder / _KEY).key.pseudonym == pseudonym:
                    (folder / _KEY).rename(_dying(folder))
            self._sweep(folder)
            (self._by / pseudonym).unlink(missing_ok=True)
            sync_folder(self._by)
            sync_folder(folder)

    def forget(self, model: str, subject: str, pseudonym: str) -> None:
        """Step 5: nothing here tells any more that this pseudonym was."""
        folder = self._of / self.lookup(model, subject)
        with self._translated(), self._erasing():
            (folder / f"{_ERASING}{pseudonym}").unlink(missing_ok=True)
            self._remove_if_empty(folder)

    def _checked(self, path: Path, subject: str) -> SubjectKey:
        """The key in a file, if it is this subject's. Raises as ``_read``."""
        try:
            found = self._read(path)
        except SubjectKeyDamaged:
            found = self._read(path)  # overwritten while it was read? Then its name is gone by now
        if hmac.digest(found.salt, subject.encode(), "sha256").hex() != found.key.pseudonym:
            raise SubjectKeyDamaged(str(path), "it is the key of another subject")
        return found.key

    def _make(self, lookup: str, subject: str) -> None:
        """A key for this subject, unless somebody was faster. Raises ``FileNotFoundError`` when an erasure was."""
        salt, secret = secrets.token_bytes(_SECRET_BYTES), secrets.token_bytes(_SECRET_BYTES)
        pseudonym = hmac.digest(salt, subject.encode(), "sha256").hex()
        folder, by = self._of / lookup, self._by / pseudonym
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._of)
        draft = folder / f"{_DRAFT}{secrets.token_hex(8)}"
        try:
            write_private(draft, self._wrapped(lookup, pseudonym, salt, secret))
            os.link(draft, by)
            try:
                os.link(draft, folder / _KEY)
            except FileExistsError:
                by.unlink(missing_ok=True)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(self._by)
        sync_folder(folder)

    def _wrapped(self, lookup: str, pseudonym: str, salt: bytes, secret: bytes) -> bytes:
        nonce, made = secrets.token_bytes(NONCE_BYTES), self._clock().isoformat().encode()
        plain = bytes.fromhex(pseudonym) + salt + secret + made
        wrapped = nonce + self._wrapper.encrypt(nonce, plain, lookup.encode())
        return canonical.encode({"lookup": lookup, "wrapped": base64.b64encode(wrapped).decode()})

    def _read(self, path: Path) -> _Unwrapped:
        """Raises ``FileNotFoundError``, ``SubjectKeyDamaged``."""
        try:
            document = canonical.decode(read_private(path))
            lookup, raw = document["lookup"], base64.b64decode(document["wrapped"])
            plain = self._wrapper.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], lookup.encode())
        except (KeyUnusable, InvalidTag, ValueError, KeyError, TypeError) as error:
            why = error.reason if isinstance(error, KeyUnusable) else "not wrapped under this keyring's master key"
            raise SubjectKeyDamaged(str(path), why) from error
        pseudonym, salt, secret, made = plain[:32], plain[32:64], plain[64:96], plain[96:]
        key = SubjectKey(pseudonym.hex(), AESGCM(secret))
        return _Unwrapped(key, salt, datetime.fromisoformat(made.decode()))

    def _sweep(self, folder: Path) -> None:
        """End drafts and renamed keys. Whoever makes a key this moment misses its draft, and begins anew."""
        for draft in folder.glob(f"{_DRAFT}*"):
            with suppress(FileNotFoundError):
                draft.rename(_dying(folder))
        sync_folder(folder)
        for dying in folder.glob(f"{_DYING}*"):
            self._end(dying, folder / _KEY)

    def _remove_if_empty(self, folder: Path) -> None:
        with suppress(OSError):  # not empty: there is a key, or an erasure that is not finished
            folder.rmdir()
            sync_folder(self._of)

    def _end(self, dying: Path, live: Path) -> None:
        """Steps 3 and 4 for one file."""
        with suppress(FileNotFoundError):
            if live.samefile(dying):  # the draft of a key made meanwhile, whose maker had not yet removed it
                dying.unlink()
                return
        with suppress(SubjectKeyDamaged):  # torn when it was written, or overwritten already
            (self._by / self._read(dying).key.pseudonym).unlink(missing_ok=True)
            sync_folder(self._by)
        descriptor = os.open(dying, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, secrets.token_bytes(os.fstat(descriptor).st_size), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        dying.unlink()

    @contextmanager
    def _erasing(self) -> Iterator[None]:
        """One erasure at a time: two of one subject would take a key that was made between them for the old one."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyringUnavailable(str(self._of.parent), str(error.strerror)) from error


@dataclass(frozen=True, slots=True)
class _Unwrapped:
    key: SubjectKey
    salt: bytes
    made: datetime


def _dying(folder: Path) -> Path:
    return folder / f"{_DYING}{secrets.token_hex(8)}"


def _derived(master: bytes, purpose: bytes) -> bytes:
    """A key of its own for each purpose (RFC 5869)."""
    return HKDF(SHA256(), _SECRET_BYTES, salt=None, info=b"fleetward data subjects: " + purpose).derive(master)
