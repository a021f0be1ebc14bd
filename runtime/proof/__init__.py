"""What can be checked by somebody who trusts nobody here: bundles and passports, written and verified.

A bundle holds a whole ledger, a passport one decision and everything that made it right; both are files, checked with
public keys alone. This room imports types, hash rules and notes, and neither Ray nor a database, so that an auditor
runs it on a machine of their own. docs/verifying.md gives the formats to whoever would rather write another verifier.
"""
