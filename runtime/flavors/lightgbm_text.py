"""LightGBM's text, looked through before LightGBM reads it: that ends the process on a text which was cut.

tree                      header: key=value lines, with tree_sizes=<bytes of each tree> and max_feature_idx
...
Tree=0                    num_leaves n, num_cat 0, and lists: n leaf values, n - 1 of everything about splits;
...                       a child is a later split, or -1 - leaf
end of trees
"""

from __future__ import annotations

from runtime.flavors.errors import ArtifactInvalid

_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")


def check_text(model: bytes) -> None:
    """Raises ``ArtifactInvalid`` if a tree is cut, points outside of itself or back, or reads a column too far."""
    if not model.startswith(b"tree\n"):
        raise ArtifactInvalid("its LightGBM file is no text of a booster")
    try:
        head, _, _ = model.partition(b"\nTree=0\n")
        header = _fields(head)
        sizes = [int(size) for size in header["tree_sizes"].split()]
        last = int(header["max_feature_idx"])
        at = len(head) + 1
        for number, size in enumerate(sizes):
            _check_tree(number, model[at : at + size], last)
            at += size
    except (KeyError, ValueError) as error:
        raise ArtifactInvalid(f"its LightGBM file cannot be read: {type(error).__name__}: {error}") from error
    if not sizes or min(sizes) <= 0 or not model[at:].startswith(b"end of trees\n"):
        raise ArtifactInvalid("its LightGBM file does not end where its trees do")


def _check_tree(number: int, block: bytes, last: int) -> None:
    fields = _fields(block)
    leaves = int(fields["num_leaves"])
    if fields["Tree"] != str(number) or leaves < 1 or fields["num_cat"] != "0":
        raise ArtifactInvalid(f"tree {number} of its LightGBM file is not one that Fleetward writes")
    splits = {name: fields.get(name, "").split() for name in _SPLITS}
    if len(fields["leaf_value"].split()) != leaves or any(len(each) != leaves - 1 for each in splits.values()):
        raise ArtifactInvalid(f"tree {number} of its LightGBM file has lists of the wrong length")
    for side in ("left_child", "right_child"):
        for at, child in enumerate(map(int, splits[side])):
            if not (at < child < leaves - 1 or -leaves <= child < 0):
                raise ArtifactInvalid(f"tree {number} of its LightGBM file points outside itself or back")
    if any(not 0 <= int(column) <= last for column in splits["split_feature"]):
        raise ArtifactInvalid(f"tree {number} of its LightGBM file reads a column that is not there")


def _fields(block: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in block.decode().splitlines())
    return {name: value for name, found, value in lines if found}
