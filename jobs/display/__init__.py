"""What a job shows while it works."""
