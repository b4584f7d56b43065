"""What a person would see of a report in a browser: contrast, pictures, what is cut off."""

import os
from pathlib import Path

PICTURE_HEIGHT = 1600
SHOTS = os.environ.get("SCREENSHOTS")  # a folder for the pictures; nowhere by default
TEXT_CONTRAST = 4.5  # what WCAG 2.2 asks of text
THEMES = {"JupyterLab Light": False, "JupyterLab Dark": True}
"""Themes of JupyterLab, and whether they are dark."""

_READ = """element => {
    if (!element.isConnected) return null;
    const style = getComputedStyle(element);
    let behind = element;
    const colour = () => getComputedStyle(behind).backgroundColor;
    while (behind.parentElement && colour() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    return [style.color, colour()];
}"""
_DRAWN = "image => image.complete && image.naturalWidth > 0 && image.width > 100"


def luminance(colour):
    """Return the relative luminance of 'rgb(r, g, b)', as WCAG 2.2 defines it."""
    channels = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(page, selector):
    """Return how well a text stands out, and the luminance behind it."""
    element = page.locator(selector).first
    read = (element.evaluate(_READ) for _ in range(20))  # a bar is drawn anew all the time
    text, behind = next(filter(None, read))
    high, low = sorted((luminance(text), luminance(behind)), reverse=True)
    return (high + 0.05) / (low + 0.05), luminance(behind)


def is_drawn(picture):
    """Return whether an image has been loaded and has a size."""
    picture.scroll_into_view_if_needed()
    return picture.evaluate(_DRAWN)


def shoot(page, name, place=0, height=PICTURE_HEIGHT):
    """Take a picture of the beginning of a report, if a folder for it is named."""
    if SHOTS:
        report = page.locator(".convprofile").nth(place)
        report.evaluate("e => e.scrollIntoView()")
        box = report.bounding_box()
        page.screenshot(
            path=Path(SHOTS) / f"report-{name}.png",
            clip={**box, "height": min(height, box["height"])},
        )
