"""A sweep, advice and a comparison as people see them in JupyterLab, trusted and not."""

import json

import nbformat
import pytest
from seeing import TEXT_CONTRAST, THEMES, contrast, is_drawn, shoot

NOTEBOOK = "studies.ipynb"
CELLS = """
import torch
from torch import nn

%load_ext magics
torch.set_num_threads(1)
dense = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()).eval()
separable = nn.Sequential(
    nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU()
).eval()
---
%convprofile --sweep batch=1,2,4,8,16,32 dense 1x32x16x16 --budget 3
---
%convprofile --sweep batch=1,4,16 --sweep layout=nchw,nhwc dense 1x32x16x16 --budget 3
---
%convprofile --advise dense 4x32x16x16 --budget 3
---
%convprofile --compare dense separable 4x32x16x16 --budget 1
""".strip().split("\n---\n")  # fmt: skip
SWEEP, TWO_AXES, ADVICE, COMPARISON = range(4)
PICTURES = {SWEEP: 2, TWO_AXES: 2, COMPARISON: 1}


def check(page):
    """All reports are there, drawn, and none sticks out of the page."""
    reports = page.locator(".convprofile")
    reports.nth(COMPARISON).wait_for(state="attached")
    assert reports.count() == len(CELLS) - 1
    assert "swept over batch" in reports.nth(SWEEP).inner_text()
    for place, count in PICTURES.items():
        pictures = reports.nth(place).locator("img")
        assert pictures.count() == count
        for picture in pictures.all():
            assert is_drawn(picture)
    rows = reports.nth(SWEEP).locator("table").last.locator("tbody tr")
    assert rows.count() == 6
    matrix = reports.nth(TWO_AXES).locator("table").first
    assert matrix.locator("tbody tr").count() == 3
    for report in reports.all():
        assert not report.evaluate("e => e.scrollWidth > e.clientWidth + 1")


@pytest.fixture(scope="module")
def studies(lab, browser):
    """The notebook in Lab, after all of its cells ran."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbformat.write(made, lab.folder / NOTEBOOK)
    with lab.kernel_for(NOTEBOOK), lab.opened(browser, NOTEBOOK) as page:
        lab.run_all(page)
        yield page


def test_sweeps_advice_and_comparisons_can_be_read_in_light_and_dark(lab, studies):
    for theme, dark in THEMES.items():
        lab.change_theme(studies, theme)
        check(studies)
        for selector in (".convprofile td", ".convprofile th", ".convprofile li"):
            ratio, behind = contrast(studies, selector)
            assert ratio > TEXT_CONTRAST
            assert (behind < 0.2) == dark
        for name, place in (("sweep", SWEEP), ("sweep-two-axes", TWO_AXES), ("advice", ADVICE),
                            ("comparison", COMPARISON)):  # fmt: skip
            shoot(studies, f"{name}-{'dark' if dark else 'light'}", place)
    lab.change_theme(studies, "JupyterLab Light")


def test_points_of_a_sweep_are_sorted_and_folded_by_a_click(studies):
    table = studies.locator(".convprofile").nth(TWO_AXES).locator("table").last
    head = table.locator("thead th", has_text="per sample")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    heads = [text.split("\n")[0].strip() for text in table.locator("thead th").all_inner_texts()]
    place = [text.replace("\xa0", " ") for text in heads].index("per sample")
    cells = table.locator("tbody tr:not(.g):visible").evaluate_all(
        f"rows => rows.map(row => parseFloat(row.cells[{place}].innerText))"
    )
    assert len(cells) == 6
    assert cells == sorted(cells, reverse=True)
    head.get_by_role("button").click()
    head.get_by_role("button").click()
    table.get_by_role("button", name="Fold all").click()
    assert table.locator("tbody tr:not(.g):visible").count() == 0
    table.get_by_role("button", name="Unfold all").click()


def test_a_notebook_that_is_not_trusted_shows_them_too(lab, browser, studies):
    assert studies.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')") is None
    foreign = nbformat.read(lab.folder / NOTEBOOK, as_version=4)
    foreign.cells.append(nbformat.v4.new_markdown_cell("Changed, so the signature is void."))
    (lab.folder / "untrusted_studies.ipynb").write_text(json.dumps(foreign))
    with lab.opened(browser, "untrusted_studies.ipynb") as page:
        check(page)
        assert page.locator(".convprofile button").count() == 0
        shoot(page, "sweep-untrusted")
