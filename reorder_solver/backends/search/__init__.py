"""Iterated local search over flat arrays: the kernels behind the backend ``local_search``."""
