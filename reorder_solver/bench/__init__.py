"""Benchmarks: what is run, what came of it, and where that is kept."""
