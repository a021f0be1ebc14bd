"""A checkpoint has one spelling, and only the log's own key makes it one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.ledger.checkpoint import LARGEST_SIZE, Checkpoint, open_checkpoint, sign_checkpoint
from runtime.ledger.errors import NoteMalformed, NoteUntrusted
from runtime.ledger.merkle import EMPTY_ROOT, leaf_hash
from runtime.ledger.note import Cosigner, Signer, Verifier, add_signatures, read_note
from runtime.ledger.signing import SigningKey

ROOT = leaf_hash(b"a leaf")
# The example of https://c2sp.org/tlog-checkpoint
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def signer(seed: int, name: str) -> Signer:
    return Signer(SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)), name)


def cosigner(seed: int, name: str) -> Cosigner:
    return Cosigner(SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)), name)


LOG = signer(1, "log.example")
WITNESS = cosigner(2, "witness.example")


def test_the_specifications_example_is_read_and_written_alike() -> None:
    checkpoint = Checkpoint.parse(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a9186")
    assert checkpoint.body() == EXAMPLE


def test_extension_lines_are_kept_since_they_are_signed() -> None:
    text = EXAMPLE + "an extension\nanother one\n"
    assert Checkpoint.parse(text).extensions == ("an extension", "another one")
    assert Checkpoint.parse(text).body() == text


def test_the_empty_tree_has_the_empty_root_and_no_other() -> None:
    empty = Checkpoint("log.example", 0, EMPTY_ROOT)
    assert Checkpoint.parse(empty.body()) == empty
    with pytest.raises(NoteMalformed, match="not the empty tree's"):
        Checkpoint("log.example", 0, ROOT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected an origin"),
        (EXAMPLE.partition("\n")[2], "expected an origin"),
        (EXAMPLE[:-1], "expected an origin"),
        (EXAMPLE.replace("example.com/behind-the-sofa", ""), "empty"),
        (EXAMPLE + "\n", "empty"),
        (EXAMPLE + "\nextension\n", "empty"),
        (EXAMPLE.replace("\n", "\r\n"), "not base64"),
        *((EXAMPLE.replace("20852163", size), "size") for size in ("", "020852163", "-1", "+1", "1e3", "1 ", "٣")),
        (EXAMPLE.replace("20852163", str(LARGEST_SIZE + 1)), "no tree has"),
        (EXAMPLE.replace("20852163", "9" * 40), "size"),
        (EXAMPLE.replace("q2I=", "q2J="), "not base64"),
        (EXAMPLE.replace("q2I=", "q2I"), "not base64"),
        (EXAMPLE.replace("CsUYapGGPo4d", ""), "a root of 23 bytes, not 32"),
    ],
)
def test_what_is_not_a_checkpoint_in_its_one_spelling_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NoteMalformed, match=reason):
        Checkpoint.parse(text)


def test_a_checkpoint_that_cannot_be_written_cannot_be_made() -> None:
    for origin, size, root in (("", 1, ROOT), ("a\nb", 1, ROOT), ("a", -1, ROOT), ("a", 1, ROOT[:31])):
        with pytest.raises(NoteMalformed):
            Checkpoint(origin, size, root)


def test_a_signed_checkpoint_is_opened_with_the_logs_key() -> None:
    checkpoint = Checkpoint("log.example", 1, ROOT)
    note = add_signatures(sign_checkpoint(checkpoint, LOG), [WITNESS.cosign(checkpoint.body(), NOON)])
    found, opened = open_checkpoint(note, [LOG.verifier], [WITNESS.verifier])
    assert found == checkpoint
    assert [line.time for line in opened.signed] == [None, NOON]
    assert open_checkpoint(note, [LOG.verifier])[0] == checkpoint


def test_cosignatures_without_the_logs_signature_make_no_checkpoint() -> None:
    body = Checkpoint("log.example", 1, ROOT).body()
    note = f"{body}\n{WITNESS.cosign(body, NOON).line()}".encode()
    with pytest.raises(NoteUntrusted, match=r"signed by witness\.example.*trusted are log\.example"):
        open_checkpoint(note, [LOG.verifier], [WITNESS.verifier])


def test_a_logs_key_speaks_for_its_own_origin_unless_told_otherwise() -> None:
    note = sign_checkpoint(Checkpoint("other.example", 1, ROOT), LOG)
    with pytest.raises(NoteMalformed, match=r"of the log 'other\.example', not of 'log\.example'"):
        open_checkpoint(note, [LOG.verifier])
    assert open_checkpoint(note, [LOG.verifier], origin="other.example")[0].size == 1


def test_a_tree_head_of_the_go_checksum_database_is_a_checkpoint() -> None:
    note = (
        "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n"
        "— sum.golang.org "
        "Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=\n"
    )
    key = Verifier.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    checkpoint, _ = open_checkpoint(note.encode(), [key], origin="go.sum database tree")
    assert checkpoint.size == 65209736
    assert read_note(note.encode())[0] == checkpoint.body()
