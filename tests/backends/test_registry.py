"""Backends by name: built in, from entry points, unknown, or lacking a package."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import reorder_solver as rs
from reorder_solver.backends import (
    Answer,
    Backend,
    Task,
    backend_class,
    backend_names,
    make_backend,
)

registry = importlib.import_module("reorder_solver.backends.registry")


class Lazy(Backend):
    """A third-party backend: the original order."""

    name = "lazy"
    summary = "the original order"

    def solve(self, task: Task) -> Answer:
        """Return the original order."""
        return Answer(task.problem.identity())


class Unavailable(Lazy):
    """A backend whose package nobody has."""

    name = "unavailable"
    requires = ("no_such_package_anywhere",)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as another distribution would declare them."""
    found = EntryPoints(
        EntryPoint(name, f"{__name__}:{target}", registry.ENTRY_POINT_GROUP)
        for name, target in [
            ("lazy", "Lazy"),
            ("unavailable", "Unavailable"),
            ("nonsense", "pytest"),
            ("greedy", "Lazy"),
        ]
    )
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: found.select(**wanted))


def test_built_in_names() -> None:
    """Every backend that the documentation names is there, and says its own name."""
    names = {"auto", "exact", "exact-pulp", "greedy", "identity", "local_search", "subset-dp"}
    assert names | {"upscale"} <= set(backend_names())
    for name in backend_names():
        assert backend_class(name).name == name
        assert backend_class(name).summary


@pytest.mark.usefixtures("plugins")
def test_entry_points_add_backends() -> None:
    """A backend of another distribution is listed and solves by name."""
    assert "lazy" in backend_names()
    instance = rs.Instance("x", [rs.Tensor("x", 3)], [rs.Access("a", [rs.Part("x", [0, 2])])])
    assert rs.solve(instance, backend="lazy").backend == "lazy"


@pytest.mark.usefixtures("plugins")
def test_built_in_names_cannot_be_taken_over() -> None:
    """An entry point called like a built-in backend changes nothing."""
    assert backend_class("greedy").__module__ == "reorder_solver.backends.greedy"


@pytest.mark.usefixtures("plugins")
def test_missing_package_names_what_to_install() -> None:
    """The error is about the package, before anything ran."""
    with pytest.raises(rs.MissingPackageError, match="pip install no_such_package_anywhere"):
        make_backend("unavailable")


@pytest.mark.usefixtures("plugins")
def test_entry_point_that_is_no_backend() -> None:
    """Something else under the name is refused."""
    with pytest.raises(rs.BackendContractError, match="is no Backend class"):
        backend_class("nonsense")


def test_unknown_name_lists_the_known_ones() -> None:
    """A misspelt name gets the list."""
    with pytest.raises(rs.UnknownBackendError, match="known: auto, betweenness, branch-and-cut"):
        backend_class("exakt")
