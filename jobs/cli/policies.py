"""``fleetward policy``: what overrides specs is proposed by one person and approved by another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import recorded
from jobs.cli.failing import FailingGroup
from jobs.cli.options import Database, Format, Offline, Output, Past, Principal, Reason
from jobs.cli.reading import reading

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.policies import PolicyState, PolicyVersion
    from runtime.domain.spec import Spec

app = typer.Typer(
    cls=FailingGroup, no_args_is_help=True, help="Override what decides in specs, once a second person agrees."
)

_File = Annotated[
    Path, typer.Option("--file", "-f", metavar="POLICY.yaml", exists=True, dir_okay=False, help="The policy file.")
]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The policy's name.")]
_Backtest = Annotated[
    Path | None,
    typer.Option("--backtest", metavar="REPORT.json", exists=True, dir_okay=False, help="What backtest --json wrote."),
]


@app.command("propose")
def propose(file: _File, reason: Reason, backtest: _Backtest = None, as_: Principal = None) -> None:
    """Propose a policy. It changes nothing until another person approves it."""
    from runtime.domain.load import load_policy
    from runtime.domain.policies import PolicyProposed

    policy = load_policy(file)
    evidence = None if backtest is None else _kept(backtest, policy.digest)
    event = PolicyProposed(
        name=policy.name, digest=policy.digest, document=policy.as_document(), reason=reason, backtest=evidence
    )
    recorded(lambda _: event, as_)


@app.command("approve")
def approve(name: _Name, reason: Reason, as_: Principal = None) -> None:
    """Put a proposed policy in force. Who proposed it cannot."""
    from runtime.domain.policies import PolicyApproved

    recorded(lambda governed: PolicyApproved(name=name, digest=_waiting(governed, name), reason=reason), as_)


@app.command("reject")
def reject(name: _Name, reason: Reason, as_: Principal = None) -> None:
    """Turn a proposed policy down."""
    from runtime.domain.policies import PolicyRejected

    recorded(lambda governed: PolicyRejected(name=name, digest=_waiting(governed, name), reason=reason), as_)


@app.command("list")
def listed(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """List policies: which are in force, which wait, who said so."""
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        policies = reader.policies()
    documents = [_document(policy) for policy in policies]
    if output_ is Format.JSON:
        output.as_json(documents)
        return
    rows = [(each["name"], each["standing"], *_who(each), each["digest"][7:19]) for each in documents]
    output.table(("policy", "stands", "proposed by", "approved by", "digest"), rows)


@app.command("show")
def show(
    name: _Name,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show a policy: what is in force of it and what waits, word for word."""
    import yaml

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        document = _document(_policy(reader.policies(), name))
    if output_ is Format.JSON:
        output.as_json(document)
        return
    output.fields([("policy", name), ("stands", document["standing"]), ("former", len(document["former"]))])
    for part in ("in_force", "waiting"):
        said = document[part]
        if said is not None:
            rules = said.pop("document")
            output.fields((key.replace("_", " "), value) for key, value in said.items() if value is not None)
            output.lines(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True).splitlines())


@app.command("diff")
def diff(
    name: _Name,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Show what a policy changes in each spec it is for: the proposal if one waits, else what is in force."""
    with reading(offline=offline, database=database) as reader:
        policies, specs = reader.policies(), reader.specs()
    changes = _changes(policies, _policy(policies, name), specs)
    if output_ is Format.JSON:
        output.as_json(changes)
        return
    rows = [(each["spec"], each["place"], _plain(each["before"]), _plain(each["after"])) for each in changes]
    output.table(("spec", "what", "before", "under the policy"), rows, wrapped=("before", "under the policy"))


def _changes(policies: list[PolicyState], policy: PolicyState, specs: dict[str, Spec]) -> list[dict[str, Any]]:
    """By spec: under the other policies, and with this one over them."""
    from runtime.domain.policy_document import PolicyDocument, overridden, ruled

    said = policy.waiting or policy.in_force
    new = [] if said is None else [PolicyDocument.model_validate(said.document)]
    before = policy.in_force if policy.waiting is not None else None
    old = [] if before is None else [PolicyDocument.model_validate(before.document)]
    others = [
        PolicyDocument.model_validate(each.in_force.document)
        for each in policies
        if each.name != policy.name and each.in_force is not None
    ]
    return [
        {"spec": name, "place": place, "before": was, "after": becomes}
        for name, spec in sorted(specs.items())
        for place, was, becomes in overridden(ruled(spec, [*others, *old]), ruled(spec, [*others, *new]))
    ]


def _kept(path: Path, digest: str) -> str:
    """The digest by which a back-test's report is kept. Raises ``CommandFailed`` for another policy's."""
    import json

    from jobs.cli.failing import CommandFailed
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    content = path.read_bytes()
    try:
        tried = json.loads(content)["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"{path}: expected the report of a back-test, as fleetward backtest --json writes"
        ) from error
    if tried != digest:
        raise CommandFailed(f"{path}: it is of policy {tried}; proposed is {digest}")
    return ObjectStore.open(Settings.from_environment().store).put(content)


def _policy(policies: list[PolicyState], name: str) -> PolicyState:
    from runtime.domain.policies import UnknownPolicy

    found = next((each for each in policies if each.name == name), None)
    if found is None:
        known = ", ".join(sorted(each.name for each in policies)) or "none"
        raise UnknownPolicy(name, f"known policies: {known}")
    return found


def _waiting(governed: Governed, name: str) -> str:
    from runtime.domain.policies import UnknownPolicy

    waiting = _policy(governed.policies(), name).waiting
    if waiting is None:
        raise UnknownPolicy(name, "no proposal of it waits")
    return waiting.digest


def _document(policy: PolicyState) -> dict[str, Any]:
    said = policy.waiting or policy.in_force
    return {
        "name": policy.name,
        "standing": policy.standing,
        "digest": "" if said is None else said.digest,
        "in_force": _version(policy.in_force),
        "waiting": _version(policy.waiting),
        "former": list(policy.former),
    }


def _version(version: PolicyVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    from dataclasses import asdict

    document = asdict(version)
    for name in ("proposed_at", "approved_at"):
        document[name] = None if document[name] is None else document[name].isoformat()
    return document


def _who(document: dict[str, Any]) -> tuple[str, str]:
    said = document["waiting"] or document["in_force"] or {}
    return said.get("proposed_by") or "", (document["in_force"] or {}).get("approved_by") or ""


def _plain(value: Any) -> str:
    return "" if value is None else str(value)
