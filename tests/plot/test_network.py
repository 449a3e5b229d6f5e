"""Where the boxes and lines of a network go."""

from __future__ import annotations

from reorder_solver.plot.network import BAND_LEVELS, Box, Line, Network, place
from reorder_solver.plot.network_figure import draw_network, network_picture, size_text


def network(count: int, lines: list[tuple[int, int]]) -> Network:
    """Layers of eight channels, everything read."""
    boxes = tuple(Box(f"layer{number}", "layer", 8, 8, pinned=False) for number in range(count))
    return Network("net", boxes, tuple(Line(one, other, 8, 8, "view") for one, other in lines))


def test_levels_follow_the_longest_path() -> None:
    """A box is right of everything it reads, and a long line passes the levels between."""
    placed = place(network(4, [(0, 1), (1, 2), (0, 3), (2, 3)]))
    assert placed.levels == [0, 1, 2, 3]
    assert [level for level, _ in placed.paths[2]] == [0, 1, 2, 3]


def test_nothing_lies_on_anything_else() -> None:
    """Boxes and passing lines of a level have different heights."""
    lines = [(0, number) for number in range(1, 5)] + [(number, 5) for number in range(1, 5)]
    placed = place(network(6, [*lines, (0, 5)]))
    spots = [*zip(placed.levels, placed.heights, strict=True), placed.paths[-1][1]]
    assert len(set(spots)) == len(spots)
    assert placed.paths[-1][1][0] == 1


def test_bands_are_cut_where_few_lines_cross() -> None:
    """Just before the block whose two branches the full band would cut apart."""
    end = BAND_LEVELS - 2
    chain = [(number, number + 1) for number in range(end)]
    block = [(end, end + 1), (end + 1, end + 2), (end + 2, end + 3), (end, end + 3)]
    placed = place(network(end + 5, [*chain, *block, (end + 3, end + 4)]))
    first = [level for level, band in enumerate(placed.bands) if band == 0]
    assert len(first) <= end + 1
    assert placed.bands[-1] == 1


def test_an_empty_network_is_drawn() -> None:
    """With its title only."""
    assert network_picture(Network("nothing", (), ()), "svg").count(b"nothing") >= 1


def test_copies_are_labelled() -> None:
    """With their bytes."""
    boxes = network(2, []).boxes
    drawn = draw_network(Network("net", boxes, (Line(0, 1, 4, 8, "gather", 12_345),)))
    assert any(text.get_text() == "12.3 kB" for text in drawn.axes[0].texts)


def test_sizes_have_units() -> None:
    """Three figures."""
    assert [size_text(each) for each in (999, 1_000, 50_176, 2_500_000)] == [
        "999 B",
        "1 kB",
        "50.2 kB",
        "2.5 MB",
    ]
