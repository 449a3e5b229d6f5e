"""What the pages show and the tests do not run as it stands there, each with its reason.

Whatever is named here is still checked: that the command exists and has the options it is given.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exception_:
    """Commands of a page that contain a text; `slow` ones run with ``pytest -m slow``."""

    page: str
    text: str
    reason: str
    slow: bool = False


#: Programs that a page may call but a test may not: a stand-in takes their place.
STAND_INS = {
    "pip": "changes the environment; tests/newcomer/run.py runs these lines in one of its own",
    "pytest": "would run itself",
    "pre-commit": "fetches hooks; works on a Git checkout",
    "mkdocs": "tests/docs/test_site.py builds the site",
    "ruff": "looks at the whole checkout, not at a page",
    "mypy": "looks at the whole checkout, not at a page",
}

EXCEPTIONS = (
    Exception_("bench_instances/README.md", "regenerate.py", "builds all instances", slow=True),
    Exception_("bench_instances/README.md", "generate residual", "a large instance", slow=True),
    Exception_("docs/zero-copy-networks.md", "reorder-solver pareto", "many exports", slow=True),
    Exception_("docs/zero-copy-pruning.md", "windows pareto", "a solve per point", slow=True),
    Exception_("bench_instances/README.md", "export_networks.py", "exports for many minutes"),
    Exception_("bench_instances/README.md", "best_known.py", "solves for many minutes"),
    Exception_("bench_instances/README.md", "reorder-solver train", "trains networks for minutes"),
    Exception_("bench_instances/README.md", "export_trained.py", "needs the trained networks"),
    Exception_("docs/peers.md", "reorder-solver bench", "solves for many minutes"),
    Exception_("docs/reproduce.md", "reorder-solver reproduce", "trains networks for hours"),
    Exception_("docs/peers.md", "apple_upscale.py", "needs a package under Apple's licence"),
    Exception_("README.md", "reorder-solver demo", "a whole network at full size", slow=True),
    Exception_(
        "docs/adding-a-backend.md",
        "--backend shuffle",
        "needs the package that the line before installs; tests/newcomer/run.py runs both",
    ),
    Exception_(
        "docs/benchmarking.md",
        "bench --jobs 2 --store bench.db",
        "the whole bundled benchmark; tests/bench runs small ones",
    ),
    Exception_("docs/export-latency.md", "export_latency.py", "times networks for many minutes"),
    Exception_("docs/export-latency.md", "export_profile.py", "times networks for many minutes"),
    Exception_("docs/measuring.md", "reorder-solver calibrate", "measures for minutes", slow=True),
)

#: Pages whose blocks are run by a test that also looks at what they leave behind.
OWN_TESTS = {
    "docs/exports.md": "tests/torch_adapter/test_exports_page.py",
    "docs/mask-sources.md": "tests/torch_adapter/test_mask_sources_page.py",
}


def exception_for(page: str, command: str) -> Exception_ | None:
    """The exception that a command falls under, if any."""
    for each in EXCEPTIONS:
        if each.page == page and each.text in command:
            return each
    return None
