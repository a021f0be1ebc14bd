"""What an artifact does when it is first loaded, it does in a process that can be lost."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from runtime.domain.errors import FleetwardError
from runtime.domain.ids import digest_of
from runtime.flavors import ArtifactInvalid, Storable, dump
from runtime.flavors.container import Manifest, pack
from runtime.flavors.errors import QuarantineFailed
from runtime.flavors.passed import Passed
from runtime.flavors.quarantine import Limits, Quarantine
from runtime.flavors.rules import TablePredictor
from runtime.serving.pool import is_passing
from tests.unit.flavors.boosters import SCHEMA, fitted
from tests.unit.flavors.specimens import NUMBERS, TABLE, asked, fitted_by
from tests.unit.flavors.test_sklearn import packed


@pytest.fixture(scope="module")
def quarantine() -> Iterator[Quarantine]:
    quarantine = Quarantine(Limits(memory_bytes=1 << 30, seconds=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VENDOR_KEY", "secret")
        yield quarantine
    quarantine.close()


def graph(*nodes: NodeProto, constants: tuple[TensorProto, ...] = ()) -> bytes:
    """An artifact in ONNX of one matrix whose graph is these nodes, from ``columns`` to ``answer``."""
    given = helper.make_tensor_value_info("columns", TensorProto.FLOAT, ["rows", 2])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)
    made = helper.make_graph(list(nodes), "hostile", [given], [answer], list(constants))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return pack(
        Manifest(flavor="onnx", model_schema=NUMBERS, options={"output": "answer"}),
        {"model.onnx": model.SerializeToString()},
    )


def long(value: int) -> TensorProto:
    return helper.make_tensor(f"n{value}", TensorProto.INT64, [1], [value])


@pytest.mark.parametrize("make", [fitted, lambda: fitted_by("lightgbm", "LGBMRegressor", n_estimators=3)])
def test_what_is_sound_is_loaded_and_answers(quarantine: Quarantine, make: Callable[[], Storable]) -> None:
    made = make()
    assert quarantine.load(dump(made)).predict(asked()).tobytes() == made.predict(asked()).tobytes()


def test_what_takes_too_much_memory_is_refused(quarantine: Quarantine) -> None:
    huge = helper.make_node("ConstantOfShape", ["n800000000"], ["many"])
    total = helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0)
    first = helper.make_node("ReduceSum", ["columns", "n1"], ["rows"], keepdims=0)
    both = helper.make_node("Add", ["rows", "sum"], ["answer"])
    with pytest.raises(ArtifactInvalid, match="bad_alloc"):
        quarantine.load(graph(huge, total, first, both, constants=(long(800_000_000), long(1))))


def test_what_takes_too_long_is_refused(quarantine: Quarantine) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    endless = helper.make_node("Loop", ["", "true", "rows"], ["answer"], body=body)
    first = helper.make_node("ReduceSum", ["columns", "n1"], ["rows"], keepdims=0)
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    with pytest.raises(ArtifactInvalid, match="its first load took more than 3 s"):
        quarantine.load(graph(first, endless, constants=(true, long(1))))


def test_what_was_refused_does_not_keep_the_next_from_being_loaded(quarantine: Quarantine) -> None:
    with pytest.raises(ArtifactInvalid, match="cannot be read"):
        quarantine.load(pack(Manifest(flavor="onnx", model_schema=SCHEMA), {"model.onnx": b"nonsense"}))
    assert quarantine.load(dump(fitted(max_iter=3))).schema == SCHEMA


def test_untrusted_types_are_named_by_the_process_that_refused_them(quarantine: Quarantine) -> None:
    from tests.unit.flavors.test_sklearn import Sneaky

    sneaky = Sneaky().fit(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ArtifactInvalid, match=r"types that are not on the allow-list: .*Sneaky"):
        quarantine.load(packed(sneaky))


@pytest.mark.slow
def test_a_process_that_was_killed_is_started_again(quarantine: Quarantine) -> None:
    quarantine.load(dump(fitted(max_iter=4)))
    assert quarantine._process is not None
    os.kill(quarantine._process.pid, 9)
    quarantine._process.wait()
    assert quarantine.load(dump(fitted(max_iter=5))).schema == SCHEMA


def test_no_secret_of_this_process_reaches_it(quarantine: Quarantine) -> None:
    quarantine.load(dump(fitted(max_iter=2)))
    assert quarantine._process is not None
    assert b"VENDOR_KEY" not in Path(f"/proc/{quarantine._process.pid}/environ").read_bytes()
    assert b"PATH=" in Path(f"/proc/{quarantine._process.pid}/environ").read_bytes()


def test_plain_data_needs_no_other_process() -> None:
    quarantine = Quarantine()
    assert isinstance(quarantine.load(dump(TablePredictor(TABLE, SCHEMA))), TablePredictor)
    assert quarantine._process is None


def test_what_passed_on_this_machine_is_not_tried_again(tmp_path: Path) -> None:
    artifact = dump(fitted(max_iter=2))
    Passed.under(tmp_path, "limits").add(digest_of(artifact))
    again = Quarantine(passed=Passed.under(tmp_path, "limits"))
    again.check(artifact)
    assert again._process is None


def test_who_waits_for_its_turn_finds_what_passed_meanwhile(tmp_path: Path) -> None:
    artifact, first = dump(fitted(max_iter=2)), Passed.under(tmp_path, "limits")
    second = Quarantine(passed=Passed.under(tmp_path, "limits"))
    with ThreadPoolExecutor() as threads:
        with first.turn():
            waiting = threads.submit(second.check, artifact)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            first.add(digest_of(artifact))
        waiting.result(timeout=30)
    assert second._process is None


def test_what_passed_under_other_limits_is_tried_again(tmp_path: Path) -> None:
    Passed.under(tmp_path, "wide").add(digest_of(b"artifact"))
    assert digest_of(b"artifact") in Passed.under(tmp_path, "wide")
    assert digest_of(b"artifact") not in Passed.under(tmp_path, "narrow")


def test_a_folder_that_cannot_be_written_costs_another_first_load_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    passed = Passed.under(tmp_path / "file", "limits")
    passed.add(digest_of(b"artifact"))
    assert digest_of(b"artifact") in passed


def test_a_process_that_does_not_start_says_nothing_of_the_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, passed = dump(fitted(max_iter=2)), Passed()
    monkeypatch.setattr("sys.executable", "/bin/false")
    quarantine = Quarantine(passed=passed)
    with pytest.raises(QuarantineFailed, match="it did not start") as failed:
        quarantine.check(artifact)
    assert is_passing(failed.value)
    assert digest_of(artifact) not in passed


def test_a_refusal_is_one_of_fleetwards_own(quarantine: Quarantine) -> None:
    with pytest.raises(FleetwardError, match="it is no zip container"):
        quarantine.load(b"nonsense")
