"""Gates that try a version in a process of its own, which has the artifact and nothing of the training.

    this process                                     python -m runtime.flavors.afresh, or pytest with fixtures
       | -- folder: artifact, rows, truth ------------> | loads, answers or tests
       | <-- folder: answers.json or tests.json ------- |

The process gets no credential of this one (``flavors/environment.py``), and starts with some seconds of imports: of a
large fleet, a gate of this kind is what takes the time.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from runtime.domain.behaviour import CleanProcessGate, OwnTestsGate
from runtime.domain.reports import GateResult
from runtime.flavors.afresh import ANSWERS
from runtime.flavors.environment import plain_environment
from runtime.flavors.handed import Handed
from runtime.pipeline.probing import Probe
from runtime.pipeline.results import at_most, refused, result

_LONGEST = timedelta(minutes=2)
_FOLDER = "FLEETWARD_HANDED"
_ENDED = "tests.json"
"""As ``flavors.fixtures`` has them, which is read by pytest alone."""
_SHOWN = 3


def judge(gate: CleanProcessGate | OwnTestsGate, probe: Probe | None) -> GateResult:
    """The gate's answer; a process that ends badly or takes too long is a refusal."""
    name = "clean_process" if isinstance(gate, CleanProcessGate) else f"tests:{gate.tests}"
    if probe is None:
        return refused(name, "there is no version at hand to be tried")
    with tempfile.TemporaryDirectory(prefix="fleetward-apart-") as made:
        folder = Path(made)
        Handed(probe.artifact, probe.columns, probe.truth).write(folder)
        if isinstance(gate, CleanProcessGate):
            return _clean(name, probe, folder)
        return _tested(name, gate, folder)


def _clean(name: str, probe: Probe, folder: Path) -> GateResult:
    ended = _run([sys.executable, "-m", "runtime.flavors.afresh", str(folder)], folder, _LONGEST)
    told = _read(folder / ANSWERS)
    if told is None:
        return refused(name, f"its process {ended} before it answered")
    if "refused" in told:
        return refused(name, f"loaded afresh: {told['refused']}")
    if told["schema"] != probe.schema.as_document():
        return refused(name, "loaded afresh, its schema is another than the one it was trained with")
    found, expected = np.array(told["answers"], dtype=np.float64), probe.ask(probe.columns)
    if found.shape != expected.shape:
        return refused(name, f"loaded afresh it gives {list(found.shape)} answers, here {list(expected.shape)}")
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    apart = float(np.where(same, 0.0, np.abs(found - expected)).max(initial=0.0))
    return at_most(name, apart, 0.0, f"loaded afresh its answers to {probe.rows} rows differ by {{}}")


def _tested(name: str, gate: OwnTestsGate, folder: Path) -> GateResult:
    file = Path(gate.tests)
    if not file.is_file():
        return refused(name, f"no file {gate.tests} in {Path.cwd()}", 0)
    if importlib.util.find_spec("pytest") is None:
        return refused(name, "pytest is not installed where this version was trained", 0)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")  # no settings of the job's folder
    command = [sys.executable, "-m", "pytest", "-q", "-p", "runtime.flavors.fixtures", "-p", "no:cacheprovider"]
    command += ["-c", str(folder / "pytest.ini"), "--rootdir", str(file.parent.resolve()), str(file.resolve())]
    ended = _run(command, folder, gate.timeout)
    told = _read(folder / _ENDED)
    if told is None:
        return refused(name, f"its process {ended} before the tests did", 0)
    failed, passed = told["failed"], told["passed"]
    if not failed and not passed:
        return refused(name, f"{gate.tests} has no test that ran", 0)
    what = f"{passed} of {passed + len(failed)} tests passed"
    shown = "".join(f"; {test}: {reason}" for test, reason in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return result(name, not failed, len(failed), 0, f"{what}{shown}{more}")


def _run(command: list[str], folder: Path, longest: timedelta) -> str:
    """How it ended, in words."""
    environment = {**plain_environment(), _FOLDER: str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=longest.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took more than {longest.total_seconds():g} s and was ended"
    last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"ended with {ended.returncode}{f' ({last[0][:200]})' if last else ''}"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
