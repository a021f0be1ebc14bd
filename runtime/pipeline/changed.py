"""Which partitions of a dataset hold something new: other rows than their newest version was made of, or another spec.

A version's package says what it was made of: the digest of its partition's content, and of the whole spec. What a
version was made of anew would be the same version once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runtime.domain import canonical
from runtime.domain.ids import Digest
from runtime.domain.spec import Spec
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.storage.objects import ObjectMissing, ObjectStore


def changed(
    spec: Spec, dataset: PreparedDataset, packages: Mapping[str, Digest], store: ObjectStore
) -> PreparedDataset:
    """The dataset with only the partitions that changed. ``packages``: the package of each model's newest version.

    A model without a version has changed, and so has one whose package is gone from the store.
    """
    left = tuple(
        partition
        for partition in dataset.partitions
        if partition.model not in packages or not _is_of(store, packages[partition.model], partition, spec)
    )
    return replace(dataset, partitions=left)


def _is_of(store: ObjectStore, package: Digest, partition: Partition, spec: Spec) -> bool:
    try:
        manifest = canonical.decode(store.get(package))
    except ObjectMissing:
        return False
    return bool(manifest["data"]["content"] == partition.content and manifest["spec"]["digest"] == spec.digest)
