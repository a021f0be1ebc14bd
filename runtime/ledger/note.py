r"""Signed notes (https://c2sp.org/signed-note): a text and the signature lines of those who stand by it.

    example.org/ledger                              the text, which ends in a newline
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
                                                    the last empty line divides text and signatures
    — example.org/ledger Az3grlgtzPICa5OS8npVmf...  em dash, key name, base64(key hash (4) || signature)
    — witness.example.org jWbPPwAAAABkGFDLEZMHw...

    key hash    SHA-256(name || 0x0A || type || public key (32))[:4]: tells keys apart, proves nothing
    vkey        name+hash+base64(type || public key), the hash in 8 hex digits
    type 0x01   Ed25519 over the text
    type 0x04   cosignature/v1 (https://c2sp.org/tlog-cosignature): the signature is a time (POSIX
                seconds, 8 bytes, big-endian) and Ed25519 over "cosignature/v1\ntime SECONDS\n" || text

Reading is strict: what has two spellings elsewhere (base64 padding, line ends) has one here. A line of an
unknown key is passed over, one of a trusted key must verify, and one at least must be there.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from runtime.ledger.errors import KeyUnusable, NoteMalformed, NoteUntrusted, SignatureInvalid
from runtime.ledger.signers import Key
from runtime.ledger.signing import PUBLIC_BYTES, PUBLIC_PREFIX, SIGNATURE_BYTES

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
LARGEST_NOTE_BYTES = 1_000_000
MOST_SIGNATURES = 100
"""Limits as in Go's sumdb/note; the specification asks for 16 signatures at least."""

_KEY_HASH_BYTES = 4
_TIME_BYTES = 8
_LATEST_SECONDS = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_HEX8 = re.compile(r"[0-9a-f]{8}")
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it says it is, and its bytes behind the key hash."""

    name: str
    key_hash: bytes
    value: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_hash + self.value).decode('ascii')}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under the name it signs notes with. ``kind`` is ``ED25519`` or ``COSIGNATURE_V1``."""

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if (reason := _name_fault(self.name)) is not None:
            raise KeyUnusable(self.name[:80], reason)
        if self.kind not in {ED25519, COSIGNATURE_V1}:
            raise KeyUnusable(self.name, f"signature type {self.kind:#04x}; this reads 0x01 and 0x04")
        if len(self.public) != PUBLIC_BYTES:
            raise KeyUnusable(self.name, f"a public key of {len(self.public)} bytes, not {PUBLIC_BYTES}")

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """The verifier that a vkey spells. Raises ``KeyUnusable``."""
        name, _, rest = vkey.partition("+")
        digits, _, encoded = rest.partition("+")
        raw = plain_base64(encoded)
        if not _HEX8.fullmatch(digits) or not raw:
            raise KeyUnusable(vkey[:80], "not a vkey; expected name+8 hex digits+base64")
        verifier = cls(name, raw[1:], raw[0])
        if verifier.key_hash.hex() != digits:
            raise KeyUnusable(vkey[:80], f"its hash is {digits}, that of its name and key {verifier.key_hash.hex()}")
        return verifier

    @classmethod
    def of(cls, name: str, public_key_text: str, kind: int = ED25519) -> Verifier:
        """The verifier for a key in the ledger's own spelling, ``ed25519:`` and base64. Raises ``KeyUnusable``."""
        public = plain_base64(public_key_text.removeprefix(PUBLIC_PREFIX))
        if public is None or not public_key_text.startswith(PUBLIC_PREFIX):
            raise KeyUnusable(public_key_text[:80], f"not a public key; expected {PUBLIC_PREFIX} and base64")
        return cls(name, public, kind)

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that tell this key's lines from others of the same name."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_KEY_HASH_BYTES]

    @property
    def vkey(self) -> str:
        """How this key is handed to others."""
        material = base64.b64encode(bytes([self.kind]) + self.public).decode("ascii")
        return f"{self.name}+{self.key_hash.hex()}+{material}"

    @property
    def public_key_text(self) -> str:
        """The key in the ledger's own spelling, ``ed25519:`` and base64: as grants name it."""
        return PUBLIC_PREFIX + base64.b64encode(self.public).decode("ascii")

    def verify(self, text: str, value: bytes) -> bool:
        """Whether ``value``, the bytes behind the key hash, is this key's signature of the text."""
        if self.kind == ED25519:
            return self._signed(text.encode(), value)
        seconds = int.from_bytes(value[:_TIME_BYTES], "big")
        return seconds <= _LATEST_SECONDS and self._signed(_cosigned(text, seconds), value[_TIME_BYTES:])

    def _signed(self, content: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, content)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A key that signs notes under a name, with signatures of type 0x01."""

    def __init__(self, key: Key, name: str) -> None:
        self._key = key
        self.verifier = Verifier.of(name, key.public_key_text)

    def sign(self, text: str) -> Signature:
        """The signature of a note's text."""
        return Signature(self.verifier.name, self.verifier.key_hash, base64.b64decode(self._key.sign(text.encode())))


class Cosigner:
    """A key that cosigns checkpoints under a name: as of a time, this is the largest tree it saw of that log.

    The message does not hold the name, so no two cosigners may share a key.
    """

    def __init__(self, key: Key, name: str) -> None:
        self._key = key
        self.verifier = Verifier.of(name, key.public_key_text, COSIGNATURE_V1)

    def cosign(self, text: str, time: datetime) -> Signature:
        """The cosignature of a checkpoint's text. Raises ``ValueError`` on a time without zone or before 1970."""
        if time.tzinfo is None:
            raise ValueError(f"a cosignature's time needs its zone; got {time.isoformat()}")
        seconds = int(time.timestamp())
        if seconds < 0:
            raise ValueError(f"a cosignature's time lies in or after 1970; got {time.isoformat()}")
        signed = base64.b64decode(self._key.sign(_cosigned(text, seconds)))
        value = seconds.to_bytes(_TIME_BYTES, "big") + signed
        return Signature(self.verifier.name, self.verifier.key_hash, value)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was verified, and by which key."""

    verifier: Verifier
    signature: Signature

    @property
    def time(self) -> datetime | None:
        """When a cosignature says it was made; None for others."""
        if self.verifier.kind != COSIGNATURE_V1:
            return None
        return datetime.fromtimestamp(int.from_bytes(self.signature.value[:_TIME_BYTES], "big"), UTC)


@dataclass(frozen=True, slots=True)
class Note:
    """A note that a trusted key signed: ``signed`` are its verified lines, ``unknown`` those of other keys."""

    text: str
    signed: tuple[Signed, ...]
    unknown: tuple[Signature, ...] = ()

    def signed_by(self, verifier: Verifier) -> Signed | None:
        """The verified line of this key, if the note has one."""
        return next((line for line in self.signed if line.verifier == verifier), None)


def sign_note(text: str, *signers: Signer) -> bytes:
    """The note of this text under these signatures. Raises ``NoteMalformed`` when the text cannot be a note's."""
    if not signers:
        raise ValueError("a note needs a signature")
    return _laid_out(text, [signer.sign(text) for signer in signers])


def add_signatures(data: bytes, signatures: Iterable[Signature]) -> bytes:
    """The note with more lines; one that a name and key hash already has is replaced. Raises ``NoteMalformed``."""
    text, present = read_note(data)
    lines = {(line.name, line.key_hash): line for line in (*present, *signatures)}
    return _laid_out(text, list(lines.values()))


def open_note(data: bytes, verifiers: Iterable[Verifier]) -> Note:
    """The note, if a trusted key signed it.

    Raises ``NoteMalformed``; ``SignatureInvalid`` when the line of a trusted key does not verify;
    ``NoteUntrusted`` when no trusted key signed; ``KeyUnusable`` when two verifiers cannot be told apart.
    """
    trusted = _by_identity(verifiers)
    text, lines = read_note(data)
    signed: dict[tuple[str, bytes], Signed] = {}
    unknown: dict[Signature, None] = {}
    for line in lines:
        identity = (line.name, line.key_hash)
        verifier = trusted.get(identity)
        if verifier is None:
            unknown[line] = None
        elif not verifier.verify(text, line.value):
            raise SignatureInvalid(line.name, line.key_hash.hex())
        else:
            signed.setdefault(identity, Signed(verifier, line))
    if not signed:
        raise NoteUntrusted(tuple(sorted({line.name for line in lines})), tuple(sorted({n for n, _ in trusted})))
    return Note(text, tuple(signed.values()), tuple(unknown))


def read_note(data: bytes) -> tuple[str, tuple[Signature, ...]]:
    """The text and the lines of a note, none of them verified: trust neither. Raises ``NoteMalformed``."""
    if len(data) > LARGEST_NOTE_BYTES:
        raise NoteMalformed("note", f"{len(data)} bytes; at most {LARGEST_NOTE_BYTES} are read")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteMalformed("note", f"byte {error.start} is not UTF-8") from error
    head, divider, tail = content.rpartition("\n\n")
    if not divider or not tail:
        raise NoteMalformed("note", "no empty line with signatures behind it")
    text = head + "\n"
    if (fault := _text_fault(text)) is not None:
        raise NoteMalformed("note", fault)
    return text, read_signatures(tail)


def read_signatures(block: str) -> tuple[Signature, ...]:
    """The signature lines of a block, none of them verified; each ends in a newline. Raises ``NoteMalformed``."""
    if not block.endswith("\n"):
        raise NoteMalformed("note", "its last signature line has no end")
    lines = block[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise NoteMalformed("note", f"{len(lines)} signatures; at most {MOST_SIGNATURES} are read")
    return tuple(_signature(number, line) for number, line in enumerate(lines, start=1))


def plain_base64(text: str) -> bytes | None:
    """The bytes of base64 in its one spelling (padded, unused bits zero), else None."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode("ascii") == text else None


def _signature(number: int, line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    raw = plain_base64(encoded)
    if not line.startswith(_DASH) or not space or _name_fault(name) is not None:
        raise NoteMalformed("note", f"signature line {number} is not an em dash, a key name and base64")
    if raw is None or len(raw) <= _KEY_HASH_BYTES:
        raise NoteMalformed("note", f"signature line {number} holds no base64 of a key hash and a signature")
    return Signature(name, raw[:_KEY_HASH_BYTES], raw[_KEY_HASH_BYTES:])


def _laid_out(text: str, signatures: list[Signature]) -> bytes:
    if (fault := _text_fault(text)) is not None:
        raise NoteMalformed("note", fault)
    return (text + "\n" + "".join(signature.line() for signature in signatures)).encode()


def _by_identity(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_hash), verifier) != verifier:
            raise KeyUnusable(verifier.vkey, "another trusted key has the same name and hash")
    return known


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _text_fault(text: str) -> str | None:
    if not text.endswith("\n"):
        return "its text does not end in a newline"
    bad = next((character for character in text if character < " " and character != "\n"), None)
    return None if bad is None else f"it holds the control character {ord(bad):#04x}"


def _name_fault(name: str) -> str | None:
    if not name:
        return "its name is empty"
    if "+" in name or any(character.isspace() or character < " " for character in name):
        return "its name holds a space, a control character or a plus"
    return None
