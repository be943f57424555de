"""Other tools beside ours, on the same data: what docs/comparison.md shows."""
