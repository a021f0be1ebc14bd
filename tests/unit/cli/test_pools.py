"""``pool`` and ``pools``: what is set stands in the ledger, and what makes no sense is refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli.governed import Governed
from runtime.domain.pools import PoolConfigured
from runtime.ledger.log import Log
from tests.unit.cli.conftest import Installation, StandInGovernor

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture(autouse=True)
def governed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Governed, "connected", lambda settings: StandInGovernor(installation))


def test_what_is_set_stays_and_the_rest_is_as_it_was(run: Run, answer: Answer, installation: Installation) -> None:
    assert run("pool", "default", "--replicas", "1-4", "--cpus", "0.5").exit_code == 0
    said = run("pool", "default", "--memory", "2GiB", "--downscale-delay", "30s")
    assert (said.exit_code, "pool default: set to 1-4 replicas" in said.stdout) == (0, True), said.output
    (line,) = answer("pools")
    assert (line["pool"], line["prefix"], line["running"]) == ("default", "/", None)
    options = line["options"]
    assert (options["replicas"], options["cpus"]) == ({"least": 1, "most": 4}, 0.5)
    assert (options["memory"], options["downscale_delay"]) == (2 << 30, "30s")
    with Log.open_read_only(installation.url) as log:
        configured = [entry.event for entry in log.entries(kinds=["pool_configured"])]
    assert [type(event) for event in configured] == [PoolConfigured, PoolConfigured]


def test_a_fixed_number_from_the_settings_is_kept_until_another_is_set(run: Run, answer: Answer) -> None:
    assert run("pool", "fast", "--cpus", "2").exit_code == 0
    fast = next(line for line in answer("pools") if line["pool"] == "fast")
    assert (fast["prefix"], fast["options"]["replicas"]) == ("/pools/fast", {"least": 2, "most": 2})


def test_pools_are_listed_for_people(run: Run) -> None:
    run("pool", "fast", "--replicas", "3", "--gpus", "0.5")
    listed = run("pools").stdout
    assert "0.1 CPU, 0.5 GPU" in listed
    assert "as set up" in listed, "of the default pool nothing was said"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("default",), "nothing to set"),
        (("default", "--replicas", "4-1"), "a range that goes up, such as 1-4"),
        (("default", "--replicas", "many"), "--replicas many: Value error, expected a number of replicas"),
        (("default", "--gpus", "1.5"), "a part of one GPU, or whole ones"),
        (("default", "--memory", "2 gigs"), "expected a size such as 512MiB or 2GB"),
        (("Fast", "--cpus", "1"), "POOL Fast"),
        (("dedicated-m", "--cpus", "1"), "stands in its model's spec"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run("pool", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
