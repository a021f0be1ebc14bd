"""An environment a peer: installed once, outside the repository, by uv where there is one and pip otherwise."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENTS = Path(os.environ.get("FLEETWARD_BENCH_ENVS", Path.home() / ".cache" / "fleetward-bench"))
PEERS = Path(__file__).parent / "peers"
REQUIREMENTS = {  # beside each, what its own metadata forgets or leaves open
    "evidently": ("evidently", "pandas<3"),
    "nannyml": ("nannyml", "statsmodels"),
    "alibi": ("alibi-detect",),
    "scouter": ("scouter-ml", "numpy"),
    "whylogs": ("whylogs", "numpy", "pandas<3"),
    "river": ("river",),
    "polars": ("polars",),
    "duckdb": ("duckdb", "pytz"),
}
TIME_LIMIT_S = 1800


def python_of(peer: str) -> Path:
    """The peer's interpreter, its packages installed. Raises CalledProcessError with what the installer said."""
    folder = ENVIRONMENTS / f"{peer}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    uv = shutil.which("uv")
    if uv:
        _run([uv, "venv", "--clear", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--python", str(python), *REQUIREMENTS[peer]])
    else:
        venv.create(folder, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", *REQUIREMENTS[peer]])
    (folder / "complete").touch()
    return python


def ask(peer: str, *arguments: str, script: str | None = None, folder: Path = PEERS) -> list[dict[str, object]]:
    """What the peer's script in the folder (default: the one of its name) prints, a JSON object a line.

    One with an ``error`` if it does not install or run.
    """
    try:
        said = _run([str(python_of(peer)), str(folder / f"peer_{script or peer}.py"), *arguments])
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        return [{"package": peer, "error": lines[-1] if lines else f"exit status {error.returncode}"}]
    except subprocess.TimeoutExpired:
        return [{"package": peer, "error": f"not done after {TIME_LIMIT_S} s"}]
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def _run(command: list[str]) -> str:
    quiet = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "WHYLOGS_NO_ANALYTICS": "True"}
    quiet.pop("PYTHONPATH", None)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet, timeout=TIME_LIMIT_S)
    return done.stdout
