"""Whatever happens to an artifact's bytes: it is what was packed, or it is refused."""

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.flavors import ArtifactInvalid, load
from runtime.flavors.container import Manifest, pack, read_zip, unpack, write_zip
from runtime.flavors.sklearn import dump
from tests.unit.flavors.boosters import fitted


@cache
def artifact() -> bytes:
    return dump(fitted(max_iter=2))


@cache
def skops_entries() -> dict[str, bytes]:
    return read_zip(unpack(artifact())[1]["model.skops"])


@cache
def manifest() -> Manifest:
    return unpack(artifact())[0]


@given(st.binary(max_size=300))
def test_any_model_bytes_come_back(model: bytes) -> None:
    if model[:1] != b"\x80":  # what may be a pickle is refused
        assert unpack(pack(manifest(), {"model.skops": model}))[1] == {"model.skops": model}


@given(st.data())
@settings(max_examples=300)
def test_a_changed_byte_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    whole = pack(manifest(), {"model.skops": b"the model"})
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    with suppress(ArtifactInvalid):
        assert unpack(bytes(changed)) == unpack(whole)


@given(st.integers(0, 10**9))
def test_an_artifact_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(ArtifactInvalid):
        load(artifact()[: length % len(artifact())])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@given(st.data())
@settings(max_examples=200)
def test_a_changed_skops_schema_is_refused_or_harmless(data: st.DataObject) -> None:
    """Checksums are right here, as a forger would make them."""
    entries = dict(skops_entries())
    schema = bytearray(entries["schema.json"])
    schema[data.draw(st.integers(0, len(schema) - 1))] = data.draw(st.integers(0, 255))
    entries["schema.json"] = bytes(schema)
    with suppress(ArtifactInvalid):
        assert load(pack(manifest(), {"model.skops": write_zip(entries)})).schema == manifest().model_schema
