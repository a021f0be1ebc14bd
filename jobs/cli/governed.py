"""The governor of a cluster that is up, asked and told from this command line."""

from __future__ import annotations

from jobs.cli.failing import CommandFailed, reaching
from jobs.cli.reading import Head
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import FleetwardError
from runtime.domain.model_state import FindingState, IncidentState, ModelState
from runtime.domain.policies import PolicyState
from runtime.domain.spec import Spec
from runtime.domain.state import BatchState, ErasureState, HoldState, TokenState, Totals
from runtime.domain.tokens import Role
from runtime.governance.writer import Answer, Receipt
from runtime.ledger.proofs import ConsistencyProof, InclusionProof, PublishedCheckpoint
from runtime.local_cluster import join
from runtime.policy.pools import PoolView
from runtime.settings import Settings
from runtime.witness.publication import Publication


class Governed:
    """A ``Reader`` that asks the governor, and can also record."""

    source = "governor"

    @classmethod
    def connected(cls, settings: Settings) -> Governed:
        """The fleet at the settings' URL, else that of the cluster, which is joined. Raises ``NotReachable``."""
        if settings.url:
            from jobs.cli.distant import Distant

            return Distant.at(settings)
        with reaching():
            # Ray reads its environment when it is imported, and the actors import Ray.
            join(settings.home)

            from actors.connect import connect

            connect()
            return cls()

    def __init__(self) -> None:
        from actors.connect import governor
        from actors.quiescence import ask

        self._governor = governor()
        self._ask = ask

    def head(self) -> Head:
        summary = self._ask(self._governor.summary.remote)
        return Head(summary.size, summary.root, summary.ticks_until)

    def root(self, size: int) -> str:
        return self._ask(self._governor.root.remote, size)

    def totals(self) -> Totals:
        return self._ask(self._governor.totals.remote)

    def models(self) -> list[ModelState]:
        return self._ask(self._governor.models.remote)

    def model(self, name: str) -> ModelState:
        return self._ask(self._governor.model.remote, name)

    def findings(self) -> list[FindingState]:
        return self._ask(self._governor.findings.remote)

    def finding(self, name: str) -> FindingState | IncidentState:
        """Raises ``UnknownFinding``."""
        return self._ask(self._governor.finding.remote, name)

    def incidents(self) -> list[IncidentState]:
        return self._ask(self._governor.incidents.remote)

    def policies(self) -> list[PolicyState]:
        return self._ask(self._governor.policies.remote)

    def batch(self, batch: str) -> BatchState | None:
        return self._ask(self._governor.batch.remote, batch)

    def size(self) -> int:
        return self._ask(self._governor.size.remote)

    def entries(self, since: int, limit: int) -> list[Entry]:
        # The governor holds a question for entries that do not exist yet, in case they come.
        return self._ask(self._governor.entries.remote, since, limit) if since < self.size() else []

    def checkpoint(self) -> PublishedCheckpoint | None:
        return self._ask(self._governor.checkpoint.remote)

    def inclusion_proof(self, seq: int, size: int | None) -> InclusionProof:
        return self._ask(self._governor.inclusion_proof.remote, seq, size)

    def consistency_proof(self, old_size: int, size: int | None) -> ConsistencyProof:
        return self._ask(self._governor.consistency_proof.remote, old_size, size)

    def publication(self) -> Publication:
        return self._ask(self._governor.publication.remote)

    def vkey(self) -> str:
        return self._ask(self._governor.vkey.remote)

    def pools(self) -> list[PoolView]:
        return self._ask(self._governor.pools.remote)

    def specs(self) -> dict[str, Spec]:
        """Applied specs by name."""
        return self._ask(self._governor.specs.remote)

    def holds(self) -> list[HoldState]:
        """All legal holds by number, released or not."""
        return self._ask(self._governor.holds.remote)

    def erasures(self) -> list[ErasureState]:
        """All erasures of data subjects, done or only ordered."""
        return self._ask(self._governor.erasures.remote)

    def flush(self, pool: str) -> int:
        """Every replica of the pool seals what it captured; the ledger's size then."""
        return self._ask(self._governor.flush.remote, pool)

    def tokens(self) -> list[TokenState]:
        """All API keys, revoked or not."""
        return self._ask(self._governor.tokens.remote)

    def roles(self) -> dict[str, tuple[Role, ...]]:
        """Roles that were given, by principal."""
        return self._ask(self._governor.roles.remote)

    def record(self, draft: Draft) -> Receipt:
        """The receipt of one draft, once it is durable. Raises the governor's refusal."""
        from actors.credentials import credential_of

        credential = credential_of(draft.principal, Settings.from_environment())
        answers: list[Answer] = self._ask(self._governor.record.remote, [draft], credential)
        for answer in answers:
            if isinstance(answer, FleetwardError):
                raise answer
            return answer
        raise CommandFailed("the governor gave no answer")
