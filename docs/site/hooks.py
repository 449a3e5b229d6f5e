"""What the site does beyond the pages: pages of the checkout that lie outside of ``docs``.

On GitHub a page links to ``../CHANGELOG.md``; the site has that page, too, but not above its top.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).resolve().parents[2]
#: Pages outside of docs that the site has as well.
_OUTSIDE = ("CHANGELOG.md", "bench_instances/README.md")
#: Roles in docstrings, which Markdown does not know, before the names that they mark.
_ROLE = re.compile(r":(?:func|meth|class|mod|attr|data|exc):(?=<code>)")
_LINK = re.compile(r"\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the checkout that lie outside of docs."""
    for name in _OUTSIDE:
        files.append(File.generated(config, name, content=(_ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that are right in the checkout into links that are right in the site."""
    name = page.file.src_uri
    source = _ROOT / name if name in _OUTSIDE else _ROOT / "docs" / name

    def rewritten(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        file = Path((source.parent / target).resolve())
        for base in (_ROOT / "docs", _ROOT):
            if file.is_relative_to(base):
                inside = file.relative_to(base).as_posix()
                if base != _ROOT or inside in _OUTSIDE:
                    up = "../" * name.count("/")
                    return f"]({up}{inside}{anchor})"
        return match[0]

    return _LINK.sub(rewritten, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Leave the names that docstrings mark with roles as plain code."""
    return _ROLE.sub("", html)
