"""Anchors: each checkpoint as one object in a store with object lock (S3), where nobody can take it away in time.

    s3://BUCKET/PREFIX/00000000000000000042     the signed note of the checkpoint of size 42

An object is put with If-None-Match "*" and in mode COMPLIANCE until a time: that version can be neither deleted nor
overwritten nor unlocked before, by anybody. What S3 still allows is to hide it: a delete without a version leaves a
delete marker, and a put without If-None-Match a newer version above. Both leave the locked version where it is, so
``anchored`` reads every version of every object and looks at no "latest".

The credentials are the anchor's own. They need s3:PutObject, s3:PutObjectRetention, s3:GetObject and
s3:GetBucketObjectLockConfiguration; a verifier's need s3:ListBucketVersions, s3:GetObjectVersion and
s3:GetObjectRetention, and should be another account's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.note import LARGEST_NOTE_BYTES, read_note
from runtime.witness.errors import AnchorConflict, AnchorUnavailable, AnchorUnprotected

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

MODE = "COMPLIANCE"
SIZE_DIGITS = 20
"""So that the order of the names is that of the sizes."""
ATTEMPTS = 3

_MEANINGS = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the secret does not fit the access key",
    "AccessDenied": "these credentials may not do this",
    "ExpiredToken": "the credentials have expired",
    "ObjectLockConfigurationNotFoundError": "the bucket has no object lock",
}


@dataclass(frozen=True, slots=True)
class Anchored:
    """One version of one object as the store gives it back. ``note`` is not verified here.

    ``locked_until`` is None unless the version is locked in mode COMPLIANCE; ``put_at`` is the store's own time, at
    which the checkpoint existed at the latest.
    """

    name: str
    version: str
    note: bytes
    put_at: datetime
    locked_until: datetime | None


class Anchor:
    """A bucket with object lock, and a prefix in it for one ledger."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.place = f"s3://{bucket}/{prefix}"
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        profile: str | None = None,
        endpoint: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Anchor:
        """The anchor at ``s3://bucket/prefix``, with the credentials of an AWS profile (by default the environment's).

        Raises ``AnchorUnprotected`` when the bucket has no object lock, and ``AnchorUnavailable`` when it cannot be
        used, no matter why: no such bucket, wrong credentials, no answer, boto3 not installed (extra ``aws``).
        """
        bucket, prefix = _parts(url)
        try:
            import boto3
            from botocore.config import Config
        except ModuleNotFoundError as error:
            raise AnchorUnavailable(url, "boto3 is not installed; install the extra: fleetward[aws]") from error
        seconds = timeout.total_seconds()
        attempts = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        config = Config(connect_timeout=seconds, read_timeout=seconds, retries=attempts)
        with _translated(url):
            client = boto3.Session(profile_name=profile).client("s3", endpoint_url=endpoint, config=config)
        anchor = cls(client, bucket, prefix)
        anchor.require_lock()
        return anchor

    def require_lock(self) -> None:
        """Pass silently if the bucket has object lock. Raises ``AnchorUnprotected``, ``AnchorUnavailable``."""
        with _translated(self.place):
            answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise AnchorUnprotected(self.place, _MEANINGS["ObjectLockConfigurationNotFoundError"])

    def put(self, note: bytes, locked_until: datetime) -> str:
        """Anchor a checkpoint's signed note until a time; the object's name. Safe to repeat: the first time stands.

        Raises ``ValueError`` on a time without a zone, ``NoteMalformed``, ``AnchorUnavailable``, and
        ``AnchorConflict`` when another checkpoint of its size stands there: then this ledger signed two histories.
        """
        if locked_until.tzinfo is None:
            raise ValueError(f"a lock's time needs its zone; got {locked_until.isoformat()}")
        checkpoint = Checkpoint.parse(read_note(note)[0])
        name = f"{self._prefix}/{object_name(checkpoint.size)}"
        if not self._put_first(name, note, locked_until):
            self._require_same(name, checkpoint)
        return name

    def anchored(self) -> Iterator[Anchored]:
        """Every version of every checkpoint, by size, hidden ones too. Raises ``AnchorUnavailable``."""
        with _translated(self.place):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}/"
            )
            for page in pages:
                for version in page.get("Versions", []):
                    yield self._read(version["Key"], version["VersionId"], version["LastModified"])

    def _put_first(self, name: str, note: bytes, locked_until: datetime) -> bool:
        """Whether the object was put; False when one of its name is there."""
        from botocore.exceptions import ClientError

        with _translated(self.place):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=note,
                    ContentType="text/plain; charset=utf-8",
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                    ObjectLockMode=MODE,
                    ObjectLockRetainUntilDate=locked_until,
                )
            except ClientError as error:
                if _code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    raise
                return False
        return True

    def _require_same(self, name: str, checkpoint: Checkpoint) -> None:
        with _translated(self.place):
            content = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read(LARGEST_NOTE_BYTES + 1)
        there = Checkpoint.parse(read_note(content)[0])
        if there != checkpoint:
            raise AnchorConflict(self.place, checkpoint.size, there.root.hex(), checkpoint.root.hex())

    def _read(self, name: str, version: str, put_at: datetime) -> Anchored:
        answer = self._client.get_object(Bucket=self._bucket, Key=name, VersionId=version)
        locked = answer.get("ObjectLockMode") == MODE
        return Anchored(
            name=name,
            version=version,
            note=answer["Body"].read(LARGEST_NOTE_BYTES + 1),
            put_at=put_at,
            locked_until=answer.get("ObjectLockRetainUntilDate") if locked else None,
        )


def object_name(size: int) -> str:
    """The last part of the name under which a checkpoint of this size is anchored."""
    return f"{size:0{SIZE_DIGITS}d}"


@contextmanager
def _translated(place: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = _code(error)
        reason = f"{_MEANINGS.get(code, 'the store refuses')} ({code}: {error.response['Error'].get('Message', '')})"
        kind = AnchorUnprotected if code == "ObjectLockConfigurationNotFoundError" else AnchorUnavailable
        raise kind(place, reason) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise AnchorUnavailable(place, str(error)) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _parts(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not url.startswith("s3://") or not bucket or not prefix:
        raise AnchorUnavailable(url, "not an anchor; expected s3://bucket/prefix")
    return bucket, prefix
