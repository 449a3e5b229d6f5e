"""Exceptions: every failure a caller can meet has a class here and a message of one line."""

from __future__ import annotations


def shown(value: object, length: int = 60) -> str:
    """`value` as an error message shows it: its ``repr`` on one line, cut to `length`."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:
        # Python refuses to print integers of thousands of digits.
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 3]}..."


class ReorderSolverError(Exception):
    """Base class of all exceptions raised on purpose by this package."""


class InputError(ReorderSolverError, ValueError):
    """Input that breaks a rule.

    Parameters
    ----------
    rule : str
        What is wrong, and what would be right.
    place : str, optional
        Where in the input (an access, a line, a key).
    source : str, optional
        The file or object the input came from.
    """

    def __init__(self, rule: str, *, place: str | None = None, source: str | None = None) -> None:
        self.rule = rule
        self.place = place
        self.source = source
        super().__init__(rule, place, source)

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.source, self.place, self.rule) if part)
        return " ".join(text.split())

    def located(self, source: str) -> InputError:
        """The same error, of the same class, naming the `source` it was found in."""
        return type(self)(self.rule, place=self.place, source=self.source or source)


class InstanceError(InputError):
    """An instance, tensor or access that breaks a rule of the problem."""


class LayoutError(InputError):
    """A layout that is no set of permutations, or does not belong to the instance."""


class UnsupportedError(ReorderSolverError):
    """A backend was asked for something it does not offer for this instance."""


class UnknownBackendError(ReorderSolverError, KeyError):
    """A backend name that is not registered."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingPackageError(ReorderSolverError, ImportError):
    """An optional package is not installed; the message says what to install."""


class BackendContractError(ReorderSolverError):
    """A backend returned something that its own claims or the problem contradict."""


class VerificationError(ReorderSolverError):
    """A result that does not survive an independent re-check."""
