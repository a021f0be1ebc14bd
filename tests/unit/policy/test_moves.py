"""A spec that asks for another pool is followed by grants there; a model that has moved loses those where it was."""

from runtime.domain import events as e
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.pools import dedicated
from runtime.policy.reactions import GOVERNOR, reactions
from tests.unit.domain.lives import (
    MODEL,
    History,
    a_spec,
    aborted,
    applied,
    approved,
    champion,
    evaluated,
    registered,
    rolled_back,
    servable,
    started,
)

OWN = dedicated(MODEL)
HERE, OWNED, FAST = a_spec(), a_spec(serving={"dedicated": True}), a_spec(serving={"pool": "fast"})
MOVED = e.ModelMoved(model=MODEL, pool=OWN, reason="")


def sign(grant: Grant) -> SignedGrant:
    return SignedGrant(grant=grant, key_id="k", signature="s")


def follow(history: History, event: e.Event) -> list[tuple[str, int, str]]:
    """Records the event and what follows from it: kind, version and pool of each grant."""
    entry = history.record(event, GOVERNOR)
    drafts = reactions(history.state, entry, sign)
    assert drafts == reactions(history.state, entry, sign), "the same cause has the same consequences and keys"
    told = []
    for draft in drafts:
        if isinstance(draft.event, e.GrantIssued):
            told.append(("issued", draft.event.version, draft.event.signed.grant.pool))
        elif isinstance(draft.event, e.GrantRevoked):
            grants = history.version(draft.event.version).grants
            (pool,) = [each.grant.pool for each in grants if each.grant.grant_id == draft.event.grant_id]
            told.append(("revoked", draft.event.version, pool))
        history.after(draft.event)
    return told


def pools(history: History, version: int = 1) -> list[str]:
    return [each.grant.pool for each in history.version(version).grants]


def test_champion_challenger_and_former_champion_are_granted_in_the_new_pool() -> None:
    history = History.of(*champion(), *champion(2), *servable(3), started(3))
    assert follow(history, applied(OWNED)) == [("issued", number, OWN) for number in (1, 2, 3)]
    assert pools(history, 3) == ["default", OWN]


def test_the_new_right_lasts_as_long_and_is_for_the_same_bytes() -> None:
    history = History.of(*champion())
    follow(history, applied(OWNED))
    old, new = (each.grant for each in history.version().grants)
    same = {"grant_id": "", "pool": "", "valid_from": old.valid_from}
    assert old.grant_id != new.grant_id
    assert old.model_copy(update=same) == new.model_copy(update=same)


def test_a_spec_that_changes_nothing_about_the_pool_grants_nothing() -> None:
    history = History.of(*champion())
    assert follow(history, applied(a_spec(capture={"policy": "strict"}))) == []
    assert follow(history, applied(OWNED)) != []
    assert follow(history, applied(OWNED)) == [], "the grants are there already"


def test_a_move_that_is_called_off_leaves_the_grants_as_they_were() -> None:
    history = History.of(*champion())
    follow(history, applied(OWNED))
    assert follow(history, applied(HERE)) == [("revoked", 1, OWN)]
    assert pools(history) == ["default"]


def test_a_move_may_change_its_end() -> None:
    history = History.of(*champion())
    follow(history, applied(OWNED))
    assert follow(history, applied(FAST)) == [("revoked", 1, OWN), ("issued", 1, "fast")]


def test_a_model_that_has_moved_is_granted_in_its_new_pool_alone() -> None:
    history = History.of(*champion())
    follow(history, applied(OWNED))
    assert follow(history, MOVED) == [("revoked", 1, "default")]
    assert (pools(history), history.model.pool) == ([OWN], OWN)


def test_a_model_that_moves_back_gets_grants_of_their_own() -> None:
    history = History.of(*champion())
    for event in (applied(OWNED), MOVED, applied(HERE), MOVED.model_copy(update={"pool": "default"}), applied(OWNED)):
        follow(history, event)
    issued = [entry.event for entry in history.entries if isinstance(entry.event, e.GrantIssued)]
    identities = [event.signed.grant.grant_id for event in issued]
    assert len(identities) == len(set(identities)) == 4


def test_a_version_that_is_approved_meanwhile_is_granted_in_both_pools() -> None:
    history = History.of(*champion())
    follow(history, applied(OWNED))
    history.after(registered(2), evaluated(2))
    assert follow(history, approved(2)) == [("issued", 2, "default"), ("issued", 2, OWN)]
    follow(history, MOVED)
    history.after(registered(3), evaluated(3))
    assert follow(history, approved(3)) == [("issued", 3, OWN)]


def test_the_first_version_is_granted_where_the_spec_says() -> None:
    history = History.of(registered(), evaluated(), spec=OWNED)
    assert follow(history, approved()) == [("issued", 1, OWN)]
    assert history.model.pool == OWN


def test_whatever_ends_a_version_ends_both_of_its_grants() -> None:
    history = History.of(*champion(), *servable(2), started(2))
    follow(history, applied(OWNED))
    assert follow(history, aborted(2)) == [("revoked", 2, "default"), ("revoked", 2, OWN)]
    history = History.of(*champion(), *champion(2))
    follow(history, applied(OWNED))
    assert follow(history, rolled_back(2)) == [("revoked", 2, "default"), ("revoked", 2, OWN)]
    retired = follow(history, e.ModelRetired(model=MODEL, reason=""))
    assert retired == [("revoked", 1, "default"), ("revoked", 1, OWN)]
    assert follow(history, applied(FAST)) == [], "it is retired"
