"""The house around the code: README, Makefile, lock file, CI."""

import os
import re
import subprocess
import tomllib
from pathlib import Path


def make_targets(root: Path) -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (root / "Makefile").read_text(), flags=re.MULTILINE))


def requirement_names(lines: list[str]) -> set[str]:
    found = {match[0] for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))}
    return {re.sub(r"[._-]+", "-", name).lower() for name in found}


def test_make_offers_the_targets_that_a_newcomer_expects(root: Path) -> None:
    assert make_targets(root) >= {"install", "demo", "up", "down", "test", "check", "bench", "format"}


def test_make_alone_explains_itself(root: Path) -> None:
    run = subprocess.run(["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True)
    assert all(f"make {target} " in run.stdout for target in make_targets(root))


def test_the_make_commands_of_the_readme_exist(root: Path) -> None:
    text = (root / "README.md").read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    code = "\n".join([*fenced, *re.findall(r"^ {4}(.*)$", text, flags=re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z]+)", code, flags=re.MULTILINE))
    assert len(named) >= 2, "the README shows a newcomer two commands, both make targets"
    assert "test" in named
    assert named <= make_targets(root)


def test_continuous_integration_runs_the_readmes_test_command(root: Path) -> None:
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "exec make test" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


def test_the_lock_names_no_index_host_and_no_local_path(root: Path) -> None:
    lock = (root / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^-|@ |file:|\.whl|\.tar\.gz", lock, flags=re.MULTILINE)


def test_every_pin_of_the_lock_has_a_hash(root: Path) -> None:
    lock = (root / "requirements.lock").read_text()
    pins = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    unhashed = [pin.split()[0] for pin in pins if pin.strip() and "--hash=sha256:" not in pin]
    assert len(pins) > 50
    assert not unhashed, unhashed


def test_the_lock_covers_every_dependency_but_torch(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *(line for extra in optional if extra != "torch" for line in optional[extra]),
    ]
    locked = requirement_names((root / "requirements.lock").read_text().splitlines())
    missing = requirement_names(declared) - locked
    assert not missing, f"run the command of docs/decisions/2026-11-24-one-lock.md: {missing}"
    assert "torch" not in locked


def test_the_project_cannot_be_published_by_accident(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
