"""An independent checker for the proofs that results carry.

It works from the instance alone. Nothing is shared with presolve or the backends: what accesses
want and pay, which of them are equal, which can be views together and how far columns are apart
is worked out again from the definitions, in integers.
"""

from reorder_solver.proofs.check import check_proof

__all__ = ["check_proof"]
