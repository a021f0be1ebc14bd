"""A run as a job sees it: told when it starts, gathered while it lasts, told how it ended.

Whatever goes wrong in the telling is counted and said at the end; the job goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from runtime.domain.events import TrainingFailed, VersionRegistered
from runtime.domain.spec import Spec
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.lineage.events import (
    Job,
    RunFacts,
    Transition,
    dataset_given,
    dataset_made,
    run_event,
    source_of,
    version_made,
)
from runtime.pipeline.lineage.sinks import Delivered, Sink
from runtime.pipeline.provenance import code_revision

NAMESPACE = "fleetward"


class Run:
    """What a job tells of one run while it lasts."""

    def __init__(self, namespace: str, facts: RunFacts, lost: Counter[str]) -> None:
        self._namespace, self._facts, self._lost = namespace, facts, lost

    def took(self, dataset: PreparedDataset) -> None:
        """The run works on these data."""
        with _counted(self._lost, "an input"):
            self._facts.inputs.append(dataset_given(self._namespace, dataset))

    def gave(self, dataset: PreparedDataset) -> None:
        """The run made these data."""
        with _counted(self._lost, "an output"):
            self._facts.outputs.append(dataset_made(self._namespace, dataset))

    def registered(self, version: VersionRegistered) -> None:
        """The run made this version."""
        with _counted(self._lost, "an output"):
            self._facts.outputs.append(version_made(self._namespace, version))

    def failed(self, failure: TrainingFailed) -> None:
        """One model could not be made; the others go on."""
        self._facts.failures.append({"model": failure.model, "reason": failure.reason})


@contextmanager
def _counted(lost: Counter[str], what: str) -> Iterator[None]:
    """Of an error that the telling alone has; the job knows nothing of it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - no fault of the telling may end a job that trains
        lost[f"for {what} that could not be written ({type(error).__name__}: {error})"] += 1


def _now() -> datetime:
    return datetime.now(UTC)


class Lineage:
    """Runs of one job's process, told to one sink; to nobody where there is none."""

    def __init__(self, sink: Sink | None, *, namespace: str = "", clock: Callable[[], datetime] = _now) -> None:
        self._sink, self._namespace, self._clock = sink, namespace or NAMESPACE, clock
        self._lost: Counter[str] = Counter()

    @contextmanager
    def run(
        self, kind: str, spec: Spec, *, batch: str | None = None, dataset: PreparedDataset | None = None
    ) -> Iterator[Run]:
        """A run of ``kind`` on the dataset, or on the spec's source. It failed if the block raises, or if no model
        could be made.
        """
        facts = RunFacts()
        run = Run(self._namespace, facts, self._lost)
        if self._sink is None:
            yield run
            return
        with _counted(self._lost, "a revision"):
            facts.about = {"codeRevision": code_revision()} | ({} if batch is None else {"batch": batch})
        if dataset is not None:
            run.took(dataset)
        else:
            with _counted(self._lost, "a source"):
                facts.inputs.append(source_of(spec.for_retraining if kind == "retrain" else spec))
        job = Job(self._namespace, kind, spec)
        self._tell(self._sink, Transition.START, job, facts)
        try:
            yield run
        except BaseException as error:
            self._end(self._sink, job, facts, " ".join(f"{type(error).__name__}: {error}".split()))
            raise
        none_made = f"none of {len(facts.failures)} models could be made" if facts.failures else None
        self._end(self._sink, job, facts, None if facts.outputs else none_made)

    def close(self) -> Delivered:
        """Delivers what is left, and says what was lost."""
        if self._sink is None:
            return Delivered(0, {})
        delivered = self._sink.close()
        return Delivered(delivered.taken, dict(Counter(delivered.lost) + self._lost))

    def _end(self, sink: Sink, job: Job, facts: RunFacts, error: str | None) -> None:
        self._tell(sink, Transition.COMPLETE if error is None else Transition.FAIL, job, facts, error)

    def _tell(self, sink: Sink, how: Transition, job: Job, facts: RunFacts, error: str | None = None) -> None:
        with _counted(self._lost, f"the {how.value}"):
            sink.send(run_event(how, self._clock(), job, facts, error=error))
