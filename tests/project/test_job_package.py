"""What `ray job submit --working-dir .` takes along, asked of Ray's own packer."""

import shutil
import zipfile
from pathlib import Path

import pytest
from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import create_package


def packed(tree: Path, target: Path) -> set[str]:
    create_package(str(tree), target, include_gitignore=True, excludes=get_runtime_env_default_excludes().copy())
    with zipfile.ZipFile(target) as package:
        return {name for name in package.namelist() if not name.endswith("/")}


@pytest.mark.parametrize(
    "heavy_or_private",
    [
        ".git/objects/pack",
        ".venv/lib/big.so",
        ".fleetward/ledger.sqlite3",
        ".mypy_cache/3.11/cache.json",
        ".hypothesis/examples/one",
        "reports/june.html",
        "benchmarks/results/run.json",
        "runtime/__pycache__/settings.cpython-311.pyc",
        "signing.key",
        ".env",
    ],
)
def test_heavy_and_private_files_stay_behind(root: Path, tmp_path: Path, heavy_or_private: str) -> None:
    tree = tmp_path / "tree"
    for name in (heavy_or_private, "runtime/settings.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("x")
    shutil.copy(root / ".gitignore", tree)
    assert packed(tree, tmp_path / "package.zip") == {".gitignore", "runtime/settings.py"}


def test_the_code_of_every_room_travels(root: Path, tmp_path: Path) -> None:
    """No ignore pattern may swallow a source file; and the package stays far below Ray's limit of 512 MiB."""
    target = tmp_path / "package.zip"
    names = packed(root, target)
    rooms = [root / room for room in ("runtime", "actors", "jobs", "examples")]
    sources = {str(path.relative_to(root)) for room in rooms for path in room.rglob("*.py")}
    assert sources
    assert sources <= names
    assert target.stat().st_size < 32 * 2**20
