"""Sites of every operator, and the times that given prices make at them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.prices import AccessSite, Point, Sample, calibration

if TYPE_CHECKING:
    from reorder_solver.core.prices import PriceList

CONV = AccessSite("conv2d", (2, 16, 6, 6), 1, 8, 5, (3, 3), (2, 2), (1, 1), (1, 1))
SITES = {
    "conv1d": AccessSite("conv1d", (2, 16, 9), 1, 8, 5, (3,), (1,), (0,), (1,)),
    "conv2d": CONV,
    "conv2d last": replace(CONV, memory_format="channels_last"),
    "conv3d": AccessSite(
        "conv3d", (1, 8, 3, 3, 3), 1, 4, 5, *[(1, 1, 1)] * 2, (0, 0, 0), (1, 1, 1)
    ),
    "linear": AccessSite("linear", (3, 16), 1, 8, 5),
    "linear of three axes": AccessSite("linear", (3, 7, 16), 2, 8, 5),
    "linear of blocks": AccessSite("linear", (3, 16 * 9), 1, 8, 5, block=9),
    "copy": AccessSite("copy", (2, 16, 6, 6), 1, 8),
    "double": replace(CONV, dtype="float64"),
}


def shifted(values: PriceList, points: list[Point]) -> list[Sample]:
    """Samples that these prices explain without rest."""
    return [Sample(point, float(calibration.predicted(values, point))) for point in points]
