"""What Fleetward tells of itself: every metric by name, the counting behind them, and traces. Knows no Ray."""
