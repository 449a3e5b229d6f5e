"""Peers: solvers made by others, as backends to compare with.

They come in through the entry point group ``reorder_solver.backends``, as those of any other
distribution would, and use nothing but the public backend interface. Each runs in a process of
its own (:mod:`reorder_solver.peers.process`) that is ended at the deadline.
"""
