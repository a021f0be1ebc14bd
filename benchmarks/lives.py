"""A ledger of a million entries and more: many models, each living the life of one of the demo's.

The mix of kinds is that of a demo ledger (24 models, a replayed year: 168 entries a model): 32 % sealed segments, 17 %
findings and as many verdicts, the rest registrations, evaluations, approvals, grants, rollouts, promotions and
retrainings. One model's life is made of real events, whose leaves serve as stencils: only the name, the time and the
digits of long fractions differ from model to model. All models live at once, so that any ten thousand entries touch
nearly all of them.

That each entry is legal the fold shows, which refuses any other.
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.entry import leaf_bytes
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import digest_of
from runtime.domain.reports import Comparison, EvaluationReport, FeatureStatistic, GateResult, WindowPerformance
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from runtime.domain.verdict import Action, Verdict
from runtime.ledger.merkle import leaf_hash
from tests.unit.domain.lives import DOCUMENT as FLIGHTS
from tests.unit.domain.lives import STEPS

NAME = "model-000000"
"""Stands for every model's name, which is as long."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The data's time begins, and the place of a leaf's own time."""
_FRACTION = re.compile(r"\.\d{12,}")
_ID = "event-000000000"
DAYS = 29
VERSION_EVERY = 9
FEATURES = ("hour", "dest", "temp", "dewp", "humid", "wind_dir", "pressure", "prediction")
DOCUMENT = FLIGHTS | {"name": "model-{number}", "for_each": {"by": ["number"]}}
SCHEMA = Schema(
    inputs=tuple(Field(name=name, kind=FieldKind.NUMBER) for name in FEATURES),
    outputs=(Field(name="air_time", kind=FieldKind.NUMBER),),
)


class Stencil(NamedTuple):
    """A leaf of one model's life: its kind, and the leaf with ``NAME`` and ``EPOCH`` in it."""

    kind: str
    leaf: str


def rows(size: int) -> Iterator[dict[str, Any]]:
    """Rows of the table ``entries``: the spec, then every model's first event, every model's second, and so on."""
    rng = random.Random(2013)
    for seq, (stencil, name) in enumerate(islice(_told(size), size)):
        time = rfc3339(EPOCH + timedelta(milliseconds=100 * seq))
        content = stencil.leaf.replace(NAME, name).replace(rfc3339(EPOCH), time).replace(_ID, f"event-{seq:09}")
        leaf = _FRACTION.sub(lambda _: f".{rng.getrandbits(40):013}7", content).encode()
        yield {
            "seq": seq,
            "event_id": f"event-{seq:09}",
            "time": time,
            "kind": stencil.kind,
            "leaf_hash": leaf_hash(leaf),
            "leaf": leaf,
        }


def _told(size: int) -> Iterator[tuple[Stencil, str]]:
    spec = Spec.model_validate(DOCUMENT)
    yield _stencil(e.SpecApplied(name="models", digest=spec.digest, spec=spec.as_document())), NAME
    life = [_stencil(event) for event in life_of(NAME)]
    names = [f"model-{number:06}" for number in range(-(-size // len(life)))]
    for stencil in life:
        for name in names:
            yield stencil, name


def _stencil(event: e.Event) -> Stencil:
    return Stencil(event.kind, leaf_bytes(_ID, EPOCH, "service:benchmark", event).decode())


# --- a life ----------------------------------------------------------------------------------------


def life_of(name: str) -> Iterator[e.Event]:
    """All that is recorded of one model in 29 days, a new version every nine."""
    yield e.ModelDeclared(model=name, spec="models", partition={"number": name})
    version = 0
    for day in range(DAYS):
        if day % VERSION_EVERY == 0:
            version += 1
            yield from _version(name, version, EPOCH + timedelta(days=day))
        yield from _day(name, version, day)


def _version(name: str, version: int, as_of: datetime) -> Iterator[e.Event]:
    batch = f"batch-{name}-{version}"
    yield e.RetrainingStarted(batch=batch, spec="models", models=(name,), as_of=as_of, reason="1 due")
    yield _registered(name, version, batch, as_of)
    yield e.VersionEvaluated(model=name, version=version, report=_report(as_of))
    yield e.VersionApproved(
        model=name,
        version=version,
        approved_by=("policy:automatic_if",),
        automatic=True,
        reason="all 7 gates passed; risk tier low",
        policy=_digest("policy"),
        valid_until=as_of + timedelta(days=90),
    )
    yield e.GrantIssued(model=name, version=version, signed=_granted(name, version, as_of))
    yield e.RolloutStarted(model=name, version=version, steps=STEPS)
    yield e.RolloutMeasured(model=name, version=version, step=0, comparison=_comparison(), as_of=as_of)
    yield e.RolloutAdvanced(model=name, version=version, step=1, reason="within the guardrail of 8.31")
    yield e.RolloutMeasured(model=name, version=version, step=1, comparison=_comparison(), as_of=as_of)
    yield e.VersionPromoted(model=name, version=version, reason="within the guardrail of 8.31", as_of=as_of)
    yield e.RetrainingFinished(batch=batch, succeeded=True, reason="job succeeded")


def _day(name: str, version: int, day: int) -> Iterator[e.Event]:
    as_of = EPOCH + timedelta(days=day)
    for content in e.SegmentContent:
        yield e.SegmentSealed(
            content=content,
            digest=_digest(f"{content} {day}"),
            record_root=_digest("records").removeprefix("sha256:"),
            records=46,
            replica="0pysclwy",
            epoch="01a20dbb-dc74-77ca-a90e-b0bbac3a9735",
            first_number=46 * day + 1,
            last_number=46 * (day + 1),
            first_time=as_of + timedelta(seconds=1),
            last_time=as_of + timedelta(seconds=6),
        )
    finding = f"finding-{name}-{day}"
    yield e.FindingOpened(
        finding=finding,
        model=name,
        version=version,
        about=e.FindingKind.DATA_DRIFT,
        as_of=as_of,
        since=as_of - timedelta(days=3),
        log_evidence=8.273680322431264,
        log_threshold=6.907755278982137,
        features=tuple(
            FeatureStatistic(
                feature=each, log_score=8.25145258030254, js=0.7578485233810165, psi=2.2661988953620016, missing_rate=0
            )
            for each in FEATURES
        ),
        recent=WindowPerformance(rows=16, mae=5.116901757736334, bias=4.451374637562334),
        baseline=WindowPerformance(rows=553, mae=4.077942894595528, bias=0.77172199612359),
    )
    numbers = {"baseline_mae": 4.077942894595528, "log_evidence": 8.273680322431264, "mae_ratio": 1.2547752359449986}
    verdict = Verdict(
        action=Action.NOTHING, reason="benign: recent MAE 5.12 is 1.25 times the baseline's", numbers=numbers
    )
    yield e.VerdictReached(finding=finding, model=name, verdict=verdict, policy=_digest("policy"), as_of=as_of)


def _registered(name: str, version: int, batch: str, as_of: datetime) -> e.VersionRegistered:
    packages = ("numpy", "pandas", "platform", "pyarrow", "python", "ray", "scikit-learn", "scipy", "skops")
    return e.VersionRegistered(
        model=name,
        version=version,
        artifact=_digest(f"artifact {version}"),
        artifact_bytes=14_838,
        package=_digest(f"package {version}"),
        baseline=_digest(f"baseline {version}"),
        flavor="sklearn",
        estimator="Ridge",
        parameters={"alpha": 9.014625959691307},
        seed=2013,
        schema=SCHEMA,
        dataset=_digest("dataset"),
        train_rows=553,
        first_time=as_of - timedelta(days=60),
        last_time=as_of,
        as_of=as_of,
        batch=batch,
        code_revision="fa613076651f33106a91c4f0f79202080171ef79",
        environment=dict.fromkeys(packages, "1.16.0"),
    )


def _report(as_of: datetime) -> EvaluationReport:
    names = ("mae", "no_worse_than:baseline", "better_than:champion", "slice:dest", "latency", "bytes", "round_trip")
    gates = tuple(
        GateResult(gate=each, passed=True, value=3.623508684326693, limit=40, reason=f"{each} 3.62351, limit 40")
        for each in names
    )
    metrics = dict.fromkeys(("mae", "rmse", "bias", "baseline_mae", "baseline_rmse"), 3.623508684326693)
    return EvaluationReport(
        metrics=metrics, rows=139, first_time=as_of - timedelta(days=10), last_time=as_of, gates=gates
    )


def _comparison() -> Comparison:
    return Comparison(
        metric="mae",
        rows=30,
        champion=6.39,
        challenger=7.01,
        difference=0.62,
        low=-2.75,
        high=3.98,
        confidence=0.95,
    )


def _granted(name: str, version: int, as_of: datetime) -> SignedGrant:
    grant = Grant(
        grant_id=f"grant-{name}-{version}",
        model=name,
        version=version,
        artifact=_digest(f"artifact {version}"),
        package=_digest(f"package {version}"),
        environment="prod",
        pool="default",
        policy=_digest("policy"),
        valid_from=as_of,
        valid_until=as_of + timedelta(days=90),
    )
    return SignedGrant(grant=grant, key_id="fd1b4c03964f5fb0", signature="c" * 88)


def _digest(text: str) -> str:
    return digest_of(text.encode())
