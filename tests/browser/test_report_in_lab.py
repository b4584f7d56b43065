"""The report as people see it: in JupyterLab, light and dark, trusted and not, and as a page."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect
from seeing import TEXT_CONTRAST, THEMES, contrast, is_drawn, shoot

import magics

DEMO = "demo_notebooks/03_dsc/fewer_macs_not_fewer_ms.ipynb"


def layers(page):
    """Return the first report's table of layers."""
    return page.locator(".convprofile").first.locator("table").last


def names(table):
    """Return the layers that can be seen, in order."""
    shown = table.locator("tbody th[scope=row]:visible").all_inner_texts()
    return [name.replace("\xa0", " ") for name in shown]


def column(table, head):
    """Return what stands in a column, from top to bottom, without the sums of modules."""
    heads = [text.split("\n")[0].strip() for text in table.locator("thead th").all_inner_texts()]
    rows = table.locator("tbody tr:not(.g):visible")
    cells = f"rows => rows.map(row => row.cells[{heads.index(head)}].innerText)"
    return rows.evaluate_all(cells)


def check_report(page):
    reports = page.locator(".convprofile")
    reports.nth(1).wait_for(state="attached")  # further ones, of other questions, may follow
    first = reports.first
    first.scroll_into_view_if_needed()
    # Lab lays out no cell that is far away, and one that has come near not at once.
    expect(layers(page).locator("thead th").first).to_contain_text("layer", use_inner_text=True)
    assert first.locator("table").count() == 2
    heads = layers(page).locator("thead th").all_inner_texts()
    assert [head.split("\n")[0].strip() for head in heads[:2]] == ["layer", "kind"]
    assert names(layers(page))[0] == "stem.0"
    assert names(layers(page))[-1] == "everything else"
    bars = first.locator("td[style*=linear-gradient]")
    assert bars.count() > 10
    assert "linear-gradient" in bars.first.evaluate("e => getComputedStyle(e).backgroundImage")
    pictures = first.locator("img")
    assert pictures.count() == 3
    for picture in pictures.all():
        assert is_drawn(picture)
        assert len(picture.get_attribute("alt")) > 40


def check_nothing_is_cut_off(page):
    """Every part of the report is within the window, or can be scrolled to."""
    wide = "e => e.scrollWidth > e.clientWidth + 1"
    report = page.locator(".convprofile").first
    assert not report.evaluate(wide)
    scrolled = layers(page).locator("xpath=..")
    assert scrolled.evaluate(wide)
    scrolled.evaluate("e => { e.scrollLeft = e.scrollWidth; }")
    last = layers(page).locator("thead th").last.bounding_box()
    assert last["x"] + last["width"] <= page.viewport_size["width"]
    scrolled.evaluate("e => { e.scrollLeft = 0; }")


@pytest.fixture(scope="module")
def demo(lab, browser):
    """The demo notebook in Lab, after all of its cells ran."""
    with lab.kernel_for(DEMO), lab.opened(browser, DEMO) as page:
        lab.run_all(page)
        yield page


@pytest.fixture(scope="module")
def stored(lab, demo):
    """The demo notebook as Lab saved it."""
    assert demo.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')") is None
    return nbformat.read(lab.folder / DEMO, as_version=4)


@pytest.fixture(scope="module")
def exported(stored, tmp_path_factory):
    """The demo notebook as a page that nbconvert made."""
    folder = tmp_path_factory.mktemp("page")
    nbformat.write(stored, folder / "demo.ipynb")
    subprocess.run(
        [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--log-level", "ERROR",
         str(folder / "demo.ipynb")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "demo.html"


def test_the_demo_runs_in_lab_and_its_reports_can_be_read_in_light_and_dark(lab, demo):
    for theme, dark in THEMES.items():
        lab.change_theme(demo, theme)
        check_report(demo)
        for selector in (".convprofile td", ".convprofile th", ".convprofile div"):
            ratio, behind = contrast(demo, selector)
            assert ratio > TEXT_CONTRAST
            assert (behind < 0.2) == dark
        shoot(demo, "dark" if dark else "light")
    lab.change_theme(demo, "JupyterLab Light")


def test_a_click_sorts_the_table_and_a_third_one_restores_it(demo):
    table = layers(demo)
    before = names(table)
    head = table.locator("thead th", has_text="share").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = [float(text.split()[0]) for text in column(table, "share") if text]
    assert values == sorted(values, reverse=True)
    assert sorted(names(table)) == sorted(before)
    expect(table.locator("caption")).to_contain_text("Layers, by share")
    shoot(demo, "sorted")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(text.split()[0]) for text in column(table, "share") if text]
    assert values == sorted(values)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert names(table) == before
    expect(table.locator("caption")).to_contain_text("Layers, in the order of their calls")


def test_empty_cells_come_last_whichever_way_the_table_is_sorted(demo):
    table = layers(demo)
    head = table.locator("thead th", has_text="MACs").first
    for _ in range(2):
        head.get_by_role("button").click()
        cells = column(table, "MACs")
        assert cells[0]
        assert cells == [*filter(None, cells), *[""] * cells.count("")]
    head.get_by_role("button").click()


def test_a_module_folds_by_the_keyboard_and_keeps_its_sums(demo):
    table = layers(demo)
    before = names(table)
    fold = table.get_by_role("button", name="stem")
    fold.focus()
    demo.keyboard.press("Enter")
    assert fold.get_attribute("aria-expanded") == "false"
    assert names(table) == [name for name in before if not name.startswith("stem.")]
    assert fold.is_visible()
    demo.keyboard.press("Space")
    assert fold.get_attribute("aria-expanded") == "true"
    assert names(table) == before
    table.get_by_role("button", name="Fold all").click()
    assert not [name for name in names(table) if name.startswith(("stem.", "blocks."))]
    shoot(demo, "folded")
    table.get_by_role("button", name="Unfold all").click()
    assert names(table) == before


def test_a_notebook_that_is_not_trusted_shows_the_same_report(lab, browser, stored):
    foreign = nbformat.from_dict(stored)
    foreign.cells.append(nbformat.v4.new_markdown_cell("Changed, so the signature is void."))
    (lab.folder / "untrusted.ipynb").write_text(json.dumps(foreign))
    trusted = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).trusted"
    with lab.opened(browser, "untrusted.ipynb") as page:
        check_report(page)
        assert not page.evaluate(trusted)
        assert layers(page).get_by_role("button").count() == 0
        ratio, _ = contrast(page, ".convprofile td")
        assert ratio > TEXT_CONTRAST
        shoot(page, "untrusted")


def test_the_page_of_the_demo_shows_the_reports_and_sorts_them(browser, exported):
    with closing(browser.new_page(viewport={"width": 1280, "height": 2400})) as page:
        page.goto(f"file://{exported}", wait_until="commit")
        check_report(page)
        layers(page).get_by_role("button", name="share").click()
        values = [float(text.split()[0]) for text in column(layers(page), "share") if text]
        assert values == sorted(values, reverse=True)
        layers(page).get_by_role("button", name="share").click()
        layers(page).get_by_role("button", name="share").click()
        shoot(page, "page")


def test_on_a_narrow_screen_the_table_scrolls_and_nothing_is_cut_off(browser, exported):
    with closing(browser.new_page(viewport={"width": 480, "height": 2400})) as page:
        page.goto(f"file://{exported}", wait_until="commit")
        check_report(page)
        check_nothing_is_cut_off(page)
        shoot(page, "narrow", height=2400)


def test_a_saved_page_follows_the_browser_into_the_dark_and_sorts(browser, tmp_path):
    saved = Path(__file__).parents[1] / "magics" / "saved_profile_1.json"
    magics.Profile.from_json(saved).to_html(tmp_path / "report.html")
    narrow = {"width": 480, "height": 1200}
    with closing(browser.new_page(viewport=narrow, color_scheme="dark")) as page:
        problems = []
        page.on("pageerror", lambda problem: problems.append(problem))  # noqa: PLW0108, playwright marks it
        page.goto(f"file://{tmp_path / 'report.html'}")
        ratio, _ = contrast(page, ".convprofile td")  # to black: a page has no colour of its own
        assert ratio > TEXT_CONTRAST
        check_nothing_is_cut_off(page)
        hint = layers(page).locator("caption span")
        expect(hint).to_contain_text("scroll sideways for all")
        expect(hint).to_be_visible()
        page.set_viewport_size({"width": 1920, "height": 1200})
        expect(hint).to_be_hidden()
        page.set_viewport_size(narrow)
        expect(hint).to_be_visible()
        layers(page).get_by_role("button", name="MACs").click()
        assert names(layers(page)) == ["head", "stem (call 2)", "stem", "everything else"]
        assert problems == []
