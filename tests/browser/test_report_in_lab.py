"""The report as people see it: in JupyterLab, light and dark, trusted and not, and as a page."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat

DEMO = "demo_notebooks/03_dsc/fewer_macs_not_fewer_ms.ipynb"
PICTURE_HEIGHT = 960
SHOTS = os.environ.get("SCREENSHOTS")  # a folder for the pictures; nowhere by default

READ = """element => {
    const style = getComputedStyle(element);
    let behind = element;
    const colour = () => getComputedStyle(behind).backgroundColor;
    while (behind.parentElement && colour() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    return [style.color, colour()];
}"""


def luminance(colour):
    """Return the relative luminance of 'rgb(r, g, b)', as WCAG 2.2 defines it."""
    channels = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(page, selector):
    text, behind = page.locator(selector).first.evaluate(READ)
    high, low = sorted((luminance(text), luminance(behind)), reverse=True)
    return (high + 0.05) / (low + 0.05), luminance(behind)


def shoot(page, name):
    """Take a picture of the beginning of the first report, if a folder for it is named."""
    if SHOTS:
        report = page.locator(".convprofile").first
        report.scroll_into_view_if_needed()
        box = report.bounding_box()
        page.screenshot(
            path=Path(SHOTS) / f"report-{name}.png",
            clip={**box, "height": min(PICTURE_HEIGHT, box["height"])},
        )


def check_report(page):
    reports = page.locator(".convprofile")
    reports.first.wait_for()
    assert reports.count() == 2
    first = reports.first
    assert first.locator("table").count() == 2
    heads = first.locator("table").last.locator("thead th").all_inner_texts()
    assert [head.split("\n")[0] for head in heads[:2]] == ["layer", "kind"]
    names = first.locator("table").last.locator("tbody th[scope=row]").all_inner_texts()
    assert names[0] == "stem.0"
    assert names[-1] == "everything\xa0else"
    bars = first.locator("td[style*=linear-gradient]")
    assert bars.count() > 10
    assert "linear-gradient" in bars.first.evaluate("e => getComputedStyle(e).backgroundImage")


def test_the_demo_runs_in_lab_and_its_reports_can_be_read_in_light_and_dark(lab, browser):
    with lab.kernel_for(DEMO), lab.opened(browser, DEMO) as page:
        assert lab.run_all(page)
        for theme, dark in (("JupyterLab Light", False), ("JupyterLab Dark", True)):
            lab.change_theme(page, theme)
            check_report(page)
            ratio, behind = contrast(page, ".convprofile td")
            assert ratio > 4.5  # what WCAG asks of text
            assert (behind < 0.2) == dark
            shoot(page, "dark" if dark else "light")


def test_a_notebook_that_is_not_trusted_shows_the_same_report(lab, browser):
    stored = nbformat.read(Path(__file__).parents[2] / DEMO, as_version=4)
    (lab.folder / "untrusted.ipynb").write_text(json.dumps(stored))
    trusted = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).trusted"
    with lab.opened(browser, "untrusted.ipynb") as page:
        check_report(page)
        assert not page.evaluate(trusted)
        shoot(page, "untrusted")


def test_the_page_of_the_demo_shows_the_reports(browser, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--log-level", "ERROR",
         "--output-dir", str(tmp_path), str(Path(__file__).parents[2] / DEMO)],
        check=True, capture_output=True,
    )  # fmt: skip
    with closing(browser.new_page(viewport={"width": 1280, "height": 2400})) as page:
        page.goto(f"file://{tmp_path / 'fewer_macs_not_fewer_ms.html'}", wait_until="commit")
        check_report(page)
        shoot(page, "page")
