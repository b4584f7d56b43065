"""Demo notebooks as the site tells of them: heading, question, picture and lesson are read off."""

import base64
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters import markdown2html, strip_ansi

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 300  # of a cell

TITLE = re.compile(r"\A# (.+)")
QUESTION = re.compile(r"\*\*The question\.\*\*\s+(.+?)(?:\n\n|\Z)", re.DOTALL)
LESSONS = re.compile(r"^## Take home\n+- (.+?)(?:\n- |\n\n|\Z)", re.DOTALL | re.MULTILINE)
READING = re.compile(r"\A\*(How to read it: .+?)\*(?:\n\n|\Z)", re.DOTALL)
DRAWING = "data:image/svg+xml;base64,"


class Picture(NamedTuple):
    """The picture that stands for a notebook: its file in the site, its bytes, how to read it."""

    file: str
    content: bytes
    reading: str


class Story:
    """A notebook, run or as it is stored, and what the index says of it.

    Attributes:
        path: Where it is.
        notebook: What is in it.
        file: Its name in the project and in the site.
        page: Where its page is in the site.
        number: The number of its folder; empty for the library of shared definitions.
    """

    def __init__(self, path):
        self.path = path
        self.notebook = nbformat.read(path, as_version=4)
        self.file = path.relative_to(HERE).as_posix()
        self.page = self.file.removesuffix(".ipynb") + ".html"
        self.number = "".join(re.findall(r"\A\d+", path.parent.name))

    def run(self):
        """Run it in its folder, where its imports begin; return what went wrong, if anything."""
        for cell in self.code:
            cell.update(outputs=[], execution_count=None)
        where = {"metadata": {"path": str(self.path.parent)}}
        client = NotebookClient(
            self.notebook,
            timeout=TIMEOUT_S,
            resources=where,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # not a warning per kernel, of local sockets
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            begun = sum(cell.execution_count is not None for cell in self.code)
            reason = strip_ansi(str(error)).strip().splitlines()[-1]
            return f"{self.path}: In [{begun}]: {reason}"
        return None

    @cached_property
    def title(self):
        """Its heading, as text."""
        return self._said(TITLE, "a heading").replace("`", "")

    @cached_property
    def question(self):
        """The question that it asks, as HTML."""
        return _inline(self._said(QUESTION, "'**The question.**'"))

    @cached_property
    def lesson(self):
        """The first sentence of what to take home, as HTML."""
        first = self._said(LESSONS, "'## Take home' with a list")
        return _inline(re.split(r"(?<=[.!?])\s", first)[0])

    @cached_property
    def readings(self):
        """Per cell, how to read its picture, as the cell below it says; empty if it doesn't."""
        below = [READING.match(cell.source) for cell in self.notebook.cells[1:]]
        return [" ".join(found[1].split()) if found else "" for found in below] + [""]

    @cached_property
    def picture(self):
        """Its first picture, or else the first in a report, or nothing."""
        name = self.file.removesuffix(".ipynb")
        for cell, reading in zip(self.notebook.cells, self.readings, strict=True):
            for output in cell.get("outputs", []):
                if drawn := output.get("data", {}).get("image/png"):
                    return Picture(f"{name}.png", base64.b64decode(drawn), reading)
        for output in self.outputs:
            html = output.get("data", {}).get("text/html", "")
            if DRAWING in html:
                drawn = BeautifulSoup(html, "html.parser").find(
                    "img", src=re.compile(re.escape(DRAWING))
                )
                content = base64.b64decode(drawn["src"].removeprefix(DRAWING))
                return Picture(f"{name}.svg", content, drawn.get("alt", ""))
        return None

    @cached_property
    def printed(self):
        """The longest text that it prints, for want of a picture."""
        return max((output.get("text", "") for output in self.outputs), key=len, default="")

    @property
    def code(self):
        """Its code cells, in order."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def outputs(self):
        """All that its cells show, in order."""
        return [output for cell in self.notebook.cells for output in cell.get("outputs", [])]

    def _said(self, pattern, what):
        cells = (cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")
        found = pattern.search("\n\n".join(cells))
        if not found:
            raise SystemExit(f"{self.path}: no {what}, which the index needs; write it as in 01")
        return found[1]


def _inline(markdown):
    """Return a paragraph as HTML, its links as text: they count from the notebook's folder."""
    soup = BeautifulSoup(markdown2html(markdown), "html.parser")
    for link in soup("a"):
        link.unwrap()
    return Markup(soup.p.decode_contents())
