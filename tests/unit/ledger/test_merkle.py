"""The tree of RFC 9162: every size to 130 against an oracle that keeps all levels of the tree."""

import pytest

from runtime.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from tests.unit.ledger.trees import levels_of, oracle_consistency, oracle_path

LARGEST = 130
SIZES = range(1, LARGEST + 1)
LEAVES = [leaf_hash(str(number).encode()) for number in range(LARGEST)]

# The test vectors of RFC 6962's reference implementation (certificate-transparency, merkle_tree_test).
PUBLISHED_ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


ORACLE = {size: levels_of(LEAVES[:size]) for size in SIZES}
ROOTS = {size: ORACLE[size][-1][0] for size in SIZES}


def test_roots_are_the_published_ones() -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in PUBLISHED_ENTRIES]
    assert [root(leaves[: size + 1]).hex() for size in range(len(leaves))] == PUBLISHED_ROOTS


def test_the_empty_tree_has_the_hash_of_nothing_as_its_root() -> None:
    assert root([]) == Frontier().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_leaf_never_hashes_like_a_node() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


def test_a_frontier_has_the_root_of_every_size_it_grows_through() -> None:
    frontier = Frontier()
    for size in SIZES:
        frontier.append(LEAVES[size - 1])
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])


def test_a_copied_frontier_grows_on_its_own() -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:5])
    twin = frontier.copy()
    twin.append(LEAVES[5])
    assert (frontier.root(), twin.root()) == (ROOTS[5], ROOTS[6])


def test_every_inclusion_proof_is_the_oracles_and_verifies() -> None:
    for size in SIZES:
        for index in range(size):
            proof = inclusion_proof(LEAVES[:size], index)
            assert proof == oracle_path(ORACLE[size], 0, index)
            assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_consistency_proof_is_the_oracles_and_verifies() -> None:
    for size in SIZES:
        for old_size in range(1, size + 1):
            proof = consistency_proof(LEAVES[:size], old_size)
            assert proof == ([] if old_size == size else oracle_consistency(ORACLE[size], old_size))
            assert verify_consistency(old_size, size, proof, ROOTS[old_size], ROOTS[size])


def spoiled(proof: list[bytes]) -> list[list[bytes]]:
    """Each node changed, dropped and doubled, and one node too many at either end."""
    changed = [[*proof[:at], bytes([node[0] ^ 1]) + node[1:], *proof[at + 1 :]] for at, node in enumerate(proof)]
    dropped = [[*proof[:at], *proof[at + 1 :]] for at in range(len(proof))]
    doubled = [[*proof[:at], proof[at], *proof[at:]] for at in range(len(proof))]
    return [*changed, *dropped, *doubled, [*proof, LEAVES[0]], [LEAVES[0], *proof]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33, 64, 65, 130])
def test_an_inclusion_proof_with_any_node_tampered_with_fails(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(LEAVES[:size], index)
        for bad in spoiled(proof):
            assert not verify_inclusion(LEAVES[index], index, size, bad, ROOTS[size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33, 64, 65, 130])
def test_a_consistency_proof_with_any_node_tampered_with_fails(size: int) -> None:
    for old_size in range(1, size + 1):
        proof = consistency_proof(LEAVES[:size], old_size)
        for bad in spoiled(proof):
            assert not verify_consistency(old_size, size, bad, ROOTS[old_size], ROOTS[size])


def test_an_inclusion_proof_speaks_for_one_leaf_one_index_and_one_root() -> None:
    proof = inclusion_proof(LEAVES[:13], 5)
    assert not verify_inclusion(LEAVES[6], 5, 13, proof, ROOTS[13])
    assert not verify_inclusion(LEAVES[5], 5, 13, proof, ROOTS[12])
    for index in (-1, *(other for other in range(14) if other != 5)):
        assert not verify_inclusion(LEAVES[5], index, 13, proof, ROOTS[13])


def test_a_consistency_proof_speaks_for_two_roots() -> None:
    proof = consistency_proof(LEAVES[:13], 6)
    assert not verify_consistency(6, 13, proof, ROOTS[7], ROOTS[13])
    assert not verify_consistency(6, 13, proof, ROOTS[6], ROOTS[12])
    assert not verify_consistency(13, 6, proof, ROOTS[13], ROOTS[6])


def test_every_tree_extends_the_empty_one_without_a_proof() -> None:
    assert consistency_proof(LEAVES[:5], 0) == []
    assert verify_consistency(0, 5, [], EMPTY_ROOT, ROOTS[5])
    assert not verify_consistency(0, 5, [], ROOTS[1], ROOTS[5])
    assert not verify_consistency(0, 5, [LEAVES[0]], EMPTY_ROOT, ROOTS[5])


def test_a_tree_is_consistent_with_itself_only_under_the_same_root() -> None:
    assert verify_consistency(5, 5, [], ROOTS[5], ROOTS[5])
    assert not verify_consistency(5, 5, [], ROOTS[5], ROOTS[6])
    assert not verify_consistency(0, 0, [], ROOTS[5], ROOTS[5])


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_outside_the_tree_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError, match="in a tree of 3"):
        inclusion_proof(LEAVES[:3], index)


@pytest.mark.parametrize("old_size", [-1, 4])
def test_a_size_the_tree_never_had_has_no_proof(old_size: int) -> None:
    with pytest.raises(ValueError, match="never had"):
        consistency_proof(LEAVES[:3], old_size)
