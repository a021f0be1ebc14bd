"""Documents about a version whose package lies in the store, as training left it."""

from dataclasses import replace
from pathlib import Path

from runtime.documents.card import as_markdown
from runtime.documents.ml_bom import ml_bom
from runtime.documents.told import Told
from runtime.domain import canonical
from runtime.pipeline.evaluate import evaluate
from runtime.storage.objects import ObjectStore
from tests.unit.documents.test_ml_bom import problems
from tests.unit.documents.versions import told
from tests.unit.pipeline.flights import SPEC, trained
from tests.unit.pipeline.test_package import packaged


def really_packaged(folder: Path) -> Told:
    store = ObjectStore.open(str(folder))
    made = packaged(store, trained(), evaluate(SPEC, trained(), None))
    manifest = canonical.decode(store.get(made.registered.package))
    known = told()
    version = replace(known.version, registered=made.registered, report=made.evaluated.report)
    return replace(known, spec=SPEC, version=version, package=manifest)


def test_a_packaged_version_has_a_valid_bom_and_a_card_of_its_own_spec(tmp_path: Path) -> None:
    made = really_packaged(tmp_path)
    assert made.package is not None
    bom = ml_bom(made)
    assert problems(bom) == []
    (data,) = [each for each in bom["components"] if each["type"] == "data"]
    assert f"sha256:{data['hashes'][0]['content']}" == made.package["data"]["parquet"]
    card = as_markdown(made)
    assert "The spec was changed" not in card
    assert "was not in the store" not in card
