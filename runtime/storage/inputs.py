"""Inputs of decisions in the clear, for those who may read them: what was sealed is opened while its key lives."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from runtime.storage.segment_columns import OF_SUBJECT
from runtime.storage.subject_key import SubjectKey

KeyOf = Callable[[str], SubjectKey | None]
"""The key of a pseudonym (``Keyring.key_of``); None when it is destroyed."""


def opened(decisions: pa.Table, key_of: KeyOf) -> tuple[pa.Table, pa.Table]:
    """Rows with their inputs, and rows whose inputs are erased; both in their order, without columns of a subject.

    Raises ``SealedInputsDamaged``, and what ``key_of`` raises.
    """
    if OF_SUBJECT[0] not in decisions.column_names:
        return decisions, decisions.slice(0, 0)
    # Frames of one decision come together and share a key; a file is read once for a segment.
    keys = {pseudonym: key_of(pseudonym) for pseudonym in decisions["subject"].unique().to_pylist() if pseudonym}
    readable, erased, numbers, texts = [], [], [], []
    columns = ("subject", "sealed", "decision_id", "row", "numbers", "texts")
    rows = zip(*(decisions[name].to_pylist() for name in columns), strict=True)
    for place, (subject, sealed, decision_id, row, *inputs) in enumerate(rows):
        key = keys.get(subject)
        if subject and key is None:
            erased.append(place)
            continue
        own = tuple(inputs) if key is None else key.open(decision_id, row, sealed)
        readable.append(place)
        numbers.append(own[0])
        texts.append(own[1])
    bare = decisions.drop_columns(list(OF_SUBJECT))
    clear = bare.take(pa.array(readable, pa.int64()))
    for name, values in (("numbers", numbers), ("texts", texts)):
        place = clear.schema.get_field_index(name)
        clear = clear.set_column(place, clear.schema.field(name), pa.array(values, clear.schema.field(name).type))
    return clear, bare.take(pa.array(erased, pa.int64()))


def has_inputs(decisions: pa.Table) -> pa.ChunkedArray:
    """Which rows hold their inputs in the clear: a sealed one has none, and no model takes nothing."""
    lengths = pc.add(pc.list_value_length(decisions["numbers"]), pc.list_value_length(decisions["texts"]))
    return pc.greater(lengths, 0)
