"""What is known of a version when a document about it is written: all of it from the ledger, or from its package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.domain.model_state import FindingState, ModelState, VersionState
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec


@dataclass(frozen=True)
class Told:
    """A version as the ledger has it. ``package``: its signed manifest, where the store holds it; ``spec``: as it
    stands now, which may be newer than the one that the version was made by.
    """

    spec: Spec
    model: ModelState
    version: VersionState
    findings: tuple[FindingState, ...] = ()
    package: dict[str, Any] | None = None

    @property
    def report(self) -> EvaluationReport | None:
        """How it was judged."""
        return self.version.report

    @property
    def made_by_this_spec(self) -> bool | None:
        """Whether the spec is the one that it was made by; none where the package is not at hand."""
        return None if self.package is None else bool(self.package["spec"]["digest"] == self.spec.digest)


def newest_served(model: ModelState) -> int | None:
    """The version that a document is of where none is named: the champion, else the newest; none without versions."""
    return model.champion if model.champion is not None else max(model.versions, default=None)
