"""The matplotlib picture: axes, bars, images, texts and bytes."""

from __future__ import annotations

import io
import struct
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

import reorder_solver as rs
from reorder_solver.plot import COLOURS, compare, draw, picture


def instance_of(channels, rows, **changes):
    """One tensor and an access per row."""
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", row)], **changes) for number, row in enumerate(rows)
    ]
    return rs.Instance("name", [rs.Tensor("x", channels)], accesses)


def scattered(channels, accesses, seed=0):
    """Random accesses to one tensor."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(rng.random(channels) < 0.5) for _ in range(accesses)]
    return instance_of(channels, rows)


@pytest.fixture
def small():
    """Two accesses that the layout of :func:`best` makes views."""
    return instance_of(4, [[0, 2], [1, 2, 3]])


@pytest.fixture
def best():
    """The layout for :func:`small`."""
    return rs.Layout({"x": [0, 2, 1, 3]})


def bars(axes):
    """Colour and extents of the bars of each row."""
    found = {}
    for collection in axes.collections:
        if (collection.get_gid() or "").startswith("runs-"):
            boxes = [path.get_extents() for path in collection.get_paths()]
            colour = to_hex(collection.get_facecolor()[0])
            found[collection.get_gid()] = (colour, [(box.x0, box.x1) for box in boxes])
    return found


def test_a_bar_per_run_in_the_colour_of_its_mode(small, best):
    """Before: gathers in pieces; after: one bar each, in the colour of views."""
    before, after = draw(small, best, "bytes").axes
    gather, view = COLOURS[rs.Mode.GATHER].lower(), COLOURS[rs.Mode.VIEW].lower()
    assert bars(before) == {
        "runs-0": (gather, [(0, 1), (2, 3)]),
        "runs-1": (view, [(1, 4)]),
    }
    assert bars(after) == {"runs-0": (view, [(0, 2)]), "runs-1": (view, [(1, 4)])}


def test_texts_name_everything(small, best):
    """Names, facts, costs and the title are on the picture."""
    figure = draw(small, best, "bytes", title="proven")
    before, after = figure.axes
    assert [label.get_text() for label in before.get_yticklabels()] == ["a0", "a1"]
    assert [text.get_text() for text in before.texts] == ["gather, 2 runs, 2", "view", "x"]
    assert [text.get_text() for text in after.texts] == ["view", "view"]
    assert before.get_title("left") == "before: cost 2   (4 channels, 2 accesses)"
    assert after.get_title("left") == "after: cost 0"
    assert figure.texts[0].get_text() == "name   bytes: 2 → 0\nproven"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["view (1 → 2)", "gather (1 → 0)", "not wanted"]


def test_a_pair_of_axes_per_panel_and_lines_between_parts():
    """Tensors and concatenations have axes of their own; parts are divided."""
    instance = rs.Instance(
        "concatenated",
        [rs.Tensor("x", 3), rs.Tensor("y", 2, fixed=True)],
        [
            rs.Access("a", [rs.Part("x", [0, 2])]),
            rs.Access("b", [rs.Part("x", [1]), rs.Part("y", [1])]),
        ],
    )
    axes = draw(instance, rs.Layout.identity(instance), "bytes").axes
    assert len(axes) == 4
    assert axes[2].texts[-1].get_text() == "x + y (fixed)"
    assert axes[2].get_title("left") == "before: cost 2   (5 channels, 1 access)"
    boundaries = [line.get_xdata()[0] for line in axes[2].lines if line.get_gid()]
    assert boundaries == [3]
    assert not axes[0].lines


def test_rows_have_one_height_in_all_panels():
    """A panel of one row is not stretched to the height of a panel of six."""
    accesses = [rs.Access(f"x{n}", [rs.Part("x", [n, n + 2])]) for n in range(6)]
    accesses.append(rs.Access("y", [rs.Part("y", [0, 2])]))
    accesses.append(rs.Access("y2", [rs.Part("y", [1])]))
    instance = rs.Instance("i", [rs.Tensor("x", 8), rs.Tensor("y", 3)], accesses)
    figure = draw(instance, rs.Layout.identity(instance), "bytes")
    heights = [axes.get_position().height / axes.get_ylim()[0] for axes in figure.axes]
    assert heights == pytest.approx([heights[0]] * 4)


def test_thousands_of_channels_become_an_image():
    """Wide panels are rasterised, at bounded size, and rows keep their gaps."""
    instance = scattered(5000, 4)
    axes = draw(instance, rs.Layout.identity(instance), "bytes").axes[0]
    assert not bars(axes)
    (image,) = axes.images
    pixels = image.get_array()
    assert pixels.shape[1] == 1000
    assert pixels.shape[0] % 4 == 0
    assert np.all(pixels[0] == 1.0)
    assert len(axes.get_yticklabels()) == len(axes.texts) - 1 == 4


def test_many_accesses_become_an_image_without_names():
    """Where names would not be legible there are none, but their number."""
    instance = scattered(60, 700)
    axes = draw(instance, rs.Layout.identity(instance), "bytes").axes[0]
    assert axes.images[0].get_array().shape[0] == 400
    assert axes.get_ylabel() == "700 accesses"
    assert list(axes.get_yticks()) == []


def test_image_shows_the_matrix():
    """A pixel has the mode's colour where the access wants the position."""
    rows = [np.flatnonzero(np.arange(900) % 7 == number % 7) for number in range(60)]
    rows.append(np.arange(900))
    instance = instance_of(900, rows)
    axes = draw(instance, rs.Layout.identity(instance), "bytes").axes[0]
    pixels = axes.images[0].get_array()
    drawn = compare(instance, rs.Layout.identity(instance), "bytes")[1][0][0].rows
    assert len(drawn) == pixels.shape[0] == 61
    for row, line in zip(drawn, pixels, strict=True):
        colour = mpl.colors.to_rgb(COLOURS[row.facts.mode])
        wanted = np.isclose(line, colour).all(axis=1)
        assert np.array_equal(np.flatnonzero(wanted), row.positions)


def test_names_are_no_formulas(best):
    """Dollar signs, braces and broken formulas are text."""
    odd = "$x_{1$ \\frac"
    instance = rs.Instance(odd, [rs.Tensor(odd, 3)], [rs.Access(odd, [rs.Part(odd, [0, 2])])])
    instance = instance.replace(accesses=(*instance.accesses, rs.Access("b", [rs.Part(odd, [1])])))
    figure = draw(instance, rs.Layout.identity(instance), "bytes")
    svg = ElementTree.fromstring(picture(figure, "svg"))
    texts = [each.text for each in svg.iter() if each.tag.endswith("text")]
    assert texts.count(odd) == 2
    assert any(text.startswith(f"{odd}   bytes") for text in texts)


def test_long_and_foreign_names_stay_inside():
    """Names are cut to fit, and no warning is given for letters a font lacks."""
    names = ["m" * 500, "层" * 40, "ok"]
    accesses = [
        rs.Access(name, [rs.Part("x", [number, number + 2])]) for number, name in enumerate(names)
    ]
    instance = rs.Instance("長い名前" * 60, [rs.Tensor("x", 5)], accesses)
    figure = draw(instance, rs.Layout.identity(instance), "bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture(figure, "png")
    renderer = FigureCanvasAgg(figure).get_renderer()
    with warnings.catch_warnings(action="ignore"):
        extents = [x.get_window_extent(renderer) for x in figure.axes[0].get_yticklabels()]
    assert min(extent.x0 for extent in extents) >= 0


def test_required_accesses_are_marked():
    """An access that must be a view says so, and is black where it is none."""
    instance = instance_of(3, [[0, 2], [1]], required=True)
    axes = draw(instance, rs.Layout.identity(instance), "bytes").axes[0]
    assert axes.get_yticklabels()[0].get_text() == "a0 !"
    assert axes.texts[0].get_text() == "must be a view: 2 runs"
    assert bars(axes)["runs-0"][0] == "#000000"


@pytest.mark.parametrize("mode", list(rs.Mode))
def test_every_mode_has_its_own_colour(mode):
    """No two modes look alike, in colour or in grey."""
    shades = {}
    for each, colour in COLOURS.items():
        red, green, blue = mpl.colors.to_rgb(colour)
        shades[each] = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    others = [COLOURS[each] for each in COLOURS if each is not mode]
    assert COLOURS[mode] not in others
    assert abs(shades[rs.Mode.VIEW] - shades[rs.Mode.GATHER]) > 0.01


def test_bytes_are_reproducible_and_valid(small, best):
    """The same picture gives the same file, in every format."""
    starts = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF"}
    for form, start in starts.items():
        first, second = (picture(draw(small, best), form) for _ in range(2))
        assert first.startswith(start)
        assert first == second
    png = picture(draw(small, best), "png", dpi=100)
    width, height = struct.unpack(">II", png[16:24])
    assert mpl.image.imread(io.BytesIO(png)).shape[:2] == (height, width)


def test_settings_of_the_user_do_not_matter(small, best):
    """Neither the user's style is used nor changed."""
    expected = picture(draw(small, best), "svg")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert picture(draw(small, best), "svg") == expected
        assert mpl.rcParams["font.size"] == 30


def test_nothing_to_draw_is_a_picture():
    """An instance without accesses gives an empty picture, not an error."""
    instance = rs.Instance("empty", [rs.Tensor("x", 3)], [])
    figure = draw(instance, rs.Layout.identity(instance), "bytes")
    assert not figure.axes
    assert picture(figure, "png").startswith(b"\x89PNG")


def test_unknown_picture_format_is_refused(small, best):
    """Only the documented formats are written."""
    with pytest.raises(rs.InputError, match="png, svg, pdf"):
        picture(draw(small, best), "bmp")


def test_missing_matplotlib_is_explained(small, best, monkeypatch):
    """Without matplotlib the error says what to install."""
    monkeypatch.setattr("reorder_solver.plot.figure.find_spec", lambda name: None)
    with pytest.raises(rs.MissingPackageError, match=r"reorder-solver\[plot\]"):
        draw(small, best)
