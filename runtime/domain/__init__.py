"""Types, events and errors that every other room speaks in; imports nothing of Fleetward above it."""
