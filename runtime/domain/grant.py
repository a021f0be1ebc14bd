"""A grant: the governor's signed statement that a version may be served. Replicas load nothing without one."""

from __future__ import annotations

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import Digest, ModelName


class Grant(Document):
    """What is allowed, where, and how long. The signature is over the canonical JSON of this document."""

    grant_id: str
    model: ModelName
    version: int = Field(ge=1)
    artifact: Digest
    package: Digest
    environment: str
    pool: str
    policy: Digest
    valid_from: Moment
    valid_until: Moment


class SignedGrant(Document):
    """A grant with the governor's Ed25519 signature (base64) and the id of the key that made it."""

    grant: Grant
    key_id: str
    signature: str
