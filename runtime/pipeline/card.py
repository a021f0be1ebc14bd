"""The model card: Markdown with the metadata header that Hugging Face reads, rendered from the records alone."""

from __future__ import annotations

from functools import cache

import jinja2

from runtime.domain.events import VersionRegistered
from runtime.domain.metrics import METRICS
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec
from runtime.pipeline.train import TrainedModel


def model_card(spec: Spec, trained: TrainedModel, registered: VersionRegistered, report: EvaluationReport) -> str:
    """The card's text; the same for the same records."""
    return _template().render(
        spec=spec,
        trained=trained,
        registered=registered,
        report=report,
        used=trained.predictor.used,
        refit=spec.retrain.refit,
        headline=[metric.value for metric in METRICS[spec.task] if metric.value in report.metrics],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runtime.pipeline", "."),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML; the console escapes what it shows
    )
    return environment.get_template("card.md.j2")
