"""Signed notes read and write as Go's sumdb/note and the C2SP specification do."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.ledger.errors import KeyUnusable, NoteMalformed, NoteUntrusted, SignatureInvalid
from runtime.ledger.note import (
    COSIGNATURE_V1,
    Cosigner,
    Signature,
    Signer,
    Verifier,
    add_signatures,
    open_note,
    read_note,
    sign_note,
)
from runtime.ledger.signing import SigningKey

# golang.org/x/mod/sumdb/note, note_test.go
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# The key that the go command trusts, and a tree head that sum.golang.org signed with it.
GO_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_HEAD = (
    "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n"
    "— sum.golang.org "
    "Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=\n"
)
# The example of https://c2sp.org/signed-note, whose text holds empty lines.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
NOON = datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)


def key(seed: int) -> SigningKey:
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def opened(note: str, *vkeys: str) -> list[str]:
    return [signed.verifier.name for signed in open_note(note.encode(), map(Verifier.parse, vkeys)).signed]


def test_a_text_is_signed_as_go_signs_it() -> None:
    signer = Signer(SigningKey(Ed25519PrivateKey.from_private_bytes(PETER_SEED)), "PeterNeumann")
    assert signer.verifier.vkey == PETER
    assert sign_note(TEXT, signer).decode() == f"{TEXT}\n{PETER_LINE}"


def test_a_tree_head_of_the_go_checksum_database_verifies() -> None:
    note = open_note(GO_HEAD.encode(), [Verifier.parse(GO_KEY)])
    assert note.text == GO_HEAD.partition("\n\n")[0] + "\n"
    assert [signed.verifier.vkey for signed in note.signed] == [GO_KEY]


def test_a_text_may_hold_empty_lines() -> None:
    text, lines = read_note(POEM.encode())
    assert text == POEM.rpartition("\n\n")[0] + "\n"
    assert [(line.name, line.key_hash.hex()) for line in lines] == [("quasimodo.example/salvatore", "367ba04b")]


def test_a_line_of_an_unknown_key_is_passed_over_and_kept() -> None:
    note = open_note(f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode(), [Verifier.parse(PETER)])
    assert [signed.verifier.name for signed in note.signed] == ["PeterNeumann"]
    assert [line.line() for line in note.unknown] == [ENOCH_LINE]


def test_all_trusted_keys_that_signed_are_told_once_each() -> None:
    lines = PETER_LINE + PETER_LINE + ENOCH_LINE + ENOCH_LINE
    assert opened(f"{TEXT}\n{lines}", PETER, ENOCH) == ["PeterNeumann", "EnochRoot"]


def test_a_note_without_a_line_of_a_trusted_key_is_refused() -> None:
    with pytest.raises(NoteUntrusted, match="signed by EnochRoot, with no key that is trusted; trusted are Peter"):
        opened(f"{TEXT}\n{ENOCH_LINE}", PETER)
    with pytest.raises(NoteUntrusted, match="trusted are nobody"):
        opened(f"{TEXT}\n{ENOCH_LINE}")


def test_a_trusted_key_whose_line_does_not_verify_refuses_the_note_whoever_else_signed() -> None:
    bent = ENOCH_LINE[:60] + ("A" if ENOCH_LINE[60] != "A" else "B") + ENOCH_LINE[61:]
    for lines in (PETER_LINE + bent, bent + PETER_LINE):
        with pytest.raises(SignatureInvalid, match=r"signature of EnochRoot\+af0cfe78 does not verify"):
            opened(f"{TEXT}\n{lines}", PETER, ENOCH)
    assert opened(f"{TEXT}\n{PETER_LINE}{bent}", PETER) == ["PeterNeumann"]


def test_two_trusted_keys_that_cannot_be_told_apart_are_refused() -> None:
    one, other = Verifier.parse(PETER), Colliding("PeterNeumann", bytes(32))
    assert open_note(f"{TEXT}\n{PETER_LINE}".encode(), [one, one]).signed[0].verifier == one
    with pytest.raises(KeyUnusable, match="same name and hash"):
        open_note(f"{TEXT}\n{PETER_LINE}".encode(), [one, other])


class Colliding(Verifier):
    """A key ground until its four-byte hash is Peter's."""

    @property
    def key_hash(self) -> bytes:
        return bytes.fromhex("c74f20a3")


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (TEXT, "no empty line"),
        (f"{TEXT}\n", "no empty line"),
        ("", "no empty line"),
        (f"{TEXT}\n{PETER_LINE}"[:-1], "has no end"),
        (f"\x01{TEXT}\n{PETER_LINE}", "control character 0x01"),
        (f"{TEXT}\n{PETER_LINE}".replace("\n", "\r\n"), "no empty line"),
        (f"{TEXT}\r\n\n{PETER_LINE}", "control character 0x0d"),
        (f"{TEXT}\n{PETER_LINE}Unexpected line.\n", "signature line 2 is not"),
        (f"{TEXT}\n{PETER_LINE}\n", "no empty line"),
        (f"{TEXT}\n{PETER_LINE}".replace("— PeterNeumann ", "— Bad Name "), "line 1"),
        (f"{TEXT}\n{PETER_LINE}".replace("— PeterNeumann ", "— Bad+Name "), "line 1"),
        (f"{TEXT}\n{PETER_LINE}".replace("— PeterNeumann ", "— Bad\u2003Name "), "line 1"),
        (f"{TEXT}\n{PETER_LINE}".replace("— PeterNeumann ", "—  "), "line 1"),
        (f"{TEXT}\n{PETER_LINE}".replace("—", "-"), "line 1"),
        (f"{TEXT}\n{PETER_LINE}".replace("nAM=", "nAN="), "no base64"),  # other unused bits, the same bytes
        (f"{TEXT}\n{PETER_LINE}".replace("nAM=", "nAM"), "no base64"),
        (f"{TEXT}\n{PETER_LINE}".replace("nAM=", "nAM= "), "no base64"),
        (f"{TEXT}\n— PeterNeumann x08gow==\n", "no base64 of a key hash and a signature"),
        (f"{TEXT}\n{PETER_LINE * 101}", "101 signatures"),
        (f"{'x' * 1_000_000}\n\n{PETER_LINE}", "at most 1000000"),
    ],
)
def test_what_is_not_a_note_in_its_one_spelling_is_refused(note: str, reason: str) -> None:
    with pytest.raises(NoteMalformed, match=reason):
        opened(note, PETER)


def test_what_is_not_utf_8_is_no_note() -> None:
    with pytest.raises(NoteMalformed, match="byte 0 is not UTF-8"):
        open_note(b"\xff" + f"{TEXT}\n{PETER_LINE}".encode(), [Verifier.parse(PETER)])


def test_every_flipped_bit_of_a_cosigned_note_is_noticed() -> None:
    log, witness = Signer(key(1), "log.example"), Cosigner(key(2), "witness.example")
    note = add_signatures(sign_note(TEXT, log), [witness.cosign(TEXT, NOON)])
    for bit in range(len(note) * 8):
        bent = bytearray(note)
        bent[bit // 8] ^= 1 << bit % 8
        try:
            opened = open_note(bytes(bent), [log.verifier, witness.verifier])
        except (NoteMalformed, NoteUntrusted):
            continue
        # A line whose name or key hash was changed is a stranger's; both keys' lines must stand to be counted.
        assert len(opened.signed) == 1
        assert len(opened.unknown) == 1


def test_a_vkey_that_was_changed_anywhere_is_none() -> None:
    assert Verifier.parse(PETER).vkey == PETER
    spans = [(i, j) for i in range(len(PETER)) for j in range(i + 1, len(PETER) + 1) if j - i < len(PETER)]
    bent = [PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))]
    for text in (*(PETER[i:j] for i, j in spans), *bent, PETER.upper(), PETER + "\n", PETER.replace("c7", "+7")):
        with pytest.raises(KeyUnusable):
            Verifier.parse(text)


@pytest.mark.parametrize(
    ("vkey", "reason"),
    [
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", "not a vkey"),
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "signature type 0x65"),
        (PETER.replace("c74f20a3", "c74f20a4"), "its hash is c74f20a4, that of its name and key c74f20a3"),
        (PETER.replace("PeterNeumann", "PaterNeumann"), "its hash is c74f20a3"),
        ("name+00000000+AQ==", "0 bytes, not 32"),
    ],
)
def test_a_vkey_is_refused_with_its_reason(vkey: str, reason: str) -> None:
    with pytest.raises(KeyUnusable, match=reason):
        Verifier.parse(vkey)


def test_a_name_with_spaces_or_plus_names_no_key() -> None:
    for name in ("", "two words", "a+b", "tab\t", "line\n", "wide\u3000space"):
        with pytest.raises(KeyUnusable, match="its name"):
            Signer(key(1), name)


def test_a_public_key_is_read_in_the_ledgers_own_spelling_too() -> None:
    assert Verifier.of("log.example", key(1).public_key_text) == Signer(key(1), "log.example").verifier
    for text in (key(1).public_key_text.removeprefix("ed25519:"), "ed25519:AA==", "ed25519:", "rsa:AAAA"):
        with pytest.raises(KeyUnusable):
            Verifier.of("log.example", text)


# --- cosignatures ----------------------------------------------------------------------------------


def test_a_cosignature_covers_its_time_and_the_text_and_nothing_else() -> None:
    log, witness = Signer(key(1), "log.example"), Cosigner(key(2), "witness.example")
    note = add_signatures(sign_note(TEXT, log), [witness.cosign(TEXT, NOON)])
    signed = open_note(note, [log.verifier, witness.verifier]).signed_by(witness.verifier)
    assert signed is not None
    assert signed.time == NOON
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    assert signed.signature.value == (1679315147).to_bytes(8, "big") + base64.b64decode(key(2).sign(message))


def test_a_cosignature_is_framed_as_in_the_specifications_example() -> None:
    line = (
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
        "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    _, (read,) = read_note(f"{TEXT}\n{line}".encode())
    ours = Cosigner(key(2), "witness.example.com/w1").cosign(TEXT, NOON)
    assert read.line() == line
    assert read.value[:8] == ours.value[:8] == (1679315147).to_bytes(8, "big")
    assert len(read.value) == len(ours.value)


def test_a_cosignature_whose_time_was_changed_does_not_verify() -> None:
    witness = Cosigner(key(2), "witness.example")
    line = witness.cosign(TEXT, NOON)
    for seconds in (0, 1679315148, 2**63, 2**64 - 1):
        bent = Signature(line.name, line.key_hash, seconds.to_bytes(8, "big") + line.value[8:])
        with pytest.raises(SignatureInvalid):
            open_note(f"{TEXT}\n{bent.line()}".encode(), [witness.verifier])


def test_a_key_signs_notes_and_cosigns_under_different_hashes() -> None:
    signer, cosigner = Signer(key(1), "both.example"), Cosigner(key(1), "both.example")
    assert signer.verifier.key_hash != cosigner.verifier.key_hash
    assert Verifier.parse(cosigner.verifier.vkey) == cosigner.verifier
    assert cosigner.verifier.kind == COSIGNATURE_V1
    with pytest.raises(NoteUntrusted):
        open_note(sign_note(TEXT, signer), [cosigner.verifier])


def test_a_cosignature_has_a_time_with_a_zone_after_1970() -> None:
    for time in (datetime(2026, 1, 1), datetime(1969, 1, 1, tzinfo=UTC)):  # noqa: DTZ001 - the very fault
        with pytest.raises(ValueError, match=r"1970|zone"):
            Cosigner(key(2), "witness.example").cosign(TEXT, time)


def test_a_newer_line_of_a_key_takes_the_place_of_its_older_one() -> None:
    log, witness = Signer(key(1), "log.example"), Cosigner(key(2), "witness.example")
    note = sign_note(TEXT, log)
    for day in (1, 2):
        note = add_signatures(note, [witness.cosign(TEXT, NOON.replace(day=day))])
    lines = open_note(note, [log.verifier, witness.verifier]).signed
    assert [(line.verifier.name, line.time) for line in lines] == [
        ("log.example", None),
        ("witness.example", NOON.replace(day=2)),
    ]


# --- the rest --------------------------------------------------------------------------------------


def test_a_text_that_cannot_be_a_notes_is_not_signed() -> None:
    for text in ("", "no end", "tab\t\n", "null\x00\n"):
        with pytest.raises(NoteMalformed):
            sign_note(text, Signer(key(1), "log.example"))
    with pytest.raises(ValueError, match="needs a signature"):
        sign_note(TEXT)


@pytest.mark.parametrize(
    "error",
    [
        NoteMalformed("note", "no end"),
        NoteUntrusted(("a", "b"), ("c",)),
        SignatureInvalid("a", "01020304"),
    ],
)
def test_errors_of_notes_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_an_offline_verifier_needs_neither_ray_nor_a_database(root: Path) -> None:
    code = "import sys, runtime.ledger.checkpoint, runtime.ledger.note; print(*{'ray', 'sqlalchemy'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
