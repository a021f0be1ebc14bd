"""Folds the ledger and its segments into ticks, findings and the evidence of rollouts; no Ray."""
