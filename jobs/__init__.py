"""Entry points: they read settings, wire, call and exit."""
