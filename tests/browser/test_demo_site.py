"""The site of the demo notebooks as people see it: light, dark, and on a telephone."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMOS = Path(__file__).parents[2] / "demo_notebooks"

COLOURS = """() => {
    const style = getComputedStyle(document.body);
    return [style.color, style.backgroundColor].map(
        colour => colour.match(/\\d+/g).slice(0, 3).map(Number));
}"""
TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth > width ? document.documentElement.scrollWidth : 0;
}"""
NOT_DRAWN = "() => [...document.images].filter(image => !image.naturalWidth).length"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, DEMOS / "make_site.py", "--stored", folder], check=True)
    return folder


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
def test_every_page_is_readable_alone(site, browser, scheme, width):
    view = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = view.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        text, ground = page.evaluate(COLOURS)
        dark = scheme == "dark"
        assert max(ground) < 64 if dark else min(ground) > 192, path
        assert min(text) > 192 if dark else max(text) < 64, path
        assert page.evaluate(TOO_WIDE) == 0, path
        assert page.evaluate(NOT_DRAWN) == 0, path
    view.close()
    assert complaints == []
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_a_click_leads_through_all_notebooks_and_back(site, browser):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    links = page.locator("article a, main ul a").count()
    page.locator("article a").first.click()
    seen = 1
    while page.locator("header a[rel=next]").count():
        page.locator("header a[rel=next]").click()
        seen += 1
    assert seen == links
    page.get_by_role("link", name="All notebooks").first.click()
    assert page.url == (site / "index.html").as_uri()
    page.close()


def test_what_an_output_asks_of_the_theme_follows_the_reader(site, browser):
    page = browser.new_page(color_scheme="light")
    page.goto((site / "03_dsc" / "fewer_macs_not_fewer_ms.html").as_uri())
    told = "() => document.body.dataset.jpThemeLight"
    assert page.evaluate(told) == "true"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    filters = "() => getComputedStyle(document.querySelector('.convprofile img')).filter"
    assert page.evaluate(filters) == "brightness(1.4)"
    page.close()


def test_a_report_can_be_sorted_on_its_page(site, browser):
    page = browser.new_page()
    page.goto((site / "03_dsc" / "fewer_macs_not_fewer_ms.html").as_uri())
    head = page.locator(".convprofile").first.locator("th[aria-sort] button").first
    head.click()
    assert head.evaluate("e => e.closest('th').ariaSort") in ("ascending", "descending")
    page.close()
