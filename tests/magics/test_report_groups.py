"""Rows are grouped by module: every row once, in order, and sums that add up."""

from examples import layer, profile
from hypothesis import given
from hypothesis import strategies as st
from pages import Page, html_of

from magics.renderers.groups import grouped

parts = st.sampled_from(["a", "b", "0", "1", "stem", "conv2d()"])
names = st.lists(parts, max_size=4).map(".".join)


def sizes(rows):
    return [(group.sums.name if group.sums else "", len(group.rows)) for group in grouped(rows)]


@given(st.lists(names, max_size=60))
def test_every_row_stays_in_its_place(listed):
    rows = [layer(name, number) for number, name in enumerate(listed, 1)]
    found = grouped(rows)
    assert [row for group in found for row in group.rows] == rows
    for group in found:
        if group.sums:
            assert len(group.rows) > 1
            assert all(row.name.startswith(f"{group.sums.name}.") for row in group.rows)
            assert group.sums.macs == sum(row.macs for row in group.rows)


def test_layers_of_a_module_are_together_and_lone_ones_apart():
    listed = ["stem.conv", "stem.bn", "blocks.0.conv", "blocks.0.bn", "pool", "fc"]
    assert sizes([layer(name) for name in listed]) == [("stem", 2), ("blocks", 2), ("", 2)]


def test_a_module_of_many_layers_is_divided_by_those_inside():
    rows = [layer(f"blocks.{place}.{name}") for place in range(9) for name in ("conv", "bn", "act")]
    assert sizes(rows) == [(f"blocks.{place}", 3) for place in range(9)]


def test_rows_in_another_order_are_not_grouped():
    rows = [layer(f"{module}.{place}") for place in range(9) for module in "abc"]
    assert sizes(rows) == [("", 27)]


def test_the_report_shows_sums_of_modules_in_the_units_of_their_columns():
    made = profile([layer("stem.conv", 1), layer("stem.bn", 2), layer("head", 3)])
    page = Page(html_of(made))
    head, sums = page.tables[-1][0], page.sums[-1]
    assert [row[0] for row in sums] == ["stem"]
    place = next(place for place, text in enumerate(head) if text.startswith("forward"))
    assert head[place] == "forward[ms]"
    assert sums[0][place] == "6.000"  # 2 + 4 ms
    assert len(sums[0]) == len(head)
    scopes = [attrs for tag, attrs in page.tags if attrs.get("scope") == "rowgroup"]
    assert len(scopes) == 1
