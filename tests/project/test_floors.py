"""The floors of the code base: imports point down, names say what a room is for, files stay small."""

import ast
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("runtime", "actors", "jobs", "examples")
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}
CROWDED, FULL = 400, 500  # lines: a question, a limit


def sources(root: Path) -> Iterator[Path]:
    """Every Python file of the product and its benchmarks."""
    for room in (*ROOMS, "benchmarks"):
        yield from sorted((root / room).rglob("*.py"))


def test_imports_point_down_only(root: Path) -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_import_contract_names_every_room(root: Path) -> None:
    contract = (root / "pyproject.toml").read_text()
    for path in (root / "runtime").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            room = path.stem
            assert room == "__init__" or f"(runtime.{room})" in contract, f"runtime.{room} stands on no floor"


def test_an_entry_file_shadows_no_standard_module(root: Path) -> None:
    names = {path.stem for path in (root / "jobs").glob("*.py")}
    assert names, "jobs/ has no entry files"
    assert not names & sys.stdlib_module_names


def test_an_entry_file_defines_no_classes(root: Path) -> None:
    """A class defined in an entry script fails `isinstance` inside an actor."""
    found = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in sorted((root / "jobs").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert not found, found


def test_no_module_is_called_utils_common_or_helpers(root: Path) -> None:
    folders = {path.parent for path in sources(root)}
    found = [path for path in (*sources(root), *folders) if path.stem in NAMELESS]
    assert not found, found


def test_files_stay_small(root: Path) -> None:
    lengths = {path.relative_to(root): len(path.read_text().splitlines()) for path in sources(root)}
    assert not {path: lines for path, lines in lengths.items() if lines > FULL}
    if crowded := {str(path): lines for path, lines in lengths.items() if lines > CROWDED}:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(f"crowded (over {CROWDED} lines): {crowded}", stacklevel=1)
