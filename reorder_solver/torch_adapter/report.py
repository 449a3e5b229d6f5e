"""Report: what an export does, access by access."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_solver.core.prices import Mode
from reorder_solver.formats.files import write_bytes

if TYPE_CHECKING:
    from reorder_solver.plot.network import Network
    from reorder_solver.torch_adapter.plan import Pin

#: Up to this many tensors that are pinned for one reason are named in text.
_NAMED_PINS = 4


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One access: what it was in the original order, and what the export makes of it.

    Attributes
    ----------
    id : str
    kind : str
        ``layer``: what a convolution or linear layer reads. ``concatenation``: one of the model.
        ``copy``: a copy that several readers share. ``step``: a place where channels may leave.
        ``sum``: one that an operand adds only some channels to.
        ``operator``: a choice of channels that any other operator takes.
    was : str or None
        In the original order, with channels chosen right before what reads them: ``view``,
        ``gather`` or ``cat`` (a concatenation). None for what only this export has.
    bytes_before : int
        Copied per sample in that case.
    mode : str
        ``view``, ``gather``, ``cat``, ``cover`` or ``split``; ``free`` (a slice where a copy would
        be needed, of the export ``oracle``); ``shared`` (a copy made for another reader, in the
        same order); ``copy``; ``leave`` or ``stay`` (channels do or do not leave); ``partial``
        (of a sum); ``removed``.
    place : str
        Where the choice is made, if not where the channels are read.
    wanted, channels : int
        Channels wanted, and channels the model had there.
    stored : int
        Channels that the export has stored there.
    runs : int
        Contiguous pieces of what is wanted; for a concatenation, the slices it is written from.
    bytes : int
        Copied per sample.
    macs_before, macs : int
        Multiply-adds per sample of the layer, with its whole weight and with the rows and columns
        that are left.
    """

    id: str
    kind: str
    was: str | None
    bytes_before: int
    mode: str
    place: str
    wanted: int
    channels: int
    stored: int
    runs: int
    bytes: int
    macs_before: int = 0
    macs: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a whole module.

    Attributes
    ----------
    selected : int
        Bytes copied per sample by choices of channels.
    concatenated : int
        Bytes written per sample by the model's own concatenations.
    macs : int
        Multiply-adds per sample of convolutions and linear layers.
    parameters : int
    """

    selected: int
    concatenated: int
    macs: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an export does, as text (``str(report)``), as a dictionary, and as a picture.

    Attributes
    ----------
    model, export : str
    accesses : tuple of AccessRow
        In order of execution, layers first.
    copied : dict of str to int
        What the instance counts as copied per sample: in this export (``this``) and in others of
        the same model (``naive``, ``upscale``), where known.
    before : Totals
        Copies of the naive export; multiply-adds and parameters of the model that was given.
    after : Totals
        Of this export.
    channels, stored : int
        Channels of all tensors, and those still computed.
    pins : tuple of Pin
    notes : tuple of str
    network : Network
        What a picture shows.
    error : float or None
        Largest relative error against the masked model, if it was checked.
    """

    model: str
    export: str
    accesses: tuple[AccessRow, ...]
    copied: dict[str, int]
    before: Totals
    after: Totals
    channels: int
    stored: int
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]
    network: Network
    error: float | None = None

    @property
    def copied_channels(self) -> int:
        """Channels that the export copies to choose them, over all accesses."""
        copies = (Mode.GATHER.value, Mode.CAT.value, "copy")
        return sum(
            row.wanted
            for row in self.accesses
            if row.mode in copies and row.kind != "concatenation"
        )

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Pinned tensors by reason."""
        found: dict[str, list[str]] = defaultdict(list)
        for pin in self.pins:
            found[pin.reason].append(pin.tensor)
        return dict(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {**asdict(self), "copied_channels": self.copied_channels}

    def draw(self, path: Path | str) -> None:
        """Write a picture of the network and its copies to a file (.svg, .png or .pdf).

        Raises
        ------
        InputError
            If the suffix is another one, or the file cannot be written.
        MissingPackageError
            If matplotlib is missing.
        """
        from reorder_solver.plot.network_figure import network_picture

        form = Path(path).suffix.removeprefix(".").lower()
        write_bytes(path, network_picture(self.network, form))

    def __str__(self) -> str:
        return "\n".join([*self.summary(), "", *self._table(), "", *self.remarks()])

    def summary(self) -> list[str]:
        """The totals, in words."""
        reads = [row for row in self.accesses if row.kind == "layer"]
        views = sum(1 for row in reads if row.mode == Mode.VIEW.value)
        copied = ", ".join(f"{name} {count:,}" for name, count in self.copied.items())
        lines = [
            f"{self.model}, export {self.export}: {views} of {len(reads)} layers read a view, "
            f"{self.stored:,} of {self.channels:,} channels are computed",
            f"bytes copied per sample, as the instance counts: {copied}",
        ]
        for what, old, new in (
            ("bytes copied to choose channels", self.before.selected, self.after.selected),
            ("bytes concatenated", self.before.concatenated, self.after.concatenated),
            ("multiply-adds", self.before.macs, self.after.macs),
            ("parameters", self.before.parameters, self.after.parameters),
        ):
            share = f" ({new / old:.1%})" if old else ""
            lines.append(f"{what}: {old:,} before, {new:,} after{share}")
        if self.error is not None:
            lines.append(f"largest relative error against the masked model: {self.error:.1e}")
        return lines

    def remarks(self) -> list[str]:
        """Pins, grouped by reason where there are many, and notes."""
        lines: list[str] = []
        for reason, tensors in self.reasons.items():
            if len(tensors) <= _NAMED_PINS:
                lines += [f"pinned {tensor}: {reason}" for tensor in tensors]
            else:
                named = ", ".join(tensors[:_NAMED_PINS])
                lines.append(
                    f"pinned {len(tensors)} tensors ({named} and {len(tensors) - _NAMED_PINS} "
                    f"more): {reason}"
                )
        return lines + [f"note: {note}" for note in self.notes]

    def _table(self) -> list[str]:
        titles = ("access", "was", "bytes", "became", "wanted", "stored", "of", "runs", "bytes")
        rows: list[tuple[str, ...]] = [(*titles, "MACs before", "after")]
        rows += [_cells(row) for row in self.accesses]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        return [
            "  ".join(
                cell.ljust(width) if place in _WORDS else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]


#: Columns of the text that are set to the left.
_WORDS = frozenset({0, 1, 3})


def _cells(row: AccessRow) -> tuple[str, ...]:
    numbers = (row.wanted, row.stored, row.channels, row.runs, row.bytes)
    macs = (f"{row.macs_before:,}", f"{row.macs:,}") if row.macs_before else ("-", "-")
    return (
        row.id,
        row.was or "-",
        f"{row.bytes_before:,}",
        became(row),
        *(f"{each:,}" for each in numbers),
        *macs,
    )


def became(row: AccessRow) -> str:
    """What an access became, in words: the mode, and where it takes place."""
    return f"{row.mode} ({row.place})" if row.place else row.mode
