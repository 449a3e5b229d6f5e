"""Files that must be refused: a deterministic corpus, for the readers and the command line.

Every case is a file name, its content, and a phrase that the one-line message must contain.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from bad_matrices import (
    cbm_texts,
    csv_texts,
    mtx_texts,
    orlib_texts,
    packed,
    texts_bad_everywhere,
)
from good_documents import INSTANCE, MISSING, RESULT, edited

if TYPE_CHECKING:
    from collections.abc import Iterator


class BadInput(NamedTuple):
    """A file that breaks a rule."""

    name: str
    data: bytes
    phrase: str


_PART = ("accesses", 0, "parts", 0)
_RANGES = (*_PART, "channels")
_CHANNELS = "accesses[0].parts[0].channels"


def bad_instances() -> Iterator[BadInput]:
    """Instance files that must be refused, with names that are all different."""
    yield from _numbered("json", ".json", _json_texts())
    yield from _numbered("edit", ".json", _edits(INSTANCE, _instance_edits()))
    yield from _numbered("range", ".json", _edits(INSTANCE, _range_edits()))
    yield from _numbered("csv", ".csv", csv_texts())
    yield from _numbered("mtx", ".mtx", mtx_texts())
    yield from _numbered("orlib", ".txt", orlib_texts())
    yield from _numbered("cbm", ".cbm", cbm_texts())
    for suffix in (".json", ".csv", ".mtx", ".txt", ".cbm"):
        yield from _numbered("any", suffix, texts_bad_everywhere())
        yield from _numbered("packed", f"{suffix}.gz", packed())
    yield from _unknown_formats()


def bad_results() -> Iterator[BadInput]:
    """Result files that must be refused."""
    yield from _numbered("result", ".json", _edits(RESULT, _result_edits()))
    yield BadInput("instance.json", json.dumps(INSTANCE).encode(), "must be 'channel-layout'")


def _numbered(stem: str, suffix: str, cases: Iterator[tuple[bytes, str]]) -> Iterator[BadInput]:
    for number, (data, phrase) in enumerate(cases):
        yield BadInput(f"{stem}{number:03d}{suffix}", data, phrase)


def _edits(
    document: dict[str, Any], edits: Iterator[tuple[tuple[str | int, ...], object, str]]
) -> Iterator[tuple[bytes, str]]:
    for path, value, phrase in edits:
        yield json.dumps(edited(document, path, value)).encode(), phrase


def _unknown_formats() -> Iterator[BadInput]:
    text = json.dumps(INSTANCE).encode()
    yield BadInput("good", text, "stands for no format")
    yield BadInput("good.jsn", text, ".json (json)")
    yield BadInput("good.gz", gzip.compress(text, mtime=0), "stands for no format")
    yield BadInput("good.json.bz2", text, "stands for no format")
    bomb = zlib.compressobj(1, wbits=31)
    packed = b"".join(bomb.compress(b" " * (1 << 20)) for _ in range(260))
    yield BadInput("bomb.json.gz", packed + bomb.flush(), "larger than the limit")


def _json_texts() -> Iterator[tuple[bytes, str]]:
    good = json.dumps(INSTANCE)

    def change(old: str, new: str) -> bytes:
        assert old in good
        return good.replace(old, new, 1).encode("utf-8", errors="surrogatepass")

    yield b"{", "line 1 column 2"
    yield b"null", "must be an object, got null"
    yield b"[]", "must be an object, got a list"
    yield b"3", "must be an object, got 3"
    yield b'"text"', "must be an object, got 'text'"
    yield b"{}", "field 'format' is missing"
    yield b"not json", "is not JSON"
    yield b"{'a': 1}", "is not JSON"
    yield b"// note\n{}", "is not JSON"
    yield good[:-1].encode(), "is not JSON"
    yield good[:100].encode(), "is not JSON"
    yield good.encode() + b"}", "text after the end"
    yield good.encode() + b"\n{}", "line 2 column 1: is not JSON: text after the end"
    yield good.encode() + b"\xff", "is not UTF-8"
    yield change('"good"', '"g\\ud800"'), "name: holds half a surrogate pair"
    yield change('"good"', '"\\uDC00g"'), "name: holds half a surrogate pair"
    yield change('{"seed": 1}', '{"\\ud83d": 1}'), "half a surrogate pair"
    yield change('{"seed": 1}', '{"a": ["\\ud83d"]}'), "meta.a[0]: holds half a surrogate pair"
    yield change('"good"', '"g\ud800"'), "is not UTF-8"
    yield change('"good"', '"g\x01"'), "is not JSON: invalid control character"
    yield change('"good"', '"g\n"'), "line 1"
    yield change('"good"', '"\\x41"'), "is not JSON"
    yield change('"good"', '"good", "name": "again"'), "field name is given twice"
    yield change('"bytes": 4', '"bytes": 4, "bytes": 4'), "accesses[0]: field bytes is given twice"
    yield change('{"seed": 1}', '{"a": {"b c": 1, "b c": 2}}'), "meta.a: field"
    yield change('"bytes": 4', '"bytes": NaN'), "accesses[0].bytes: NaN is no JSON number"
    yield change('"bytes": 4', '"bytes": Infinity'), "Infinity is no JSON number"
    yield change('"bytes": 4', '"bytes": -Infinity'), "-Infinity is no JSON number"
    yield change('{"seed": 1}', '{"seed": NaN}'), "meta.seed: NaN is no JSON number"
    yield change('{"seed": 1}', '{"seed": 1e999}'), "meta.seed: number is too large"
    yield change('"bytes": 4', '"bytes": 1e3'), "must be an integer, got 1000.0"
    yield change('"bytes": 4', '"bytes": 4.0'), "must be an integer, got 4.0"
    yield change('"bytes": 4', '"bytes": -0.0'), "must be an integer"
    yield change('"bytes": 4', '"bytes": 04'), "is not JSON"
    yield change('"bytes": 4', '"bytes": +4'), "is not JSON"
    yield change('"bytes": 4', '"bytes": 0x4'), "is not JSON"
    yield change('"bytes": 4', f'"bytes": {"9" * 1001}'), "more than 1000 digits"
    yield change('"bytes": 4', f'"bytes": {"9" * 5000}'), "more than 1000 digits"
    yield change('"bytes": 4', f'"bytes": {"9" * 200_000}'), "more than 1000 digits"
    yield change('"bytes": 4', f'"bytes": -{"9" * 999}'), "accesses[0].bytes: must be at least 0"
    yield change('"channels": 8', f'"channels": {"9" * 999}'), "must be at most 2097152"
    yield change('{"seed": 1}', '{"a":' * 40 + "1" + "}" * 40), "nested deeper than 32"
    yield b"[" * 200_000 + b"]" * 200_000, "nested deeper than 32"
    yield b'{"a":' * 100_000, "nested deeper than 32"
    yield b"[" * 9_000_000, "more than 8388608 values"
    yield b"[" + b"0," * 8_400_000 + b"0]", "more than 8388608 values"


def _instance_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    yield ("format",), MISSING, "field 'format' is missing"
    yield ("version",), MISSING, "field 'version' is missing"
    yield ("tensors",), MISSING, "field 'tensors' is missing"
    yield ("accesses",), MISSING, "field 'accesses' is missing"
    yield ("format",), "channel-layout", "format: must be 'channel-ordering'"
    yield ("format",), 1, "format: must be 'channel-ordering', got 1"
    yield ("version",), 2, "version: version 2 is not supported; known: 1"
    yield ("version",), 0, "version 0 is not supported"
    yield ("version",), "1", "version: must be an integer, got '1'"
    yield ("version",), 1.0, "version: must be an integer, got 1.0"
    yield ("version",), True, "version: must be an integer, got true"
    yield ("version",), -1, "version: must be at least 0"
    yield ("acesses",), [], "unknown field 'acesses'; did you mean 'accesses'?"
    yield ("Tensors",), [], "did you mean 'tensors'?"
    yield ("zzz",), 1, "unknown field 'zzz'; known: format, version"
    yield ("k" * 100_000,), 1, "unknown field 'kkk"
    yield ("a\nb",), 1, "unknown field 'a\\nb'"
    yield ("name",), None, "name: must be a string, got null"
    yield ("name",), 7, "name: must be a string, got 7"
    yield ("name",), "n" * 513, "name: must have at most 512 characters"
    yield ("name",), "two\nlines", "name: must have at most 512 characters, all printable"
    yield ("meta",), [], "meta: must be an object, got a list"
    yield ("meta",), None, "meta: must be an object, got null"
    yield ("tensors",), {}, "tensors: must be a list, got an object"
    yield ("tensors",), None, "tensors: must be a list, got null"
    yield ("tensors", 0), "x", "tensors[0]: must be an object, got 'x'"
    yield ("tensors", 0, "id"), MISSING, "tensors[0]: field 'id' is missing"
    yield ("tensors", 0, "channels"), MISSING, "tensors[0]: field 'channels' is missing"
    yield ("tensors", 0, "id"), "", "tensors[0].id: must not be empty"
    yield ("tensors", 0, "id"), 5, "tensors[0].id: must be a string, got 5"
    yield ("tensors", 0, "id"), "x\ny", "tensors[0].id"
    yield ("tensors", 0, "id"), "\u202e", "tensors[0].id"
    yield ("tensors", 0, "id"), "i" * 513, "tensors[0].id"
    yield ("tensors", 1, "id"), "x", "tensors[1].id: tensor id 'x' is used twice"
    yield ("tensors", 0, "channels"), 0, "tensors[0].channels: must be at least 1, got 0"
    yield ("tensors", 0, "channels"), -8, "must be at least 1, got -8"
    yield ("tensors", 0, "channels"), 8.5, "must be an integer, got 8.5"
    yield ("tensors", 0, "channels"), "8", "must be an integer, got '8'"
    yield ("tensors", 0, "channels"), True, "must be an integer, got true"
    yield ("tensors", 0, "channels"), None, "must be an integer, got null"
    yield ("tensors", 0, "channels"), [8], "must be an integer, got a list"
    yield ("tensors", 0, "channels"), 1 << 21 | 1, "must be at most 2097152, got 2097153"
    yield ("tensors", 0, "channels"), 10**12, "must be at most 2097152"
    yield ("tensors", 0, "fixed"), 1, "tensors[0].fixed: must be true or false, got 1"
    yield ("tensors", 0, "fixed"), "yes", "must be true or false, got 'yes'"
    yield ("tensors", 0, "Fixed"), True, "tensors[0]: unknown field 'Fixed'; did you mean 'fixed'?"
    yield ("tensors",), [{"id": str(i), "channels": 1 << 20} for i in range(9)], "channels over all"
    yield (
        ("tensors",),
        [{"id": str(i), "channels": 1} for i in range(1 << 17 | 1)],
        "past the limit",
    )
    yield from _access_edits()


def _access_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    yield ("accesses",), "a", "accesses: must be a list, got 'a'"
    yield ("accesses", 0), None, "accesses[0]: must be an object, got null"
    yield ("accesses", 0, "id"), MISSING, "accesses[0]: field 'id' is missing"
    yield ("accesses", 0, "parts"), MISSING, "accesses[0]: field 'parts' is missing"
    yield ("accesses", 1, "id"), "a", "accesses[1].id: access id 'a' is used twice"
    yield ("accesses", 0, "id"), "", "accesses[0].id: must not be empty"
    yield ("accesses", 0, "id"), "a\x1b[31m", "accesses[0].id"
    yield ("accesses", 0, "id"), None, "accesses[0].id: must be a string, got null"
    yield ("accesses", 0, "parts"), [], "accesses[0].parts: must list at least one part"
    yield ("accesses", 0, "parts"), {}, "accesses[0].parts: must be a list, got an object"
    yield _PART, 3, "accesses[0].parts[0]: must be an object, got 3"
    yield (*_PART, "tensor"), "z", "accesses[0].parts[0].tensor: unknown tensor 'z'"
    yield (*_PART, "tensor"), 0, "accesses[0].parts[0].tensor: must be a string, got 0"
    yield (*_PART, "tensor"), MISSING, "field 'tensor' is missing"
    yield _RANGES, MISSING, "accesses[0].parts[0]: field 'channels' is missing"
    yield (*_PART, "channel"), "0", "unknown field 'channel'"
    yield from _scalar_edits()


def _scalar_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    access = ("accesses", 0)
    yield (*access, "role"), "reads", "accesses[0].role: must be one of read, write, pass"
    yield (*access, "role"), None, "accesses[0].role: must be one of"
    yield (*access, "role"), "R" * 10_000, "accesses[0].role: must be one of"
    for key in ("bytes", "weight"):
        place = f"accesses[0].{key}"
        yield (*access, key), -1, f"{place}: must be at least 0, got -1"
        yield (*access, key), 1.5, f"{place}: must be an integer, got 1.5"
        yield (*access, key), "4", f"{place}: must be an integer, got '4'"
        yield (*access, key), True, f"{place}: must be an integer, got true"
        yield (*access, key), None, f"{place}: must be an integer, got null"
        yield (*access, key), {}, f"{place}: must be an integer, got an object"
    yield (*access, "required"), 0, "accesses[0].required: must be true or false, got 0"
    yield (*access, "required"), "true", "must be true or false, got 'true'"
    yield (*access, "wieght"), 1, "unknown field 'wieght'; did you mean 'weight'?"
    yield (*access, "prices"), None, "accesses[0].prices: must be an object, got null"
    yield (*access, "prices"), [1], "accesses[0].prices: must be an object, got a list"
    yield (*access, "prices"), {"gahter": [1, 2]}, "did you mean 'gather'?"
    yield (*access, "prices"), {"view": [0]}, "unknown field 'view'"
    yield (*access, "prices"), {"gather": [1]}, "prices.gather: must list 2 integers, got 1"
    yield (*access, "prices"), {"cat": [1, 2, 3, 4]}, "prices.cat: must list 3 integers, got 4"
    yield (*access, "prices"), {"cover": 95}, "prices.cover: must be a list, got 95"
    yield (*access, "prices"), {"split": [-4]}, "prices.split[0]: must be at least 0, got -4"
    yield (*access, "prices"), {"split": [4.5]}, "prices.split[0]: must be an integer, got 4.5"
    yield (*access, "prices"), {"split": [True]}, "prices.split[0]: must be an integer, got true"
    yield (*access, "prices"), {"gather": None}, "prices.gather: must be a list, got null"
    yield (*access, "prices"), {"gather": ["1", 2]}, "prices.gather[0]: must be an integer"


def _range_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    outside = f"{_CHANNELS}: channel 8 is outside 0..7"
    for text in ("8", "0-8", "0-3,8", "7,8"):
        yield _RANGES, text, outside
    yield _RANGES, "0-999999999999", f"{_CHANNELS}: channel 999999999999 is outside 0..7"
    yield _RANGES, "999999999999", "channel 999999999999 is outside 0..7"
    yield _RANGES, f"0-{'9' * 900}", "is outside 0..7"
    yield _RANGES, f"0-{'9' * 100_000}", "is outside 0..7"
    yield _RANGES, "3-1", f"{_CHANNELS}: range 3-1 is reversed"
    for text in ("0-3,2", "2,0-3", "1,1", "0-1,1-2", "0-3,0-3"):
        yield _RANGES, text, f"{_CHANNELS}: channel"
    yield _RANGES, ",".join(["0-7"] * 1000), f"{_CHANNELS}: names channels twice"
    forms = [
        " ",
        "0 ",
        " 0",
        "0, 1",
        "0 -1",
        "0- 1",
        ",",
        "0,",
        ",0",
        "0,,1",
        "-",
        "0-",
        "-0",
        "-1",
    ]
    forms += ["0-1-2", "0--1", "00", "01", "0-01", "+1", "1.5", "1e1", "a", "0-a", "0x1", "1_0"]
    forms += [
        "0:3",
        "0..3",
        "0;1",
        "all",
        "\u0661",
        "\u00b2",
        "\uff11",
        "0\u20131",
        "0\n",
        "\n",
        "0\t1",
    ]
    forms += ["x" * 100_000, "0-3,7\n"]
    for text in forms:
        yield _RANGES, text, f"{_CHANNELS}: "
    yield _RANGES, "1," * 10_000_000, "names more channels than 2097152"
    yield _RANGES, 5, f"{_CHANNELS}: must be a range string or a list of integers, got 5"
    yield _RANGES, None, "must be a range string or a list of integers, got null"
    yield _RANGES, {"from": 0}, "must be a range string or a list of integers, got an object"
    for value in (1.0, True, None, "1", [1]):
        yield _RANGES, [0, value], f"{_CHANNELS}[1]: must be an integer"
    yield _RANGES, [0, -1], f"{_CHANNELS}[1]: must be at least 0, got -1"
    yield _RANGES, [3, 8], f"{_CHANNELS}[1]: channel 8 is outside 0..7"
    yield _RANGES, [10**900], f"{_CHANNELS}[0]: channel 1000"
    yield _RANGES, [2, 5, 2], f"{_CHANNELS}: channel 2 is listed twice"


def _result_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    for key in ("objective", "status", "stop_reason", "cost", "lower_bound", "layout", "backend"):
        yield (key,), MISSING, f"field '{key}' is missing"
    yield ("format",), "channel-ordering", "format: must be 'channel-layout'"
    yield ("version",), 3, "version 3 is not supported"
    yield ("objective",), "speed", "objective: must be one of copies, bytes, runs, latency"
    yield ("status",), "OPTIMAL", "status: must be one of optimal, feasible"
    yield ("stop_reason",), None, "stop_reason: must be one of proven"
    yield ("cost",), 1.5, "cost: must be an integer, got 1.5"
    yield ("cost",), -1, "cost: must be at least 0"
    yield ("lower_bound",), "0", "lower_bound: must be an integer"
    yield ("tie_break",), None, "tie_break: must be an integer"
    yield ("backend",), "", "backend: must not be empty"
    yield ("seed",), True, "seed: must be an integer, got true"
    yield ("threads",), 0, "threads: must be at least 1"
    yield ("time_limit",), -1, "time_limit: must be a number from 0"
    yield ("time_limit",), "1s", "time_limit: must be a number, got '1s'"
    yield ("time_limit",), 10**400, "time_limit: must be a number from 0"
    yield ("times", "total"), [], "times.total: must be a number, got a list"
    yield ("times",), [], "times: must be an object, got a list"
    yield ("versions", "numpy"), 2, "versions.numpy: must be a string, got 2"
    yield ("instance",), "good", "instance: must be an object, got 'good'"
    yield ("instance", "sha256"), "abc", "instance.sha256: must be 64 hexadecimal digits"
    yield ("instance", "sha256"), "G" * 64, "instance.sha256: must be 64 hexadecimal digits"
    yield ("instance", "path"), "x", "instance: unknown field 'path'"
    yield ("layouts",), {}, "unknown field 'layouts'; did you mean 'layout'?"
    yield ("layout",), [], "layout: must be an object, got a list"
    yield ("layout", "y"), "0-3", "layout.y: must be a list, got '0-3'"
    yield ("layout", "y"), [0, 1, 2, 4], "layout.y[3]: channel 4 is outside 0..3"
    yield ("layout", "y"), [0, 1, 2, 10**900], "layout.y[3]: channel 1000"
    yield ("layout", "y"), [0, 1, 2, 2], "layout of tensor 'y'"
    yield ("layout", "y"), [0, 1, 2, -1], "layout.y[3]: must be at least 0, got -1"
    yield ("layout", "y"), [0, 1.0], "layout.y[1]: must be an integer, got 1.0"
    yield ("layout", "a b"), [None], 'layout["a b"][0]: must be an integer, got null'
    yield ("accesses",), [], "accesses: must be an object, got a list"
    yield ("accesses", "a", "mode"), "copy", "accesses.a.mode: must be one of view, gather"
    yield ("accesses", "a", "runs"), MISSING, "accesses.a: field 'runs' is missing"
    yield ("accesses", "a", "span"), -1, "accesses.a.span: must be at least 0"
    yield ("accesses", "a", "n"), 5, "accesses.a: unknown field 'n'"
    yield ("accesses", "a", "channels"), MISSING, "accesses.a: field 'channels' is missing"
    yield from _proof_edits()


def _proof_edits() -> Iterator[tuple[tuple[str | int, ...], object, str]]:
    parts: tuple[str | int, ...] = ("proof", "parts")
    yield ("proof",), None, "proof: must be an object, got null"
    yield ("proof",), {}, "proof: field 'parts' is missing"
    yield ("proof", "bound"), 3, "proof: unknown field 'bound'"
    yield parts, {}, "proof.parts: must be a list, got an object"
    yield (*parts, 0), 5, "proof.parts[0]: must be an object, got 5"
    yield (*parts, 0, "kind"), MISSING, "proof.parts[0]: field 'kind' is missing"
    yield (
        (*parts, 0, "kind"),
        "cost",
        "parts[0].kind: must be one of views, runs, junctions, constant",
    )
    yield (
        (*parts, 0, "kind"),
        ["views"],
        "parts[0].kind: must be one of views, runs, junctions, constant",
    )
    yield (*parts, 0, "kind"), "views", "proof.parts[0]: field 'constraints' is missing"
    yield (*parts, 0, "tree"), [], "proof.parts[0]: unknown field 'tree'"
    yield (*parts, 0, "bound"), -1, "parts[0].bound: must be at least 0, got -1"
    yield (*parts, 0, "bound"), 1.0, "parts[0].bound: must be an integer, got 1.0"
    yield (*parts, 0, "accesses"), "c", "parts[0].accesses: must be a list, got 'c'"
    yield (*parts, 0, "accesses", 0), 7, "parts[0].accesses[0]: must be a string, got 7"
    yield (*parts, 0, "accesses", 0), "", "parts[0].accesses[0]: must not be empty"
    one = (*parts, 1, "constraints", 0)
    place = "proof.parts[1].constraints[0]"
    yield one, [], f"{place}: must list 2 values, got 0"
    yield (*one, 0), [0, 1], f"{place}[0]: must be a range string, got a list"
    yield (*one, 0), "0-2", f"{place}[0]: channel 2 is outside 0..1"
    yield (*one, 0), "0,0", f"{place}[0]: names a member twice"
    yield (*one, 0), "1,0-1", f"{place}[0]: names channels twice"
    yield (*one, 1), 0, f"{place}[1]: must be at least 1, got 0"
    runs = (*parts, 2)
    yield (*runs, "tensors"), ["y"], "parts[2].nodes: must have a list for each of the 1 tensors"
    yield (*runs, "nodes", 0, 1), -3, "parts[2].nodes[0][1]: must be at least 0, got -3"
    yield (*runs, "nodes", 0, 1), True, "parts[2].nodes[0][1]: must be an integer, got true"
    tree = (*runs, "tree")
    place = "proof.parts[2].tree"
    yield tree, [], f"{place}: must not be empty"
    yield (*tree, 3), MISSING, f"{place}[0]: the tree ends before this entry has what it holds"
    yield tree, [{"split": [0, 1]}], f"{place}[0]: the tree ends before this entry"
    yield (*tree, 0), {}, f"{place}[0]: must have one of the fields leaf, sieve, split"
    yield (*tree, 0), {"merge": []}, f"{place}[0]: unknown field 'merge'"
    yield (*tree, 0, "split"), [0], f"{place}[0].split: must list 2 values, got 1"
    yield (*tree, 0, "split", 1), 4, f"{place}[0].split[1]: must be at most 3, got 4"
    yield (*tree, 1, "sieve", "exponent"), 257, "sieve.exponent: must be at most 256, got 257"
    yield (*tree, 1, "sieve", "nodes"), [0], "sieve.nodes: must list 4 integers, got 1"
    yield (*tree, 1, "sieve", "nodes", 2), 0.5, "sieve.nodes[2]: must be an integer, got 0.5"
    yield (*tree, 1, "sieve", "sets", 0, 0), "3", "sets[0][0]: channel 3 is outside 0..2"
    yield (*tree, 1, "sieve", "sets", 0, 1), None, "sets[0][1]: must be an integer, got null"
    leaf = {"leaf": {"exponent": 0, "nodes": [0, 0, 0, 0], "sets": []}}
    sieve = {"sieve": leaf["leaf"]}
    yield tree, [leaf, leaf], f"{place}: must be one tree"
    yield tree, [sieve] * 5000 + [leaf], "levels of the tree are past the limit of 4096"
