"""A data subject on a cluster: named in a request, read with the keys, erased by the command, proven all the while."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
import pytest

from actors.connect import governor
from actors.quiescence import ask, settle
from runtime.domain.erasure import SubjectErased, SubjectErasureOrdered
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.keeping import EvidenceExported
from runtime.local_cluster import LocalCluster
from runtime.pipeline.asking import infer_request
from runtime.pipeline.replay import models_of
from runtime.storage.segments import check_segment, read_segment
from tests.cluster.fleet import Fleet, fleet_up, train
from tests.cluster.routes import MODELS, load

SUBJECT = "passenger-81723"


class Named(NamedTuple):
    """A fleet that answered a request about the subject."""

    fleet: Fleet
    answer: httpx.Response

    @property
    def decision_id(self) -> str:
        return self.answer.headers["fleetward-decision-id"]


@pytest.fixture(scope="module")
def named(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    with fleet_up(cluster, tmp_path_factory.mktemp("erasing")) as fleet:
        train(fleet)
        settle(fleet.spec.serving.pools)
        ask(governor().checkpoint.remote)  # as the publisher does each second
        yield Named(fleet, asked(fleet, SUBJECT))


def asked(fleet: Fleet, subject: str) -> httpx.Response:
    """The answer about the model's first flight, in which the subject is named."""
    flights = load()
    request = infer_request(fleet.spec, MODELS[0], flights[models_of(fleet.spec, flights) == MODELS[0]].head(1))
    return httpx.post(
        f"{fleet.url}/v2/models/{MODELS[0]}/infer",
        content=request.body,
        headers={**fleet.headers, "Fleetward-Subject": subject},
        trust_env=False,
        timeout=30,
    )


def command(named: Named, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line as a person runs it, in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *words],
        env={**os.environ, **named.fleet.cluster.environment(), **named.fleet.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert SUBJECT not in found.stdout + found.stderr
    return found


def test_a_subject_lives_as_ciphertext_until_it_is_erased_and_every_proof_goes_on(named: Named, tmp_path: Path) -> None:
    assert named.answer.status_code == 200, named.answer.text
    fleet, decision_id = named.fleet, named.decision_id

    erased = command(named, "erase", SUBJECT, "--reason", "request 7", "--model", MODELS[0])
    assert erased.returncode == 0, erased.stderr
    assert "inputs of 1 records are unreadable" in erased.stdout

    events = [entry.event for entry in fleet.entries()]
    (ordered,) = (event for event in events if isinstance(event, SubjectErasureOrdered))
    (done,) = (event for event in events if isinstance(event, SubjectErased))
    assert (done.model, done.pseudonym, done.records) == (MODELS[0], ordered.parts[0].pseudonym, 1)

    sealed = [event for event in events if isinstance(event, SegmentSealed)]
    for segment in sealed:
        check_segment(fleet.store, segment)
    rows = [
        row
        for segment in sealed
        if segment.content is SegmentContent.DECISIONS
        for row in read_segment(fleet.store, segment.digest).to_pylist()
        if row["decision_id"] == decision_id
    ]
    assert [(row["subject"], row["numbers"], row["texts"]) for row in rows] == [(done.pseudonym, [], [])]

    shown = command(named, "decision", decision_id, "-o", "json")
    assert shown.returncode == 0, shown.stderr
    (row,) = orjson.loads(shown.stdout)["rows"]
    assert (row["inputs"], row["values"]) == ("erased", None)

    again = command(named, "erase", SUBJECT, "--reason", "request 7", "--model", MODELS[0])
    assert again.returncode != 0


def test_before_its_erasure_whoever_has_the_keys_reads_the_inputs(named: Named) -> None:
    other = asked(named.fleet, "passenger-2")
    settle(named.fleet.spec.serving.pools)
    shown = command(named, "decision", other.headers["fleetward-decision-id"], "-o", "json")
    assert shown.returncode == 0, shown.stderr
    (row,) = orjson.loads(shown.stdout)["rows"]
    assert row["inputs"] == "opened"
    assert all(value is not None for value in row["values"].values())


def test_the_governor_records_an_export_of_evidence(named: Named, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    made = command(named, "evidence", MODELS[0], "--from", "2020-01-01", "--to", "2100-01-01", "-o", str(pack))
    assert made.returncode == 0, made.stderr
    (told,) = (entry for entry in named.fleet.entries() if isinstance(entry.event, EvidenceExported))
    assert isinstance(told.event, EvidenceExported)
    assert (told.principal, told.event.model) == ("user:test", MODELS[0])
    assert told.event.digest in made.stdout
