"""``python -m jobs.cli``: the same as ``fleetward``, where only the module's name is known."""

from jobs.cli import app

app(prog_name="fleetward")
