"""Every metric that Fleetward exports, each with its unit, its help and its labels; there are no others.

Ray puts ``ray_`` before a name and ``_total`` behind a counter's, and labels of its own beside (``Component``,
``NodeAddress``, ``SessionName``, ``Version`` (Ray's), ``WorkerId``): ``exported`` is the name a query asks for.

Latencies are counted in buckets here and handed on as counters, once in a while for many requests: Ray's own histogram
takes one call an observation. ``histogram_quantile`` asks for nothing but the label ``le``.

The label ``model`` of ``named.py``: some models by name, the others together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exported(self) -> str:
        """What Prometheus stores it under."""
        return f"ray_{self.name}" + ("_total" if self.kind == "counter" else "")


_SERVED = ("pool", "model", "version", "variant")
# --- replicas ------------------------------------------------------------------------------------

REQUESTS = Family("fleetward_requests", "counter", "requests", "Predictions that were answered.", _SERVED)
ROWS = Family("fleetward_rows", "counter", "rows", "Rows of the predictions that were answered.", _SERVED)
SECONDS = Family(
    "fleetward_request_seconds",
    "counter",
    "seconds",
    "From a prediction's arrival in the replica to its answer, added up.",
    _SERVED,
)
WITHIN = Family(
    "fleetward_request_seconds_bucket",
    "counter",
    "requests",
    "Predictions that were answered within le seconds, as the buckets of a Prometheus histogram.",
    (*_SERVED, "le"),
)
ERRORS = Family(
    "fleetward_request_errors",
    "counter",
    "requests",
    "Requests about a model that were answered with an error, by HTTP status.",
    ("pool", "model", "status"),
)
OVERRIDDEN = Family(
    "fleetward_overridden", "counter", "requests", "Answers that a model's overrides changed or refused.", _SERVED
)
MEMORY = Family("fleetward_replica_memory_bytes", "gauge", "bytes", "Loaded versions of a replica.", ("pool",))
ROUTES = Family("fleetward_replica_models", "gauge", "models", "Models whose routes a replica follows.", ("pool",))
APPLIED = Family(
    "fleetward_replica_ledger_entries", "gauge", "entries", "The ledger size whose routes a replica follows.", ("pool",)
)

# --- the monitor ---------------------------------------------------------------------------------

EVIDENCE = Family(
    "fleetward_drift_evidence_ratio",
    "gauge",
    "ratio",
    "Log evidence of change divided by the log threshold of an alarm; an alarm at 1.",
    ("model", "about"),
)
PSI = Family("fleetward_psi", "gauge", "index", "The largest population stability index of a feature.", ("model",))
PERFORMANCE = Family(
    "fleetward_performance",
    "gauge",
    "its metric's",
    "A metric of the newest rows with outcomes (of: recent), of the baseline, and estimated of rows without outcomes.",
    ("model", "metric", "of"),
)
WORST_EVIDENCE = Family(
    "fleetward_drift_evidence_ratio_max", "gauge", "ratio", "The largest evidence ratio of all models.", ("about",)
)
WATCHED = Family("fleetward_watched_models", "gauge", "models", "Models with a champion whose traffic is counted.")
WAITING = Family("fleetward_unknown_outcomes", "gauge", "rows", "Outcomes that no prediction was found for.")
TAKEN_IN = Family("fleetward_monitor_ledger_entries", "gauge", "entries", "Ledger entries that a monitor has taken in.")

# --- the governor --------------------------------------------------------------------------------

LEDGER_SIZE = Family("fleetward_ledger_entries", "gauge", "entries", "Entries in the ledger.")
COMMITS = Family("fleetward_ledger_commits", "counter", "commits", "Group commits of the ledger.")
COMMIT_SECONDS = Family(
    "fleetward_ledger_commit_seconds", "counter", "seconds", "Group commits: judged, written, durable; added up."
)
COMMIT_WITHIN = Family(
    "fleetward_ledger_commit_seconds_bucket",
    "counter",
    "commits",
    "Group commits that took at most le seconds, as the buckets of a Prometheus histogram.",
    ("le",),
)
RECORDED = Family(
    "fleetward_ledger_drafts", "counter", "drafts", "Drafts that were handed in, by how they ended.", ("ended",)
)
MODELS = Family("fleetward_models", "gauge", "models", "Models by what they are doing.", ("state",))
OPEN_FINDINGS = Family(
    "fleetward_open_findings", "gauge", "findings", "Findings that nobody answered yet, by kind.", ("about",)
)
MODEL_FINDINGS = Family("fleetward_model_findings", "gauge", "findings", "Findings of a model so far.", ("model",))
RETRAININGS = Family(
    "fleetward_retraining_batches", "gauge", "batches", "Retraining batches, by how they ended.", ("ended",)
)
ROLLOUTS = Family("fleetward_rollouts", "gauge", "rollouts", "Rollouts that are running, by stage.", ("stage",))
RECORDS = Family("fleetward_records", "gauge", "records", "Records over the whole ledger, by kind.", ("kind",))
TICKS_UNTIL = Family(
    "fleetward_ticks_until_timestamp_seconds", "gauge", "seconds", "Up to where in the data's time ticks are closed."
)
REPLICAS = Family("fleetward_replicas", "gauge", "replicas", "Replicas that follow the governor.", ("pool",))

FAMILIES: tuple[Family, ...] = tuple(each for each in vars().copy().values() if isinstance(each, Family))
