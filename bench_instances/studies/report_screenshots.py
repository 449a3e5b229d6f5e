"""Pictures of a report for the documentation: its top and its explorer, on a desk and on a phone.

Run: python bench_instances/studies/report_screenshots.py REPORT.html --output docs/images
Needs playwright, and Chromium or Chrome on the path.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP, PHONE = (1280, 900), (390, 844)
MOST_BYTES = 300_000


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures; 1 if one is too large for a repository."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("report", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    parser.add_argument("--instance", help="choose this one in the explorer")
    chosen = parser.parse_args(arguments)
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the path")
    if not chosen.report.is_file():
        sys.exit(f"{chosen.report}: no such file")
    chosen.output.mkdir(parents=True, exist_ok=True)
    return max(_size(path) for path in _take(chosen, browser))


def _size(path: Path) -> int:
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes{' (too large)' if size > MOST_BYTES else ''}")
    return int(size > MOST_BYTES)


def _take(chosen: argparse.Namespace, browser: str) -> list[Path]:
    from playwright.sync_api import sync_playwright

    taken: list[Path] = []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        for name, (wide, high) in (("desktop", DESKTOP), ("phone", PHONE)):
            page = opened.new_page(viewport={"width": wide, "height": high})
            page.goto(chosen.report.resolve().as_uri())
            taken += _pictures(page, chosen, name)
        opened.close()
    return taken


def _pictures(page: Any, chosen: argparse.Namespace, name: str) -> list[Path]:
    """The top, the charts and the explorer of an open page."""
    suffix = "" if name == "desktop" else f"-{name}"
    top = chosen.output / f"report-{name}.png"
    charts = chosen.output / f"report-charts{suffix}.png"
    explorer = chosen.output / f"report-explorer{suffix}.png"
    page.wait_for_selector('#explorer-tool[aria-busy="false"]')
    page.screenshot(path=top)
    page.evaluate("document.querySelector('.legend').scrollIntoView({behavior: 'instant'})")
    page.screenshot(path=charts)
    if chosen.instance:
        page.locator('[data-part="instance"]').select_option(label=chosen.instance)
        page.wait_for_selector('#explorer-tool[aria-busy="false"]')
    page.evaluate("document.querySelector('#explorer').scrollIntoView({behavior: 'instant'})")
    canvas = page.locator('[data-part="before"]').bounding_box()
    page.mouse.move(canvas["x"] + 0.55 * canvas["width"], canvas["y"] + 0.5 * canvas["height"])
    page.wait_for_timeout(200)
    page.screenshot(path=explorer)
    return [top, charts, explorer]


if __name__ == "__main__":
    sys.exit(main())
