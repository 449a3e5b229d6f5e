"""Range strings: a set of channels as ``0-3,7,10-255``."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_CHANNELS

ChannelArray = npt.NDArray[np.int64]

_NUMBER = "(?:0|[1-9][0-9]*+)"
_ITEM = f"{_NUMBER}(?:-{_NUMBER})?+"
_LIST = re.compile(f"{_ITEM}(?:,{_ITEM})*+")
_ONE = re.compile(_ITEM)
_FORM = 'write channels like "0-3,7,10-255", without blanks'
# Channels are distinct, so a longer text cannot be right.
_MAX_LENGTH = MAX_CHANNELS * len(f"{MAX_CHANNELS},")
_MAX_DIGITS = len(str(MAX_CHANNELS))


def parse_ranges(text: str, width: int) -> ChannelArray:
    """Channels of a range string, in the order written.

    Parameters
    ----------
    text : str
        Comma-separated channels and inclusive ranges, in any order; empty for no channel.
    width : int
        Number of channels there are.

    Raises
    ------
    InputError
        If the text has another form, a range is reversed, a channel is outside
        ``0 .. width - 1``, or more than `width` are named. Memory is bounded by `width`;
        that no channel is named twice is left to :class:`reorder_solver.core.instance.Part`.
    """
    if len(text) > _MAX_LENGTH:
        raise InputError(f"names more channels than {MAX_CHANNELS} channels can be")
    if not text:
        return np.empty(0, dtype=np.int64)
    items = text.split(",")
    if not _LIST.fullmatch(text):
        wrong = next(item for item in items if not _ONE.fullmatch(item))
        raise InputError(f"{_cut(wrong)!r} is no channel or range; {_FORM}")
    channels: list[int] = []
    for item in items:
        first, dash, last = item.partition("-")
        if dash:
            start, end = _channel(first, width), _channel(last, width)
            if start > end:
                raise InputError(f"range {item} is reversed; {_FORM}")
            channels.extend(range(start, end + 1))
        else:
            channels.append(_channel(item, width))
        if len(channels) > width:
            raise InputError(f"names channels twice: more than the {width} there are")
    return np.array(channels, dtype=np.int64)


def format_ranges(channels: ChannelArray) -> str:
    """The shortest range string of ascending `channels`."""
    if channels.size == 0:
        return ""
    breaks = np.flatnonzero(np.diff(channels) != 1)
    starts = channels[np.concatenate(([0], breaks + 1))].tolist()
    ends = channels[np.concatenate((breaks, [channels.size - 1]))].tolist()
    pairs = zip(starts, ends, strict=True)
    return ",".join(f"{start}-{end}" if end > start else f"{start}" for start, end in pairs)


def _channel(digits: str, width: int) -> int:
    channel = int(digits) if len(digits) <= _MAX_DIGITS else width
    if channel >= width:
        raise InputError(f"channel {_cut(digits)} is outside 0..{width - 1}")
    return channel


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
