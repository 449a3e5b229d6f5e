"""Zero-copy pruning, solved: from an instance to arrays, a search over orders of window borders.

The bounds and the exact programme are in :mod:`formulations`.
"""
