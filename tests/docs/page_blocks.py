"""The code blocks of the pages, found by Sybil."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sybil import Document, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

#: What a block without a language may begin with to be a block of commands.
PROGRAMS = ("reorder-solver", "python", "pip", "pytest", "pre-commit", "mkdocs", "ruff", "mypy")
#: ``output`` is what the Python block before it prints.
LANGUAGES = {"python", "output", "sh", "console", "json", "toml", "yaml", "text"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, its first line, and the file that it is to be."""

    language: str
    text: str
    line: int
    file: str | None = None


@dataclass(frozen=True)
class Command:
    """One command of a shell block, and what the page says that it prints (or None)."""

    text: str
    expected: str | None = None


def pages() -> list[str]:
    """Every Markdown page of the repository, as paths from its top."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    found += sorted((ROOT / "docs").rglob("*.md"))
    found += sorted((ROOT / "bench_instances").rglob("*.md"))
    return [path.relative_to(ROOT).as_posix() for path in found]


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    lexer = RawFencedCodeBlockLexer(re.compile(r"[ \t]*(?P<language>[^\n]*)\n"))

    def every_block(document: Document) -> Iterator[Region]:
        for region in lexer(document):
            region.parsed = region.lexemes["source"]
            region.evaluator = lambda example: None
            yield region

    document = Document.parse(str(ROOT / page), every_block)
    found: list[Block] = []
    for example in document.examples():
        info, text = example.region.lexemes["language"].strip(), str(example.parsed)
        titled = re.fullmatch(r'(?P<language>\w+) title="(?P<file>[^"]+)"', info)
        name, file = (titled["language"], titled["file"]) if titled else (info, None)
        found.append(Block(_language(name, text), text, example.line, file))
    return found


def write_file(block: Block, folder: Path) -> None:
    """Save a block that has a file's name as title."""
    if block.file is not None:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def commands(block: Block) -> list[Command]:
    """The commands of a shell block."""
    if block.language == "sh":
        lines = block.text.replace("\\\n", " ").splitlines()
        return [Command(line) for line in lines if line.strip() and not line.startswith("#")]
    found: list[Command] = []
    for line in block.text.replace("\\\n", " ").splitlines(keepends=True):
        if line.startswith("$ "):
            found.append(Command(line.removeprefix("$ ").strip()))
        else:
            assert found, f"line {block.line}: a console block begins with '$ '"
            found[-1] = Command(found[-1].text, (found[-1].expected or "") + line)
    return found


def _language(name: str, text: str) -> str:
    if name:
        return name
    words = text.split(maxsplit=1)
    return "sh" if words and words[0] in PROGRAMS else "text"
