"""Submits jobs to the cluster this process runs in, and watches them to their end.

A job is named by its submission id: asking for the same id again finds the job that is already there. Its
*status* decides, not an exit code: a stopped job exits 0, any failure exits 1.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ray.job_submission import JobStatus, JobSubmissionClient

POLL_SECONDS = 0.25
LOG_TAIL = 2000


class JobState(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


_ENDS = {
    JobStatus.SUCCEEDED: JobState.SUCCEEDED,
    JobStatus.FAILED: JobState.FAILED,
    JobStatus.STOPPED: JobState.STOPPED,
}


@dataclass(frozen=True, slots=True)
class JobEnd:
    """A job that ended; ``message`` holds the end of its log unless it succeeded."""

    job: str
    state: JobState
    message: str


@dataclass(frozen=True, slots=True)
class JobRunner:
    """How to reach the cluster's job server, and what every job is given.

    ``python`` is the interpreter that has the dependencies; ``working_dir`` a package URI of the submitting
    job (``gcs://...``) or ``None`` where the code is installed.
    """

    address: str
    python: str
    working_dir: str | None
    environment: Mapping[str, str]

    async def run(self, module: str, submission_id: str, arguments: Sequence[str]) -> JobEnd:
        """Runs ``python -m module arguments`` to its end, or watches the job of that id if it is there."""
        client = await asyncio.to_thread(JobSubmissionClient, self.address)
        await asyncio.to_thread(self._submit_once, client, module, submission_id, arguments)
        while True:
            status = await asyncio.to_thread(client.get_job_status, submission_id)
            if status in _ENDS:
                break
            await asyncio.sleep(POLL_SECONDS)
        state = _ENDS[status]
        if state is JobState.SUCCEEDED:
            return JobEnd(submission_id, state, "")
        logs = await asyncio.to_thread(client.get_job_logs, submission_id)
        return JobEnd(submission_id, state, logs[-LOG_TAIL:])

    def _submit_once(
        self, client: JobSubmissionClient, module: str, submission_id: str, arguments: Sequence[str]
    ) -> None:
        if any(job.submission_id == submission_id for job in client.list_jobs()):
            return
        runtime_env: dict[str, object] = {"env_vars": dict(self.environment)}
        if self.working_dir is not None:
            runtime_env["working_dir"] = self.working_dir
        client.submit_job(
            entrypoint=shlex.join([self.python, "-m", module, *arguments]),
            submission_id=submission_id,
            runtime_env=runtime_env,
        )
