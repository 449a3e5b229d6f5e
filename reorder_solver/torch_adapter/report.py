"""Report: what an export does, access by access."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.prices import Mode, Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.layout import Layout
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.plan import Pin


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One access of the export.

    Attributes
    ----------
    id : str
    wanted, channels : int
        Channels read, and channels the model had there.
    runs : int
        Contiguous pieces they are in.
    mode : str
        ``view`` or ``gather``: how the export serves it.
    bytes : int
        Copied per sample.
    """

    id: str
    wanted: int
    channels: int
    runs: int
    mode: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an export does, as text (``str(report)``) and as a dictionary.

    Attributes
    ----------
    model, export : str
    accesses : tuple of AccessRow
    copied : dict of str to int
        Bytes copied per sample by the export (``this``) and by others of the same model
        (``naive``, ``upscale``), where known.
    channels, stored : int
        Channels of all tensors, and those still computed.
    pins : tuple of Pin
    notes : tuple of str
    error : float or None
        Largest relative error against the masked model, if it was checked.
    """

    model: str
    export: str
    accesses: tuple[AccessRow, ...]
    copied: dict[str, int]
    channels: int
    stored: int
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]
    error: float | None = None

    @property
    def copied_channels(self) -> int:
        """Channels that the export copies, over all accesses."""
        return sum(row.wanted for row in self.accesses if row.mode == Mode.GATHER.value)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {**asdict(self), "copied_channels": self.copied_channels}

    def __str__(self) -> str:
        views = sum(1 for row in self.accesses if row.mode == Mode.VIEW.value)
        copied = ", ".join(f"{name} {count}" for name, count in self.copied.items())
        lines = [
            f"{self.model}, export {self.export}: {views} of {len(self.accesses)} accesses are "
            f"views, {self.stored} of {self.channels} channels are computed",
            f"bytes copied per sample: {copied}",
        ]
        if self.error is not None:
            lines.append(f"largest relative error against the masked model: {self.error:.1e}")
        width = max((len(row.id) for row in self.accesses), default=6)
        lines.append(f"{'access':<{width}}  {'wanted':>6}  {'of':>6}  {'runs':>5}  mode    bytes")
        lines += [
            f"{row.id:<{width}}  {row.wanted:>6}  {row.channels:>6}  {row.runs:>5}  "
            f"{row.mode:<6}  {row.bytes}"
            for row in self.accesses
        ]
        lines += [f"pinned {pin.tensor}: {pin.reason}" for pin in self.pins]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def make_report(
    extraction: Extraction,
    export: str,
    layout: Layout,
    others: Mapping[str, int],
    error: float | None,
) -> Report:
    """Describe the export of `extraction` under `layout`."""
    instance = extraction.instance
    facts = evaluate(instance, layout, Objective.BYTES)
    sizes = {tensor.id: tensor.channels for tensor in instance.tensors}
    rows = tuple(
        AccessRow(
            id=access.id,
            wanted=facts.accesses[access.id].channels,
            channels=sum(sizes[part.tensor] for part in access.parts),
            runs=facts.accesses[access.id].runs,
            mode=(Mode.VIEW if facts.accesses[access.id].runs <= 1 else Mode.GATHER).value,
            bytes=facts.accesses[access.id].cost,
        )
        for access in instance.accesses
    )
    return Report(
        model=extraction.name,
        export=export,
        accesses=rows,
        copied={**others, "this": sum(row.bytes for row in rows)},
        channels=sum(sizes.values()),
        stored=extraction.plan.stored,
        pins=extraction.pins,
        notes=extraction.notes,
        error=error,
    )
