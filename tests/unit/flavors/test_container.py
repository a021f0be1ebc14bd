"""An artifact is one file that says what it is; anything else is refused with what is wrong."""

import io
import json
import pickle
import zipfile

import pytest

from runtime.domain.ids import digest_of
from runtime.flavors import ArtifactInvalid, Encoding, load
from runtime.flavors.container import MANIFEST, Manifest, pack, read_zip, unpack, write_zip
from tests.unit.flavors.boosters import SCHEMA

MODEL = "model.skops"
FILES = {MODEL: b"the model"}
WHOLE = Manifest(
    flavor="sklearn",
    files={MODEL: digest_of(b"the model")},
    model_schema=SCHEMA,
    encoding=Encoding(columns=("hour", "dest"), categories={"dest": ("LAX",)}),
)


def zipped(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_what_was_packed_is_unpacked() -> None:
    assert unpack(pack(WHOLE, FILES)) == (WHOLE, FILES)


def test_versions_in_memory_share_what_is_said_alike_of_their_columns() -> None:
    other = WHOLE.model_copy(update={"encoding": Encoding(columns=("hour", "dest"), categories={"dest": ("SFO",)})})
    (one, _), (two, _), (three, _) = (unpack(pack(each, FILES)) for each in (WHOLE, WHOLE, other))
    assert one.model_schema is two.model_schema is three.model_schema
    assert one.encoding is two.encoding
    assert three.encoding == other.encoding


def test_the_same_content_is_the_same_bytes() -> None:
    assert pack(WHOLE, FILES) == pack(WHOLE.model_copy(), FILES)
    (info, _) = zipfile.ZipFile(io.BytesIO(pack(WHOLE, FILES))).infolist()
    assert (info.date_time, info.create_system) == ((1980, 1, 1, 0, 0, 0), 3)


def test_entries_keep_their_order_and_are_stored_as_they_are() -> None:
    artifact = pack(WHOLE, FILES)
    assert list(read_zip(artifact)) == [MANIFEST, MODEL]
    assert b"the model" in artifact


@pytest.mark.parametrize(
    ("artifact", "reason"),
    [
        (b"", "no zip container"),
        (pickle.dumps({"a": 1}), "pickle and joblib files are never loaded, since that runs code"),
        (pack(WHOLE, FILES)[:-30], "its zip cannot be read"),
        (pack(WHOLE, FILES).replace(b"the model", b"THE MODEL"), "its zip cannot be read: Bad CRC-32"),
        (zipped((MANIFEST, b"{}" * 50), (MODEL, b"m"), compression=zipfile.ZIP_DEFLATED), "an entry is compressed"),
        (write_zip({MODEL: b"m"}), f"it holds {MODEL}, but no {MANIFEST}"),
        (write_zip({}), "no zip container"),
        (write_zip({MANIFEST: b"{", MODEL: b"m"}), "its manifest is not valid: Invalid JSON"),
        (write_zip({MANIFEST: b'{"flavor": "sklearn"}', MODEL: b"m"}), "its manifest is not valid: Field required"),
    ],
    ids=["empty", "pickle", "cut off", "changed", "deflated", "no manifest", "no entries", "no JSON", "no schema"],
)
def test_what_is_no_artifact_is_refused(artifact: bytes, reason: str) -> None:
    with pytest.raises(ArtifactInvalid, match="artifact refused: ") as refused:
        load(artifact)
    assert reason in str(refused.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_stands_twice_is_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="an entry stands in it twice"):
        load(zipped((MANIFEST, b"a"), (MODEL, b"b"), (MODEL, b"c")))


def test_an_unknown_flavor_is_named() -> None:
    with pytest.raises(ArtifactInvalid, match="its flavor 'prophet' is not known; known are lightgbm, onnx, "):
        load(pack(WHOLE.model_copy(update={"flavor": "prophet"}), FILES))


def test_a_manifest_of_a_later_container_is_refused() -> None:
    later = json.dumps(WHOLE.as_document() | {"container": 2}).encode()
    with pytest.raises(ArtifactInvalid, match="its manifest is not valid: Input should be 1"):
        unpack(write_zip({MANIFEST: later, MODEL: b"m"}))


def test_a_refusal_survives_the_way_between_actors() -> None:
    again = pickle.loads(pickle.dumps(ArtifactInvalid("it is broken")))
    assert (type(again), str(again)) == (ArtifactInvalid, "artifact refused: it is broken")
