"""The report of a model of seven hundred layers: folded, with scripts and without."""

from contextlib import closing

import pytest
from seeing import shoot

from magics.records import LayerProfile, Measurement, Profile


def seconds(*values):
    return Measurement(replicates_s=values)


def deep():
    """Return a profile of 20 blocks of 35 layers."""
    layers = tuple(
        LayerProfile(
            name=f"features.block{place // 35}.layer{place % 35 // 5}.{place % 5}",
            kind=("conv2d", "batch_norm", "max_pool2d")[place % 3],
            output_shape=(1, 64, 56, 56),
            kernel_size=(3, 3),
            params=place,
            macs=1000 * (place * 37 % 701),
            bytes_moved=4096,
            forward=seconds(1e-4 * (place * 53 % 701)),
        )
        for place in range(700)
    )
    whole = sum(layer.forward.median_s for layer in layers)
    return Profile(
        model="Deep",
        inputs="1x3x224x224 float32",
        layers=layers,
        other=LayerProfile(name="everything else", kind="other", forward=seconds(0.0)),
        params=sum(layer.params for layer in layers),
        plain=seconds(whole),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report as a page of its own."""
    path = tmp_path_factory.mktemp("deep") / "deep.html"
    deep().to_html(path)
    return f"file://{path}"


def names(rows):
    """Return the names in rows that can be seen."""
    return [
        text.replace("\xa0", " ")
        for text in rows.locator("th[scope=row]:visible").all_inner_texts()
    ]


def check_folded(page):
    """At first the parts are seen and no layer; a part unfolds to its layers."""
    parts = page.locator("table").nth(1)
    assert len(names(parts.locator("tbody tr"))) == 21
    folded = page.locator("details")
    assert folded.count() == 21
    assert names(folded.locator("tbody tr")) == []
    fifth = folded.nth(5)
    assert "features.block4: 35 layers" in fifth.locator("summary").inner_text()
    fifth.locator("summary").click()
    shown = names(fifth.locator("tbody tr"))
    assert shown == [f"features.block4.layer{place // 5}.{place % 5}" for place in range(35)]
    return fifth


def test_without_scripts_modules_fold_all_the_same(browser, report):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report)
        fifth = check_folded(page)
        assert fifth.get_by_role("button").count() == 0


def test_with_scripts_each_table_is_sorted_once_it_is_unfolded(browser, report):
    with closing(browser.new_page(viewport={"width": 1280, "height": 1600})) as page:
        problems = []
        page.on("pageerror", lambda problem: problems.append(problem))  # noqa: PLW0108, playwright marks it
        page.goto(report)
        fifth = check_folded(page)
        fifth.locator("thead th", has_text="forward").first.get_by_role("button").click()
        order = sorted(range(140, 175), key=lambda place: -(place * 53 % 701))
        assert names(fifth.locator("tbody tr")) == [deep().layers[place].name for place in order]
        most = page.locator("details").first
        most.locator("summary").click()
        assert len(names(most.locator("tbody tr"))) == 50
        most.locator("thead th", has_text="MACs").get_by_role("button").click()
        sorted_macs = most.locator("tbody tr:visible td:nth-child(5)").all_inner_texts()
        assert len(sorted_macs) == 50
        assert problems == []
        shoot(page, "deep")


def test_on_a_phone_every_table_scrolls_within_the_page(browser, report):
    with closing(browser.new_page(viewport={"width": 400, "height": 1600})) as page:
        page.goto(report)
        fifth = check_folded(page)
        wide = "e => e.scrollWidth > e.clientWidth + 1"
        assert not page.locator(".convprofile").evaluate(wide)
        assert fifth.get_by_role("region").evaluate(wide)
        shoot(page, "deep-narrow")
