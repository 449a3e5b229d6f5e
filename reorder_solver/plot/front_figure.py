"""A front of importance over latency, as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reorder_solver.core.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def front_picture(
    groups: Mapping[str, Sequence[tuple[float, float]]],
    front: Sequence[tuple[float, float]],
    form: str,
) -> bytes:
    """Draw points by group and the front through the best of them.

    Parameters
    ----------
    groups : mapping of str to sequence of (float, float)
        Milliseconds and share of importance by method.
    front : sequence of (float, float)
    form : {"svg", "png", "pdf"}

    Raises
    ------
    MissingPackageError
        If matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingPackageError(
            "matplotlib is needed for pictures: pip install 'reorder-solver[plot]'"
        ) from None
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    if front:
        axes.step(*zip(*front, strict=True), where="post", color="0.6", label="front")
    for (name, pairs), marker in zip(groups.items(), "osD^v", strict=False):
        axes.plot(*zip(*pairs, strict=True), marker, label=name, markersize=4)
    axes.set(xlabel="predicted latency (ms)", ylabel="importance kept")
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format=form)
    return stream.getvalue()
