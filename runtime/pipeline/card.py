"""The card that a package holds: ``runtime.documents`` renders it, training knows what to render."""

from __future__ import annotations

from runtime.documents.card import packaged_card
from runtime.domain.events import VersionRegistered
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec
from runtime.pipeline.train import TrainedModel


def model_card(spec: Spec, trained: TrainedModel, registered: VersionRegistered, report: EvaluationReport) -> str:
    """The card's text; the same for the same records."""
    return packaged_card(spec, registered, report, partition=trained.partition, used=trained.predictor.used)
