"""A key in AWS KMS: key spec ECC_NIST_EDWARDS25519, signing algorithm ED25519_SHA_512 over the raw message.

That is Ed25519 of RFC 8032, so nobody who verifies can tell it from a key in a file. (ED25519_PH_SHA_512 is the
pre-hashed Ed25519ph, whose signatures they would refuse.) KMS signs at most 4,096 bytes; checkpoints and grants are
shorter. The process needs kms:GetPublicKey and kms:Sign on this key, and nothing else.

What comes back was sent over a network by somebody else: it is verified before it is used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from runtime.ledger.errors import KeyUnreachable, KeyUnusable
from runtime.ledger.signing import PUBLIC_PREFIX, key_id_of, verify

ALGORITHM = "ED25519_SHA_512"
LARGEST_MESSAGE_BYTES = 4_096
SECONDS_TO_CONNECT = 3
SECONDS_TO_ANSWER = 5


class KmsClient(Protocol):
    """The two calls of boto3's KMS client that are made."""

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]: ...  # noqa: N803 - the service's names

    def sign(
        self,
        *,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MessageType: str,  # noqa: N803
        SigningAlgorithm: str,  # noqa: N803
    ) -> dict[str, Any]: ...


class KmsKey:
    """A key of AWS KMS, by its id, alias or ARN. Each signature is a call over the network, from any thread."""

    def __init__(self, client: KmsClient, name: str) -> None:
        self._client = client
        self._name = name
        answer = self._asked(lambda: client.get_public_key(KeyId=name))
        self.public_key_text = PUBLIC_PREFIX + base64.b64encode(self._public_of(answer)).decode("ascii")
        self.key_id = key_id_of(self.public_key_text)

    @classmethod
    def open(cls, name: str) -> KmsKey:
        """The key of this id, alias or ARN, with the credentials and region of the environment (extra ``aws``).

        Raises ``KeyUnusable`` when it is no Ed25519 key for signing or access is denied, ``KeyUnreachable`` when KMS
        does not answer.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise KeyUnusable(name, "a key in AWS KMS needs boto3: install fleetward[aws]") from error
        config = Config(
            connect_timeout=SECONDS_TO_CONNECT, read_timeout=SECONDS_TO_ANSWER, retries={"total_max_attempts": 3}
        )
        try:
            client = boto3.client("kms", config=config)
        except BotoCoreError as error:  # no region, a broken profile
            raise KeyUnusable(name, f"AWS is not set up: {error}") from error
        return cls(client, name)

    def sign(self, content: bytes) -> str:
        """The signature of these bytes, in base64. Raises ``KeyUnusable``, ``KeyUnreachable``."""
        if len(content) > LARGEST_MESSAGE_BYTES:
            raise KeyUnusable(self._name, f"KMS signs {LARGEST_MESSAGE_BYTES} bytes at most, not {len(content)}")
        answer = self._asked(
            lambda: self._client.sign(KeyId=self._name, Message=content, MessageType="RAW", SigningAlgorithm=ALGORITHM)
        )
        signature = base64.b64encode(answer["Signature"]).decode("ascii")
        if not verify(self.public_key_text, content, signature):
            raise KeyUnusable(self._name, f"its signature is not that of key {self.key_id}: was the alias moved?")
        return signature

    def _public_of(self, answer: dict[str, Any]) -> bytes:
        offered = answer.get("SigningAlgorithms", [])
        if answer.get("KeyUsage") != "SIGN_VERIFY" or ALGORITHM not in offered:
            raise KeyUnusable(self._name, f"not a key that signs by {ALGORITHM}; it offers {', '.join(offered) or '-'}")
        try:
            public = load_der_public_key(answer["PublicKey"])
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(self._name, f"KMS gave no public key: {error}") from error
        if not isinstance(public, Ed25519PublicKey):
            raise KeyUnusable(self._name, "not an Ed25519 key")
        return public.public_bytes_raw()

    def _asked(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            told = error.response.get("Error", {})
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 or "Thrott" in str(told):
                raise KeyUnreachable(self._name, f"KMS failed: {error}") from error
            raise KeyUnusable(self._name, f"KMS refused: {told.get('Code')}: {told.get('Message')}") from error
        except BotoCoreError as error:
            raise KeyUnreachable(self._name, f"KMS does not answer: {error}") from error

    def __repr__(self) -> str:
        return f"KmsKey({self._name}, {self.key_id})"
