"""Fleetward's runtime: everything that thinks, stores, serves and watches, below the actors and jobs."""
