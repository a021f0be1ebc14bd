"""A key in AWS KMS, over HTTP as boto3 speaks it; the server here signs with a real key and breaks what a test asks."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runtime.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from runtime.ledger.errors import KeyUnreachable, KeyUnusable
from runtime.ledger.kms import KmsKey
from runtime.ledger.note import Signer
from runtime.ledger.signers import open_key
from runtime.ledger.signing import SigningKey, verify

ALIAS = "alias/ledger"
REFUSALS = {"NotFoundException": 400, "AccessDeniedException": 400, "KMSInternalException": 500}


def der(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


@dataclass
class Kms:
    """One key behind one alias, and what is wrong with it."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    public: bytes = b""
    usage: str = "SIGN_VERIFY"
    algorithms: tuple[str, ...] = ("ED25519_PH_SHA_512", "ED25519_SHA_512")
    refuses: str | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, call: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(call)
        if call == "GetPublicKey":
            public = self.public or der(self.private.public_key())
            encoded = base64.b64encode(public).decode()
            return {"PublicKey": encoded, "KeyUsage": self.usage, "SigningAlgorithms": list(self.algorithms)}
        assert (call, request["MessageType"], request["SigningAlgorithm"]) == ("Sign", "RAW", "ED25519_SHA_512")
        signature = self.private.sign(base64.b64decode(request["Message"]))
        return {"Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": "ED25519_SHA_512"}


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kms]:
    kms = Kms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            call = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            code = 200 if kms.refuses is None else REFUSALS[kms.refuses]
            told = {"__type": kms.refuses, "message": "no"} if kms.refuses else kms.answer(call, request)
            content = json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    yield kms
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_in_kms_signs_checkpoints_as_a_key_in_a_file_does(kms: Kms) -> None:
    key = open_key(f"awskms:///{ALIAS}")
    assert isinstance(key, KmsKey)
    signer = Signer(key, "fleetward.example/ledger")
    checkpoint = Checkpoint("fleetward.example/ledger", 3, b"r" * 32)
    assert open_checkpoint(sign_checkpoint(checkpoint, signer), [signer.verifier])[0] == checkpoint
    assert signer.verifier.public == kms.private.public_key().public_bytes_raw()
    assert kms.asked == ["GetPublicKey", "Sign"]


def test_its_signature_verifies_by_its_public_key_alone(kms: Kms) -> None:
    key = KmsKey.open(ALIAS)
    assert verify(key.public_key_text, b"content", key.sign(b"content"))
    assert not verify(key.public_key_text, b"another", key.sign(b"content"))


def test_a_path_opens_a_key_in_a_file(tmp_path: Path) -> None:
    key = open_key(str(tmp_path / "key.pem"))
    assert isinstance(key, SigningKey)
    assert open_key(str(tmp_path / "key.pem")).key_id == key.key_id


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"usage": "ENCRYPT_DECRYPT"}, "not a key that signs"),
        ({"algorithms": ("ECDSA_SHA_256",)}, "it offers ECDSA_SHA_256"),
        ({"algorithms": ("ED25519_PH_SHA_512",)}, "not a key that signs by ED25519_SHA_512"),
        ({"public": der(ec.generate_private_key(ec.SECP256R1()).public_key())}, "not an Ed25519 key"),
        ({"public": b"\x30\x00"}, "no public key"),
        ({"refuses": "NotFoundException"}, "KMS refused: NotFoundException"),
        ({"refuses": "AccessDeniedException"}, "KMS refused: AccessDeniedException"),
    ],
)
def test_what_is_no_ed25519_key_of_ours_is_refused(wrong: dict[str, Any], reason: str, kms: Kms) -> None:
    for name, value in wrong.items():
        setattr(kms, name, value)
    with pytest.raises(KeyUnusable, match=reason) as caught:
        KmsKey.open(ALIAS)
    assert not isinstance(caught.value, KeyUnreachable)


def test_an_alias_that_was_moved_to_another_key_signs_nothing(kms: Kms) -> None:
    key = KmsKey.open(ALIAS)
    kms.private = Ed25519PrivateKey.generate()
    with pytest.raises(KeyUnusable, match="was the alias moved"):
        key.sign(b"content")


def test_a_message_that_kms_would_not_take_is_not_sent(kms: Kms) -> None:
    key = KmsKey.open(ALIAS)
    assert key.sign(b"x" * 4_096)
    with pytest.raises(KeyUnusable, match="4096 bytes at most"):
        key.sign(b"x" * 4_097)
    assert kms.asked == ["GetPublicKey", "Sign"]


def test_a_kms_that_fails_can_be_asked_again(kms: Kms) -> None:
    key = KmsKey.open(ALIAS)
    kms.refuses = "KMSInternalException"
    with pytest.raises(KeyUnreachable, match="KMS failed"):
        key.sign(b"content")
    kms.refuses = None
    assert key.sign(b"content")


def test_a_kms_that_is_not_there_is_unreachable(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    with pytest.raises(KeyUnreachable, match="does not answer"):
        KmsKey.open(ALIAS)


def test_an_account_that_is_not_set_up_is_said_so(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyUnusable, match="AWS is not set up"):
        KmsKey.open(ALIAS)
