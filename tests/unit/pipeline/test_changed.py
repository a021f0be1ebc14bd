"""Only what changed is trained again; what a champion was asked is found in its segments."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from runtime.domain import canonical
from runtime.domain.decision import Decision, Variant
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.ids import Digest, digest_of
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.pipeline.changed import changed
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.recorded import Asked, lately_asked
from runtime.storage.frames import NumberedDecision
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import SPEC, a_spec, layout
from tests.unit.storage.records import a_decision


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def partition(model: str, content: str) -> Partition:
    digest = digest_of(content.encode())
    return Partition(model, {"carrier": model}, 10, digest, digest, MONDAY, MONDAY)


def packaged(store: ObjectStore, content: str, spec: str = SPEC.digest) -> Digest:
    manifest = {"data": {"content": digest_of(content.encode())}, "spec": {"name": "n", "digest": spec}}
    return store.put(canonical.encode(manifest))


def test_partitions_of_the_same_rows_under_the_same_spec_are_left_alone(store: ObjectStore) -> None:
    names = ("same", "new rows", "another spec", "no version", "package gone")
    dataset = PreparedDataset("s", digest_of(b"d"), layout(), tuple(partition(name, "rows") for name in names), ())
    packages = {
        "same": packaged(store, "rows"),
        "new rows": packaged(store, "rows of before"),
        "another spec": packaged(store, "rows", a_spec(purpose="another").digest),
        "package gone": digest_of(b"nothing of this name"),
    }
    left = changed(SPEC, dataset, packages, store)
    assert [each.model for each in left.partitions] == [*names[1:]]
    assert (left.digest, left.skipped) == (dataset.digest, dataset.skipped)


# --- what a champion was asked ---------------------------------------------------------------------

PLAIN = Schema(
    inputs=(Field(name="hour", kind=FieldKind.NUMBER), Field(name="dest", kind=FieldKind.TEXT)),
    outputs=outputs_of(Task.REGRESSION),
)


def asked(index: int, **changes: object) -> Decision:
    """Of one row: hour and answer are the index."""
    time = MONDAY + timedelta(minutes=index)
    plain = replace(a_decision(index), time=time, event_time=time, model=MODEL, version=2, variant=Variant.CHAMPION)
    row = {"flags": (), "numbers": ([float(index)],), "texts": (["LAX"],), "outputs": [float(index)]}
    return replace(plain, **{**row, **changes})  # type: ignore[arg-type]


def sealed(store: ObjectStore, *decisions: Decision, first: int = 1) -> list[SegmentSealed]:
    frames = [NumberedDecision(first + at, decision) for at, decision in enumerate(decisions)]
    return seal(frames, store, "replica", f"epoch-{first}")


def test_the_newest_decisions_that_a_champion_gave_are_found(store: ObjectStore) -> None:
    early = sealed(store, *(asked(at) for at in range(5)))
    late = sealed(store, *(asked(at) for at in range(5, 8)), first=100)
    found = lately_asked(store, [*late, *early], {MODEL: Asked(2, PLAIN, 4), "nobody-asks": Asked(1, PLAIN, 4)})
    assert set(found) == {MODEL}
    assert found[MODEL].answers.tolist() == [4, 5, 6, 7]
    assert found[MODEL].columns["hour"].tolist() == [4, 5, 6, 7]
    assert found[MODEL].columns["dest"].tolist() == ["LAX"] * 4


def test_what_nobody_received_what_testers_asked_and_what_is_sealed_is_left_out(store: ObjectStore) -> None:
    sealed_inputs = {"subject": "p" * 64, "sealed": ("cipher",), "numbers": (), "texts": ()}
    decisions = [
        asked(1),
        asked(2, variant=Variant.SHADOW),
        asked(3, version=1),
        asked(4, model="another"),
        asked(5, flags=("tested",)),
        asked(6, **sealed_inputs),
        asked(7, variant=Variant.CANARY),
    ]
    found = lately_asked(store, sealed(store, *decisions), {MODEL: Asked(2, PLAIN, 100)})
    assert found[MODEL].answers.tolist() == [1, 7]


def test_a_segment_that_is_gone_is_passed_over(store: ObjectStore) -> None:
    (kept,) = sealed(store, asked(1))
    gone = kept.model_copy(update={"digest": digest_of(b"gone"), "last_time": MONDAY + timedelta(days=9)})
    other = kept.model_copy(update={"content": SegmentContent.OUTCOMES, "digest": digest_of(b"outcomes")})
    found = lately_asked(store, [kept, gone, other], {MODEL: Asked(2, PLAIN, 10)})
    assert np.array_equal(found[MODEL].answers, [1.0])
