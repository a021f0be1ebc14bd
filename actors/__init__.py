"""Long-lived actors and the Serve deployment: they hold state, call down, and decide nothing."""
