"""A model's first days, and packs of them: written, read, and changed in one place with everything else made to fit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.decision import Variant
from runtime.domain.ids import derived_id, digest_of
from runtime.domain.keeping import LegalHoldPlaced
from runtime.evidence.pack import WrittenPack, write_pack
from runtime.proof.checkpoints import Keys
from runtime.proof.pack.form import MANIFEST, Period
from runtime.proof.pack.verify import PackVerification, verify_pack
from tests.unit.domain.lives import FULL, MODEL, MONDAY, a_finding, promoted, started
from tests.unit.evidence.conftest import Installation

DAYS = 3


def lived(installation: Installation) -> None:
    """A champion, a challenger in shadow, a finding, a deletion, a hold and a loss; everything is signed."""
    installation.served()
    installation.record("service:operator", started(1, FULL), promoted(1))
    installation.seal(*(installation.decide(derived_id("day 1", each), rows=2) for each in range(6)))
    installation.now += timedelta(days=1)
    installation.make(2)
    installation.record("service:operator", started(2))
    shadows = (installation.decide(derived_id("s", each), version=2, variant=Variant.SHADOW) for each in range(4))
    installation.seal(*shadows)
    installation.record("service:monitor", a_finding())
    installation.delete(installation.seal(*(installation.decide(derived_id("old", each)) for each in range(3))))
    installation.record("user:ada", LegalHoldPlaced(hold=1, model=MODEL, reason="case <7>"))
    lost = e.RecordsLost(replica="r", epoch="x", first_number=1, last_number=4, reason="gone")
    installation.record("service:replica", lost)
    installation.publish()


def a_period(days: int = DAYS, since: datetime = MONDAY) -> Period:
    return Period(MODEL, rfc3339(since), rfc3339(since + timedelta(days=days)))


def written(
    installation: Installation, path: Path, period: Period | None = None, *, sample: int = 100, passports: int = 2
) -> WrittenPack:
    period = period or a_period()
    return write_pack(installation.signed(), installation.store, period, path, sample=sample, passports=passports)


def checked(content: bytes, keys: Keys, since: bytes | None = None) -> PackVerification:
    return verify_pack(io.BytesIO(content), keys, since=since)


def members(content: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(files: Mapping[str, bytes], *, fitting: bool = True) -> bytes:
    """The archive of these members; ``fitting``: with a manifest that names them as they are."""
    contents = dict(files)
    if fitting:
        manifest = canonical.decode(contents.pop(MANIFEST))
        manifest["files"] = [
            {"path": path, "digest": digest_of(content), "bytes": len(content)}
            for path, content in sorted(contents.items())
        ]
        contents[MANIFEST] = canonical.encode(manifest)
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
    return stream.getvalue()
