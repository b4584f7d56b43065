"""Make a static site of the demo notebooks: ``python make_site.py [--stored] [FOLDER]``.

Runs every notebook in a kernel of its own and writes a page of each, and an index, into FOLDER
(``build/site``). The notebooks themselves stay as they are. With ``--stored`` nothing runs: the
pages show the outputs that are stored in the files. No page loads anything from elsewhere;
formulas are written in Unicode, as the notebooks do, because typesetting TeX needs the network.
"""

import argparse
import base64
import copy
import re
import time
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html, strip_ansi

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "site_templates"
TIMEOUT_S = 300  # of a cell

TITLE = re.compile(r"\A# (.+)")
QUESTION = re.compile(r"\*\*The question\.\*\*\s+(.+?)(?:\n\n|\Z)", re.DOTALL)
LESSONS = re.compile(r"^## Take home\n+- (.+?)(?:\n- |\n\n|\Z)", re.DOTALL | re.MULTILINE)
READING = re.compile(r"\A\*(How to read it: .+?)\*(?:\n\n|\Z)", re.DOTALL)
LINK = re.compile(r"(\]\((?!\w+:)[^)\s]+)\.ipynb([)#])")  # to a notebook of the project
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
        code = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for cell in code:
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
            begun = sum(cell.execution_count is not None for cell in code)
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


def page_of(story, exporter, around):
    """Return a notebook's page; links between notebooks lead from page to page."""
    shown = copy.deepcopy(story.notebook)
    shown.metadata["title"] = story.title
    for cell, reading in zip(shown.cells, story.readings, strict=True):
        cell.metadata["reading"] = reading
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1.html\2", cell.source)
        elif cell.cell_type == "code":  # what was cleared, as a progress bar is, has no form left
            cell.outputs = [output for output in cell.outputs if output.get("data") != {}]
    html, _ = exporter.from_notebook_node(shown, {"site": {**around, "story": story}})
    return html


def write(stories, folder, made):
    """Write the pages, the pictures, the notebooks, the style sheet and the index."""
    exporter = HTMLExporter(template_file=str(TEMPLATES / "page.html.j2"))
    told = [story for story in stories if story.number]
    shared = [story for story in stories if not story.number]
    index = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template(
        "contents.html.j2"
    )
    texts = {
        "index.html": index.render(told=told, shared=shared, made=made),
        "site.css": style(exporter.environment),
    }
    for before, story, after in zip(
        [None, *stories[:-1]], stories, [*stories[1:], None], strict=True
    ):
        around = {"before": before, "after": after, "made": made}
        texts[story.page] = page_of(story, exporter, around)
        texts[story.file] = nbformat.writes(story.notebook)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for story in told:
        if story.picture:
            (folder / story.picture.file).write_bytes(story.picture.content)


def style(environment):
    """Return one sheet: JupyterLab's, its dark colours for who prefers them, the site's own."""
    lab, light, dark, site = (
        environment.loader.get_source(environment, name)[0]
        for name in (
            "static/index.css",
            "static/theme-light.css",
            "static/theme-dark.css",
            "site.css",
        )
    )
    return f"{lab}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{site}"


def main():
    """Make the site, or say in a line each which notebooks stopped, and make none."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0].partition(":")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parent / "build" / "site")
    parser.add_argument("--stored", action="store_true", help="run nothing; show stored outputs")
    given = parser.parse_args()
    stories = [Story(path) for path in sorted(HERE.glob("[!.]*/*.ipynb"))]
    wrong = []
    if not given.stored:
        for story in stories:
            start = time.perf_counter()
            problem = story.run()
            wrong += [problem] if problem else []
            took = f"{time.perf_counter() - start:5.1f} s"
            print(f"{took}  {story.file}{'  stopped' if problem else ''}", flush=True)
    if wrong:
        raise SystemExit("\n".join(wrong))
    made = "As stored in the project" if given.stored else f"Run on {date.today():%d %B %Y}"
    write(stories, given.folder, f"{made}; times are those of the machine that ran them.")
    print(f"site: {given.folder.resolve() / 'index.html'}")


if __name__ == "__main__":
    main()
