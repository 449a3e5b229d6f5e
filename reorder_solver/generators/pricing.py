"""Model prices: what the modes of an access could cost, where nothing was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reorder_solver.core.instance import Role
from reorder_solver.core.prices import PriceList

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance


def model_prices(size: int, role: Role) -> PriceList:
    """Plausible nanoseconds: a call costs about a microsecond, a copy 16 bytes a nanosecond.

    Parameters
    ----------
    size : int
        Bytes of a channel.
    role : Role
        Only a read can cover (work on 8 bytes of a channel it does not want takes a nanosecond)
        or be split.
    """
    copy = max(1, size // 16)
    if role is not Role.READ:
        return PriceList(gather=(1500, copy), cat=(900, copy, 150))
    return PriceList(
        gather=(1500, copy), cat=(900, copy, 150), cover=(max(1, size // 8),), split=(4000,)
    )


def with_model_prices(instance: Instance) -> Instance:
    """The instance with :func:`model_prices` for every access, in place of prices it has."""
    return instance.replace(
        accesses=tuple(
            replace(access, prices=model_prices(access.bytes, access.role))
            for access in instance.accesses
        )
    )
