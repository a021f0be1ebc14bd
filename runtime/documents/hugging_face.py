"""The metadata that Hugging Face reads at the head of a model card: YAML between two lines of ``---``.

Its fields are those of huggingface_hub's ``ModelCardData``; ``model-index`` holds the results, one a metric.
"""

from __future__ import annotations

from typing import Any

import yaml

from runtime.domain.events import VersionRegistered
from runtime.domain.metrics import METRICS
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec


def metadata(spec: Spec, registered: VersionRegistered, report: EvaluationReport | None) -> dict[str, Any]:
    """The fields that the records fill. No licence among them: none is recorded."""
    task, source = f"tabular-{spec.task.value}", spec.data.named
    measured = {} if report is None else report.metrics
    headline = [metric.value for metric in METRICS[spec.task] if metric.value in measured]
    fields: dict[str, Any] = {
        "language": "en",
        "library_name": registered.flavor,
        "pipeline_tag": task,
        "tags": ["fleetward", spec.task.value, registered.estimator],
        "model_name": registered.model,
        "datasets": [source],
    }
    if headline:
        dataset = {"name": source, "type": source}
        metrics = [{"type": name, "value": _rounded(measured[name])} for name in headline]
        result = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
        fields |= {"metrics": headline, "model-index": [{"name": registered.model, "results": [result]}]}
    return fields


def front_matter(fields: dict[str, Any]) -> str:
    """The fields as the head of a Markdown file."""
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n\n"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
