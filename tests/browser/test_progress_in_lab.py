"""The progress bar in JupyterLab: shown while work goes on, and gone without a trace."""

import os

import nbformat
import pytest
from seeing import SHOTS, TEXT_CONTRAST, THEMES, contrast

NOTEBOOK = "slow.ipynb"
CELLS = """
import select
import torch

%load_ext magics

class Slow(torch.nn.Conv2d):
    calls = 0

    def forward(self, x):
        self.calls += 1  # the first ones take over a second; the others wait for the test
        select.select([gate], [], [], None if self.calls > 10 else 0.2)
        return super().forward(x)

net, gate = Slow(1, 1, 1), open("gate", "rb+", buffering=0)
---
%convprofile net 1x1x4x4 --budget 30 --no-roofline
""".strip().split("\n---\n")
LOOK = """() => {
    const bars = document.querySelectorAll(".jp-OutputArea progress");
    const middle = part => {
        const box = part.getBoundingClientRect();
        return box.top + box.height / 2;
    };
    return {
        count: bars.length,
        label: bars[0].getAttribute("aria-label"),
        value: bars[0].value,
        text: bars[0].parentElement.innerText,
        middles: [middle(bars[0]), middle(bars[0].nextElementSibling)],
    };
}"""


@pytest.fixture
def slow(lab, browser):
    """A notebook in Lab whose model waits until the gate is opened; and what opens it."""
    os.mkfifo(lab.folder / "gate")
    gate = os.open(lab.folder / "gate", os.O_RDWR)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbformat.write(made, lab.folder / NOTEBOOK)
    try:
        with lab.kernel_for(NOTEBOOK), lab.opened(browser, NOTEBOOK) as page:
            page.set_viewport_size({"width": 900, "height": 1200})
            try:
                yield page, lambda: os.write(gate, b"!")
            finally:
                os.write(gate, b"!")
    finally:
        os.close(gate)


def test_a_bar_shows_how_far_the_work_is_and_leaves_nothing_behind(lab, slow):
    page, open_gate = slow
    lab.begin_all(page)
    bar = page.locator(".jp-OutputArea progress")
    bar.wait_for()
    seen = page.evaluate(LOOK)  # at once, for the bar is drawn anew four times a second
    assert seen["count"] == 1
    assert seen["label"] == "convprofile"
    assert 0 < seen["value"] < 1
    assert "measuring times" in seen["text"]
    assert seen["middles"][0] == pytest.approx(seen["middles"][1], abs=2)
    for theme in THEMES:
        lab.change_theme(page, theme)
        ratio, _ = contrast(page, ".jp-OutputArea progress >> xpath=..")
        assert ratio > TEXT_CONTRAST
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/progress-{theme.split()[1].lower()}.png")
    lab.change_theme(page, "JupyterLab Light")
    open_gate()
    assert page.evaluate("() => window.ran")
    page.locator(".convprofile").wait_for()
    assert bar.count() == 0
    outputs = page.locator(".jp-OutputArea-child").all()
    heights = [output.bounding_box()["height"] for output in outputs]
    assert sum(height > 0 for height in heights) == 1
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/progress-gone.png")
