"""Wire formats, one file each: pure functions from bytes to columns and back."""
