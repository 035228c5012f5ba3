"""The evidence of a run: the hash-chained journal, stored outputs and notebooks, and how they are read."""
