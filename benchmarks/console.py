"""How long the server takes for each page of the console, over a fleet of a thousand models.

The fleet is that of the console's browser tests: half a year of findings, retrainings and rollouts, recorded through a
governor's own writer into SQLite. Each page is asked of the whole application (console, control API, ledger) as Serve
mounts it, in one process and without a network, by somebody who has logged in. Processor time, median and largest of
`--rounds`; and the size of the page.

    python benchmarks/console.py --models 1000 --rounds 9
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402

from tests.browser.serving import Site  # noqa: E402

REACH_MS = 200.0
RESULTS = ROOT / "benchmarks" / "results" / "console.json"


async def measured(site: Site, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds and kilobytes of each page."""
    first, finding = site.flights.names[0], list(site.flights.writer.state.findings)[-1]
    paths = {
        "fleet": "/",
        "fleet, grouped": "/?group=owner&sort=error",
        "fleet, all 1,000 rows": "/?show=all",
        "model": f"/models/{first}",
        "version": f"/models/{first}/versions/1",
        "approvals": "/approvals",
        "findings": "/findings",
        "finding": f"/findings/{finding}",
        "rollouts": "/rollouts",
        "decision": f"/decisions/{site.decision}",
        "ledger": "/ledger",
        "entry": "/ledger/100",
        "inventory": "/inventory",
        "cluster": "/cluster",
        "access": "/access",
    }
    transport = httpx.ASGITransport(site.application(), raise_app_exceptions=False)
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://console/api/console") as client:
        await _log_in(client, site.keys["olga"])
        for name, path in paths.items():
            answer = await client.get(path)  # the first one also folds and indexes what is new
            assert answer.status_code == 200, (name, answer.text)
            taken = []
            for _ in range(rounds):
                begun = time.process_time()
                answer = await client.get(path)
                taken.append((time.process_time() - begun) * 1e3)
            found[name] = {
                "median_ms": round(statistics.median(taken), 1),
                "largest_ms": round(max(taken), 1),
                "page_kb": round(len(answer.content) / 1e3, 1),
            }
    return found


async def _log_in(client: httpx.AsyncClient, key: str) -> None:
    page = await client.get("/login")
    (form_key,) = re.findall(r'name="form_key" value="(\w+)"', page.text)
    answer = await client.post("/login", data={"form_key": form_key, "credential": key, "next": ""})
    assert answer.status_code == 303, answer.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), asked.models)
        entries, findings = site.flights.writer.state.size, len(site.flights.writer.state.findings)
        print(f"{asked.models:,} models, {entries:,} entries, {findings:,} findings; processor time of the server")
        found = asyncio.run(measured(site, asked.rounds))
        site.flights.close()
    for name, told in found.items():
        print(f"  {name:24} {told['median_ms']:7.1f} ms  (largest {told['largest_ms']:.1f})  {told['page_kb']:8.1f} kB")
    document: dict[str, Any] = {
        "models": asked.models,
        "entries": entries,
        "findings": findings,
        "cores": os.cpu_count(),
        "pages": found,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    slow = {name: told["median_ms"] for name, told in found.items() if told["median_ms"] > REACH_MS}
    print(f"all under {REACH_MS:.0f} ms" if not slow else f"over {REACH_MS:.0f} ms: {slow}")


if __name__ == "__main__":
    main()
