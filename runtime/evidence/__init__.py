"""Evidence gathered from the ledger and the store, for others to check: bundles, passports, evidence packs.

What is gathered here is verified in ``runtime.proof``, which knows neither ledger nor store.
"""
