"""The ledger: an append-only Merkle log of events, and the signatures that speak for it.

Read in this order: ``merkle`` (the tree of RFC 9162), ``log`` (append and read), ``verify`` (the
auditor's check, which shares nothing with ``log`` but the hash rules), ``group_commit`` (many callers,
one writer), ``signing`` (Ed25519 keys and grants), ``tiles`` (the tree as it is stored), ``proofs`` (out of
it), ``note`` and ``checkpoint`` (signed heads), ``publisher`` (who signs them, and when not). ``database`` is
what SQLite and PostgreSQL have in common.

A Merkle log proves that no entry was edited, dropped or reordered since a root that somebody else holds.
It does not prove that an entry was true when it was written.
"""
