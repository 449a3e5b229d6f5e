"""TSPLIB: symmetric travelling salesman problems with explicit lengths, for other programs.

References
----------
G. Reinelt, "TSPLIB - a traveling salesman problem library", ORSA Journal on Computing 3 (1991)
376-384, DOI 10.1287/ijoc.3.4.376.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Programs read lengths into 32-bit integers, and add up a tour of them.
_LARGEST = 2**31 - 1
_PER_LINE = 20


def tsplib_text(name: str, comment: str, distances: npt.NDArray[np.int64]) -> bytes:
    """The file of a problem, its lengths as the lower triangle with the diagonal.

    Parameters
    ----------
    name, comment : str
        Anything that TSPLIB has no room for (line breaks, other than ASCII) is replaced.
    distances : ndarray of int64, (nodes, nodes)
        Symmetric and not negative.

    Raises
    ------
    InputError
        If there are fewer than three nodes, or the lengths are too large for common readers.
    """
    count = distances.shape[0]
    if count < 3:
        raise InputError(f"a tour through {count} nodes leaves nothing to choose")
    if int(distances.max()) * count > _LARGEST:
        raise InputError("a tour could be longer than the 32-bit integers that TSP codes use")
    lines = [
        f"NAME : {_field(name)}",
        "TYPE : TSP",
        f"COMMENT : {_field(comment)}",
        f"DIMENSION : {count}",
        "EDGE_WEIGHT_TYPE : EXPLICIT",
        "EDGE_WEIGHT_FORMAT : LOWER_DIAG_ROW",
        "EDGE_WEIGHT_SECTION",
    ]
    for node, row in enumerate(distances):
        numbers = [str(length) for length in row[: node + 1].tolist()]
        lines.extend(
            " ".join(numbers[start : start + _PER_LINE])
            for start in range(0, len(numbers), _PER_LINE)
        )
    return "\n".join([*lines, "EOF", ""]).encode("ascii")


def _field(text: str) -> str:
    """One line of printable ASCII, without what some readers take for the end of a keyword."""
    kept = "".join(c if " " < c <= "~" and c != ":" else "_" if c != " " else " " for c in text)
    return kept.strip()[:80] or "unnamed"
