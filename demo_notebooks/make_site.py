"""Make a static site of the demo notebooks: ``python make_site.py [--stored] [FOLDER]``.

Runs every notebook in a kernel of its own and writes a page of each, an index, and a page of the
claims that README.md lists, into FOLDER (``build/site``). The notebooks themselves stay as they
are. With ``--stored`` nothing runs: the pages show the outputs that are stored in the files. No
page loads anything from elsewhere; formulas are written in Unicode, as the notebooks do, because
typesetting TeX needs the network.
"""

import argparse
import copy
import re
import time
from datetime import date
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from stories import HERE, Story

TEMPLATES = HERE / "site_templates"
LINK = re.compile(r"(\]\((?!\w+:)[^)\s]+)\.ipynb([)#])")  # to a notebook of the project
CELLS = re.compile(r"\]\(([^)]+\.ipynb)\) In (\d[\d, ]*\d|\d)")


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


def claims_of(stories):
    """Return what README.md says of the claims, as HTML; a cell's number leads to the cell."""
    text = (HERE / "README.md").read_text(encoding="utf-8").partition("## The claims")[2]
    cells = {story.file: story.code for story in stories}

    def linked(found):
        file, numbers = found.groups()
        places = [
            f"[{number}]({file}#cell-id={cells[file][int(number) - 1].id})"
            for number in re.findall(r"\d+", numbers)
        ]
        return f"]({file}) In {', '.join(places)}"

    return Markup(markdown2html(LINK.sub(r"\1.html\2", CELLS.sub(linked, f"# The claims{text}"))))


def write(stories, folder, made):
    """Write the pages, the pictures, the notebooks, the style sheet and the index."""
    exporter = HTMLExporter(template_file=str(TEMPLATES / "page.html.j2"))
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    told = [story for story in stories if story.number]
    shared = [story for story in stories if not story.number]
    index = templates.get_template("contents.html.j2").render(told=told, shared=shared, made=made)
    claims = templates.get_template("claims.html.j2").render(claims=claims_of(stories))
    texts = {"index.html": index, "claims.html": claims, "site.css": style(exporter.environment)}
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
