"""Tells people and programs what the ledger records: webhooks, mail and chat, by whoever subscribed to it."""
