"""What training starts from: checked partitions in the object store, and the manifest that names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.domain import canonical as canonical_json
from runtime.domain.events import DatasetPrepared, ModelDeclared, PartitionSkipped
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.ids import Digest
from runtime.domain.schema import Schema
from runtime.pipeline.rows import Layout, Rows, from_parquet
from runtime.storage.objects import ObjectStore


@dataclass(frozen=True)
class Quarantine:
    """Rows of one partition that broke a check: ``parquet`` names the object that holds them, with what they broke."""

    model: str
    rows: int
    broke: dict[str, int]
    parquet: Digest


@dataclass(frozen=True)
class Partition:
    """One model's rows, checked and stored: ``parquet`` names the object, ``content`` the values in it."""

    model: str
    key: dict[str, str]
    rows: int
    content: Digest
    parquet: Digest
    first_time: datetime
    last_time: datetime

    def load(self, store: ObjectStore, layout: Layout) -> Rows:
        """The rows. Raises ``DigestMismatch`` if the stored bytes changed."""
        return from_parquet(store.get(self.parquet), layout)


@dataclass(frozen=True)
class PreparedDataset:
    """What training starts from. ``digest`` names a manifest in the store, the same for the same content.

    ``source`` in one line; ``later``: rows that are not of before ``as_of``; ``read``: of recorded decisions, which.
    """

    spec: str
    digest: Digest
    layout: Layout
    partitions: tuple[Partition, ...]
    skipped: tuple[PartitionSkipped, ...]
    quarantined: tuple[Quarantine, ...] = ()
    source: str = ""
    later: int = 0
    read: DecisionsRead | None = None

    @property
    def schema(self) -> Schema:
        """What a model of these data takes and gives."""
        return self.layout.schema

    @property
    def rows(self) -> int:
        """Rows of all partitions."""
        return sum(partition.rows for partition in self.partitions)

    @property
    def broke(self) -> Counter[str]:
        """How many rows broke each check; a row may break several."""
        return sum((Counter(each.broke) for each in self.quarantined), Counter())

    @property
    def events(self) -> tuple[DatasetPrepared | ModelDeclared | PartitionSkipped, ...]:
        """The ledger entries of this preparation, in order."""
        prepared = DatasetPrepared(
            spec=self.spec,
            digest=self.digest,
            rows=self.rows,
            partitions=len(self.partitions),
            columns=tuple(self.layout.types),
            first_time=min(partition.first_time for partition in self.partitions),
            last_time=max(partition.last_time for partition in self.partitions),
            quarantined=sum(each.rows for each in self.quarantined) or None,
            broke=dict(self.broke) or None,
            decisions=self.read,
        )
        declared = [ModelDeclared(model=p.model, spec=self.spec, partition=p.key) for p in self.partitions]
        return (prepared, *declared, *self.skipped)


def dataset_manifest(layout: Layout, partitions: Sequence[Partition], quarantined: Sequence[Quarantine] = ()) -> bytes:
    """Canonical JSON that says what the dataset is: its columns, each partition's content, what was left out."""
    document = {
        "columns": [[name, str(kind)] for name, kind in layout.types.items()],
        "partitions": [
            {"model": p.model, "partition": p.key, "rows": p.rows, "content": p.content} for p in partitions
        ],
    }
    if quarantined:
        document["quarantined"] = [
            {"model": each.model, "rows": each.rows, "broke": each.broke, "parquet": each.parquet}
            for each in quarantined
        ]
    return canonical_json.encode(document)
