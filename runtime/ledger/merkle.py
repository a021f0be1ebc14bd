r"""The Merkle tree of RFC 9162, section 2.1, with SHA-256.

    leaf  = SHA-256(0x00 || entry)          node = SHA-256(0x01 || left || right)

A tree of n leaves splits at k, the largest power of two smaller than n: left the first k leaves, right the
rest. Seven leaves:

                 root
             ____/  \___
            /           \
          [0,4)         [4,7)
          /   \         /   \
      [0,2)  [2,4)  [4,6)   6
       / \    / \    / \
      0   1  2   3  4   5

The different prefixes keep a leaf from posing as a node. All functions take *leaf hashes*, 32 bytes each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (2.1.1)."""

HASH_BYTES = 32

_RUN = 256


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry's bytes (2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees of a growing tree, largest first: one for each one-bit of its size.

    Seven leaves are kept as [0,4), [4,6), 6. That is all that appending and the root need, so a million
    appends cost two million hashes and twenty hashes of memory.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self._size = 0

    @classmethod
    def of(cls, size: int, peaks: Iterable[bytes]) -> Frontier:
        """The frontier of a tree whose peaks are known. Raises ``ValueError`` on another number of them."""
        frontier = cls()
        frontier._peaks, frontier._size = list(peaks), size
        if len(frontier._peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(frontier._peaks)}")
        return frontier

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: it merges with as many subtrees as the size has trailing one-bits."""
        size = self._size
        self._size = size + 1
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            size >>= 1
        self._peaks.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add many leaf hashes: runs of them level by level, which saves a third of the time."""
        ahead = iter(leaves)
        while self._size % _RUN and (leaf := next(ahead, None)) is not None:
            self.append(leaf)
        while len(run := list(islice(ahead, _RUN))) == _RUN:
            self._append_run(run)
        for leaf in run:
            self.append(leaf)

    def _append_run(self, nodes: list[bytes]) -> None:
        """Add as many leaves as a run has, where the size is a multiple of that."""
        node = complete_root(nodes)
        size, self._size = self._size, self._size + _RUN
        while size & _RUN:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)

    def root(self) -> bytes:
        """The root over all leaves."""
        if not self._peaks:
            return EMPTY_ROOT
        result = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            result = node_hash(peak, result)
        return result

    def copy(self) -> Frontier:
        """An independent frontier of the same leaves, to try an append on."""
        twin = Frontier()
        twin._peaks, twin._size = self._peaks.copy(), self._size
        return twin


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes (2.1.1)."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def complete_root(nodes: Sequence[bytes]) -> bytes:
    """The root over the hashes of one level, a power of two of them. Raises ``ValueError`` on another number."""
    while len(nodes) > 1:
        pairs = iter(nodes)
        nodes = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    (node,) = nodes
    return node


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes that, with leaf ``index``, give the root: PATH of 2.1.3.1, nearest the leaf first.

    Raises ``IndexError`` unless 0 <= index < len(leaves).
    """
    return [root(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves [start, end) under each node of an inclusion proof, for whoever has the nodes' hashes already.

    Raises ``IndexError`` unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    ranges: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether ``leaf`` is leaf ``index`` of the tree of ``size`` with this root (2.1.3.2).

    The way up is known from index and size. While it does not touch the tree's right edge, the index's bits say on
    which side the sibling stands; on the edge there are only left ones, one for each one-bit that is left.
    """
    if not 0 <= index < size:
        return False
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        return False
    result = leaf
    for sibling in proof[:inner]:
        pair = sibling + result if index & 1 else result + sibling
        result = hashlib.sha256(b"\x01" + pair).digest()
        index >>= 1
    for sibling in proof[inner:]:
        result = node_hash(sibling, result)
    return result == expected_root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The nodes that show the tree of the first ``old_size`` leaves inside this one: PROOF of 2.1.4.1.

    Empty when the sizes are equal, or the old tree is (every tree extends it). Raises ``ValueError`` unless
    0 <= old_size <= len(leaves).
    """
    return [root(leaves[start:end]) for start, end in consistency_ranges(old_size, len(leaves))]


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """The leaves [start, end) under each node of a consistency proof.

    Raises ``ValueError`` unless 0 <= old_size <= size.
    """
    if not 0 <= old_size <= size:
        raise ValueError(f"a tree of {size} leaves never had {old_size}")
    if old_size == 0:
        return []
    ranges: list[tuple[int, int]] = []
    start, end, whole = 0, size, True
    while old_size != end:
        middle = start + split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:  # otherwise the verifier holds this hash already: it is the old root
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the tree (new_size, new_root) extends the tree (old_size, old_root) (2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (old_size > 0 or old_root == EMPTY_ROOT)
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # a power of two: the old root is itself a node of the new tree
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def split(size: int) -> int:
    """The largest power of two smaller than ``size``, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1
