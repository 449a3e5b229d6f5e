"""A page opened in a real browser, and everything that it complained of or asked for."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
FOUND = next((path for name in BROWSERS if (path := shutil.which(name))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

#: The marks of tests that need one.
NEEDS_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(FOUND is None, reason=f"none of {', '.join(BROWSERS)} is on the path"),
]
#: Whether a canvas has pixels of a colour that the style sheet names.
HAS_COLOUR = """([part, name]) => {
    const canvas = document.querySelector(`[data-part="${part}"]`);
    const hex = getComputedStyle(canvas).getPropertyValue(name).trim();
    const wanted = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
        if (wanted.every((value, each) => Math.abs(data[at + each] - value) < 3)) {
            return true;
        }
    }
    return false;
}"""


class Watched:
    """A page, and everything that it complained of or asked for."""

    def __init__(self, browser, path, size, **settings):
        wide, high = SIZES[size]
        self.context = browser.new_context(viewport={"width": wide, "height": high}, **settings)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.complaints.append(f"error: {e}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"failed: {r.url[:90]}"))
        self.page.on("dialog", self.dialog)
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri())

    def dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def ready(self):
        self.page.wait_for_selector('#explorer-tool[aria-busy="false"]')
        return self.page

    def part(self, name):
        return self.page.locator(f'[data-part="{name}"]')

    def wait(self, condition, argument=None):
        self.page.wait_for_function(condition, arg=argument)
