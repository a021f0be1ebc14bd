"""What people can want changed, as a table. A new command is a new line: its path, its body, its event.

A ``{model}`` in the path lets its caller say which revision of the model it is for (``If-Match``).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from runtime.control import asked_of_fleet as fleet
from runtime.control import asked_of_models as models
from runtime.control.wanted import Command, Reason, of
from runtime.domain import events as e
from runtime.domain import tokens as t
from runtime.domain.alarms import MonitoringBudgetSet
from runtime.domain.base import Document
from runtime.domain.capacity import RetrainingBudgetSet
from runtime.domain.keeping import LegalHoldReleased
from runtime.domain.policies import PolicyApproved, PolicyRejected


class Because(Document):
    """A reason and nothing else."""

    reason: Reason


class Budget(Document):
    """False alarms in 30 days, in all models together."""

    false_alarms: float = Field(gt=0, le=1_000_000)
    reason: Reason


class OfRole(Document):
    """A role, and whose."""

    principal: t.Person
    role: t.GivenRole
    reason: Reason


_MODEL, _VERSION = "/v1/models/{model}", "/v1/models/{model}/versions/{version}"

COMMANDS: tuple[Command, ...] = (
    Command("/v1/specs", "apply", "Apply a spec", fleet.Applied, fleet.applied, fleet.applied_alike),
    Command(f"{_VERSION}/approve", "approve", "Consent to a version", models.Consent, models.consented),
    Command(f"{_VERSION}/reject", "reject", "Refuse a version, or its renewal", Because, models.rejected),
    Command(f"{_VERSION}/renew", "renew", "Let a version serve for longer", Because, of(e.RenewalAsked)),
    Command(f"{_VERSION}/revoke", "revoke", "Stop a version at once", Because, of(e.ApprovalRevoked)),
    Command(f"{_VERSION}/review", "review", "Say whether it is fit for its use", models.Judgement, of(e.ModelReviewed)),
    Command(
        f"{_VERSION}/break-glass",
        "break_glass",
        "In an emergency, begin to let a version serve without its approval",
        models.Emergency,
        models.glass_broken,
    ),
    Command(
        f"{_VERSION}/break-glass/sign", "sign_break_glass", "Agree to it as another", Because, of(e.BreakGlassSigned)
    ),
    Command(f"{_VERSION}/promote", "promote", "Make a version the champion now", Because, of(e.VersionPromoted)),
    Command(f"{_MODEL}/rollout/pause", "pause", "Hold a rollout", Because, models.of_rollout(e.RolloutPaused)),
    Command(f"{_MODEL}/rollout/resume", "go_on", "Let a rollout go on", Because, models.of_rollout(e.RolloutResumed)),
    Command(
        f"{_MODEL}/rollout/promote", "skip", "Skip a rollout's rest", Because, models.of_rollout(e.VersionPromoted)
    ),
    Command(f"{_MODEL}/rollout/abort", "abort", "End a rollout", Because, models.of_rollout(e.RolloutAborted)),
    Command(f"{_MODEL}/rollback", "rollback", "Go back to a former champion", models.Back, models.rolled_back),
    Command(f"{_MODEL}/suspend", "suspend", "Stop serving until it is resumed", Because, of(e.ModelSuspended)),
    Command(f"{_MODEL}/resume", "resume", "Serve a suspended model again", Because, of(e.ModelResumed)),
    Command(f"{_MODEL}/retire", "retire", "End a model, after a notice", models.Retirement, models.retired),
    Command(f"{_MODEL}/retire/cancel", "keep", "Not to end it after all", Because, of(e.RetirementCancelled)),
    Command(f"{_MODEL}/holds", "hold", "Put a legal hold on a model", Because, models.held),
    Command("/v1/holds/{hold}/release", "release", "Release a legal hold", Because, of(LegalHoldReleased)),
    Command("/v1/findings/{finding}/answer", "answer", "Answer a finding", models.Said, models.answered),
    Command("/v1/budget", "budget", "Set the budget of false alarms", Budget, of(MonitoringBudgetSet)),
    Command("/v1/capacity", "capacity", "Set how much may be retrained", fleet.Capacity, of(RetrainingBudgetSet)),
    Command("/v1/policies", "propose", "Propose a policy", fleet.Proposal, fleet.policy_proposed),
    Command("/v1/policies/{policy}/approve", "enforce", "Put it in force", Because, fleet.of_proposal(PolicyApproved)),
    Command("/v1/policies/{policy}/reject", "turn_down", "Turn it down", Because, fleet.of_proposal(PolicyRejected)),
    Command("/v1/pools/{pool}", "pool", "Set what a pool's replicas get", fleet.PoolChanges, fleet.pool_changed),
    Command("/v1/tokens", "create_token", "Make an API key", fleet.NewToken, fleet.token_created),
    Command("/v1/tokens/{token}/revoke", "revoke_token", "Make a key worth nothing", Because, of(t.TokenRevoked)),
    Command("/v1/roles/give", "give_role", "Give a person a role", OfRole, of(t.RoleGiven)),
    Command("/v1/roles/take", "take_role", "Take a role from a person", OfRole, of(t.RoleTaken)),
    Command(
        "/v1/commands",
        "record",
        "Record an event as it stands in the ledger",
        fleet.AnyEvent,
        fleet.any_event,
        fleet.event_alike,
    ),
)

PLACES: dict[str, Any] = {
    "model": Annotated[str, Field(max_length=200)],
    "version": Annotated[int, Field(ge=1, le=2**53)],
    "hold": Annotated[int, Field(ge=1, le=2**53)],
    "finding": Annotated[str, Field(max_length=200)],
    "policy": Annotated[str, Field(max_length=200)],
    "pool": Annotated[str, Field(max_length=200)],
    "token": Annotated[str, Field(max_length=200)],
}
"""What may stand in a command's path, by its name there."""
