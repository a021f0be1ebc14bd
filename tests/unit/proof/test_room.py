"""The verifier runs where there is neither Ray nor a database: a fresh interpreter shows what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.proof.cases import LOG, automatic, bundle, watermarks

FOREIGN = ("ray", "sqlalchemy", "sqlite3", "psycopg", "alembic", "pyarrow", "numpy", "pandas", "sklearn", "boto3")


def foreign_after(code: str, root: Path, *arguments: str) -> str:
    """What a fresh interpreter has imported of these after running the code."""
    tail = f'\nimport sys\nprint("foreign:", sorted(set({FOREIGN!r}) & set(sys.modules)))'
    command = [sys.executable, "-c", code + tail, *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def test_the_whole_room_imports_neither_ray_nor_a_database(root: Path) -> None:
    files = [path.relative_to(root) for path in (root / "runtime" / "proof").rglob("*.py")]
    modules = sorted(".".join(path.with_suffix("").parts) for path in files if path.stem != "__init__")
    assert {"runtime.proof.verify_bundle", "runtime.proof.pack.verify"} <= set(modules)
    imports = "\n".join(f"import {module}" for module in modules)
    assert foreign_after(imports, root) == "foreign: []"


@pytest.mark.parametrize("kind", ["bundle", "passport"])
def test_the_command_verifies_without_them_too(kind: str, root: Path, tmp_path: Path) -> None:
    file = tmp_path / kind
    file.write_bytes(bundle(watermarks(3)) if kind == "bundle" else automatic().passport().encode())
    code = """
import sys
sys.argv = ["fleetward", "verify", sys.argv[1], "--key", sys.argv[2], "-o", "json"]
from jobs.cli import app
try:
    app()
except SystemExit as end:
    assert end.code == 0, end.code
"""
    assert foreign_after(code, root, str(file), LOG.verifier.vkey) == "foreign: []"
