"""What holds for a version of every flavor, whatever is inside it."""

import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from runtime.domain.errors import SchemaMismatch
from runtime.domain.ids import digest_of
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.flavors import ArtifactInvalid, Storable, dump, load
from runtime.flavors.container import FORMATS, pack, unpack
from runtime.flavors.load import FLAVORS
from tests.unit.flavors.specimens import SPECIMENS, Specimen, asked, part, vendor


@pytest.fixture(scope="module")
def vendor_url() -> Iterator[str]:
    with vendor() as (_, url):
        yield url


@pytest.fixture(scope="module")
def made() -> dict[str, Storable]:
    """Each specimen once for all tests."""
    return {}


@pytest.fixture(params=SPECIMENS, ids=str)
def predictor(request: pytest.FixtureRequest, made: dict[str, Storable], tmp_path: Path, vendor_url: str) -> Storable:
    specimen: Specimen = request.param
    if specimen.name not in made:
        made[specimen.name] = specimen.make(tmp_path, vendor_url)
    return made[specimen.name]


def test_every_flavor_has_a_specimen() -> None:
    rooms = {path.stem for path in (Path(__file__).parents[3] / "runtime" / "flavors").glob("*.py")}
    found = {name for name in rooms if hasattr(importlib.import_module(f"runtime.flavors.{name}"), "FLAVOR")}
    assert found == set(FLAVORS) == {specimen.flavor for specimen in SPECIMENS}


def test_what_was_loaded_answers_bit_for_bit_alike(predictor: Storable) -> None:
    again = load(dump(predictor))
    assert (again.schema, again.flavor, again.used) == (predictor.schema, predictor.flavor, predictor.used)
    assert again.predict(asked()).tobytes() == predictor.predict(asked()).tobytes()
    assert again.predict(part(asked(), 0, 1)).tobytes() == predictor.predict(part(asked(), 0, 1)).tobytes()


def test_the_same_predictor_has_the_same_bytes(predictor: Storable) -> None:
    artifact = dump(predictor)
    assert dump(load(artifact)) == dump(pickle.loads(pickle.dumps(predictor))) == dump(predictor) == artifact


def test_every_row_gets_a_finite_float(predictor: Storable) -> None:
    found = predictor.predict(asked())
    assert (str(found.dtype), len(found)) == ("float64", 60)
    if "onnx" in predictor.flavor:  # these two graphs let a missing number through as they should
        found = found[~np.isnan(asked()["distance"]) & ~np.isnan(asked()["hour"])]
    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 2
    if predictor.schema.outputs[0].name == "probability":
        assert ((found >= 0) & (found <= 1)).all()


def test_rows_one_by_one_are_as_rows_together(predictor: Storable) -> None:
    singly = [predictor.predict(part(asked(), row, row + 1)) for row in range(20)]
    together = predictor.predict(part(asked(), 0, 20))
    assert np.concatenate(singly) == pytest.approx(together, rel=1e-6, nan_ok=True)


def test_no_rows_are_no_answers(predictor: Storable) -> None:
    found = predictor.predict(part(asked(), 0, 0))
    assert (str(found.dtype), len(found)) == ("float64", 0)


def test_columns_in_another_order_and_more_of_them_change_nothing(predictor: Storable) -> None:
    given = {"other": np.zeros(60), **dict(reversed(list(asked().items())))}
    assert predictor.predict(given).tobytes() == predictor.predict(asked()).tobytes()


def test_a_missing_column_is_named(predictor: Storable) -> None:
    given = {name: column for name, column in asked().items() if name != "distance"}
    with pytest.raises(SchemaMismatch, match="distance: got nothing"):
        predictor.predict(given)


def test_a_column_of_another_length_is_named(predictor: Storable) -> None:
    with pytest.raises(SchemaMismatch, match="distance: got 59 rows; expected 60 rows"):
        predictor.predict({**asked(), "distance": asked()["distance"][:59]})


def test_what_is_asked_is_left_as_it_was(predictor: Storable) -> None:
    given = {name: column.copy() for name, column in asked().items()}
    predictor.predict(given)
    for name, column in given.items():
        assert column.tolist() == pytest.approx(asked()[name].tolist(), nan_ok=True) or column.dtype == object
    assert given["dest"].tolist() == asked()["dest"].tolist()


def test_many_threads_get_what_one_gets(predictor: Storable) -> None:
    again = load(dump(predictor))
    parts = [part(asked(), start, start + 1 + start % 13) for start in range(40)]
    expected = [predictor.predict(each).tobytes() for each in parts]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda each: again.predict(each).tobytes(), parts * 3))
    assert found == expected * 3


def test_a_damaged_file_is_named(predictor: Storable) -> None:
    artifact = dump(predictor)
    manifest, files = unpack(artifact)
    for name, content in files.items():
        assert name.endswith(FORMATS)
        changed = pack(manifest, files).replace(content, content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ArtifactInvalid, match=f"Bad CRC-32 for file '{name}'"):
            load(changed)


def test_a_file_with_right_checksums_but_another_digest_is_named(predictor: Storable) -> None:
    from runtime.flavors.container import read_zip, write_zip

    entries = read_zip(dump(predictor))
    for name in list(entries)[1:]:
        forged = write_zip({**entries, name: entries[name] + b" "})
        with pytest.raises(ArtifactInvalid, match=f"its file {name} hashes to "):
            load(forged)


def test_a_file_that_is_nonsense_is_refused(predictor: Storable) -> None:
    manifest, files = unpack(dump(predictor))
    for name in files:
        for nonsense in (b"", b"\x00" * 40, b"nonsense", files[name][: len(files[name]) // 2]):
            with pytest.raises(ArtifactInvalid):
                load(pack(manifest, {**files, name: nonsense}))


def test_a_file_too_many_or_none_is_refused(predictor: Storable) -> None:
    manifest, files = unpack(dump(predictor))
    with pytest.raises(ArtifactInvalid, match="it holds no file"):
        load(pack(manifest, {}))
    with pytest.raises(ArtifactInvalid, match=r"it holds .*zz\.json"):
        load(pack(manifest, {**files, "zz.json": b"{}"}))


def test_a_schema_of_other_columns_is_refused_or_asked_for(predictor: Storable) -> None:
    manifest, files = unpack(dump(predictor))
    more = Field(name="altitude", kind=FieldKind.NUMBER)
    schema = Schema(inputs=(*manifest.model_schema.inputs, more), outputs=manifest.model_schema.outputs)
    try:
        again = load(pack(manifest.model_copy(update={"model_schema": schema}), files))
    except ArtifactInvalid as refused:
        assert "column" in str(refused)  # noqa: PT017 - either answer is right
    else:
        if manifest.encoding is None:  # an encoding leaves out what was empty in training
            with pytest.raises(SchemaMismatch, match="altitude: got nothing"):
                again.predict(asked())


def test_a_pickle_is_refused_by_name(predictor: Storable) -> None:
    manifest, files = unpack(dump(predictor))
    name = next(iter(files))
    with pytest.raises(ArtifactInvalid, match=f"its file {name} is a pickle or joblib file"):
        load(pack(manifest, {**files, name: pickle.dumps({})}))
    for bad in ("model.pkl", "model.joblib", "model.pt", "model"):
        with pytest.raises(ArtifactInvalid, match=f"its file {bad} is none of the formats"):
            load(pack(manifest, {bad: b"anything"}))


ELSEWHERE = """
import sys
import numpy as np
from runtime.domain.ids import digest_of
from runtime.flavors import load
from tests.unit.flavors.specimens import asked
for path in sys.argv[1:]:
    predictor = load(open(path, "rb").read())
    print(digest_of(predictor.predict(asked()).tobytes()))
"""


@pytest.mark.slow
def test_a_process_that_never_saw_them_gets_the_same_answers(tmp_path: Path, vendor_url: str, root: Path) -> None:
    paths: list[str] = []
    expected: list[str] = []
    for specimen in SPECIMENS:
        try:
            predictor = specimen.make(tmp_path, vendor_url)
        except pytest.skip.Exception:
            continue
        path = tmp_path / f"{len(paths)}.artifact"
        path.write_bytes(dump(predictor))
        paths.append(str(path))
        expected.append(digest_of(predictor.predict(asked()).tobytes()))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *paths], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == expected, done.stderr
