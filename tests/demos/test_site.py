"""The site of the demo notebooks: a page of each, working links, nothing from elsewhere."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

DEMOS = Path(__file__).parents[2] / "demo_notebooks"
NOTEBOOKS = sorted(path.relative_to(DEMOS) for path in DEMOS.glob("*/*.ipynb"))
STORY = """# A small story

**The question.** What is one and one, see
[the library](../lib/other.ipynb)?

**A guess.** Three."""
CLAIMS = """# Demos

## The claims, and so on

| # | claim | shown in | verdict |
|---:|---|---|---|
| 1 | one and one is three | [01](01_sums/story.ipynb) In 1, 2 | false |
"""
LESSON = "## Take home\n\n- It is *two*. Not three.\n- Count."


class Page(HTMLParser):
    """What a page loads, where its links lead, which places in it can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.path, self.loaded, self.links, self.places, self.silent = path, [], [], set(), []
        self._text = {"style": "", "script": ""}
        self._inside = None
        self.feed(path.read_text(encoding="utf-8"))
        self.loaded += re.findall(r"url\(['\"]?([^'\")]+)", self._text["style"])
        self.loaded += re.findall(r"@import\s+['\"]([^'\"]+)", self._text["style"])
        self.loaded += re.findall(r"['\"`](https?://[^'\"`]+)", self._text["script"])

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self._inside = tag if tag in self._text else None
        self.places.add(known.get("id"))
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        elif known.get("href"):
            self.loaded.append(known["href"])
        for name in ("src", "srcset", "data", "poster", "action", "formaction"):
            if known.get(name):
                self.loaded.append(known[name])
        self.loaded += re.findall(r"url\(['\"]?([^'\")]+)", known.get("style") or "")
        if tag == "img":
            self.silent.append(not known.get("alt") or known["alt"].startswith("No description"))

    def handle_endtag(self, tag):  # noqa: ARG002, part of HTMLParser's protocol
        self._inside = None

    def handle_data(self, data):
        if self._inside:
            self._text[self._inside] += data


def make(*arguments, script=DEMOS / "make_site.py"):
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = make("--stored", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {path.relative_to(folder): Page(path) for path in folder.rglob("*.html")}


def test_every_notebook_has_a_page_and_the_index_leads_to_it(site):
    pages = {path.with_suffix(".html") for path in NOTEBOOKS}
    assert set(site) == {*pages, Path("index.html"), Path("claims.html")}
    assert {Path(link) for link in site[Path("index.html")].links} == {*pages, Path("claims.html")}


def test_every_link_within_the_site_leads_to_a_file_and_a_place_in_it(site):
    checked = 0
    pages = {page.path.resolve(): page for page in site.values()}
    for page in site.values():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme:
                assert target.scheme == "https", f"{page.path}: {link}"
                continue
            file = (page.path.parent / unquote(target.path)).resolve() if target.path else page.path
            assert file.is_file(), f"{page.path}: {link}"
            if target.fragment and file.suffix == ".html":
                places = pages[file.resolve()].places  # a browser looks for the text itself first
                assert {target.fragment, unquote(target.fragment)} & places, f"{page.path}: {link}"
            checked += 1
    assert checked > 4 * len(NOTEBOOKS)


def test_a_page_leads_to_the_index_to_its_neighbours_and_to_the_notebooks_that_it_names(site):
    page = site[Path("05_batchnorm/two_modes_and_folding.html")]
    assert "../index.html" in page.links
    assert "../04_pooling/cost_and_shift.html" in page.links
    assert "../06_batch/noise_memory_time.html" in page.links
    assert "../01_arithmetic/four_convolutions.html" in page.links


def test_the_only_notebook_that_a_page_links_to_is_its_own(site):
    for path in NOTEBOOKS:
        page = site[path.with_suffix(".html")]
        links = [link for link in page.links if link.split("#")[0].endswith(".ipynb")]
        assert links == [f"../{path.as_posix()}"]


def test_no_page_and_no_style_sheet_loads_anything_from_elsewhere(site):
    for page in site.values():
        for loaded in page.loaded:
            target = urlsplit(loaded)
            assert target.scheme in ("", "data"), f"{page.path}: {loaded[:80]}"
            assert target.scheme or (page.path.parent / target.path).is_file(), loaded
        sheet = (page.path.parent / page.loaded[0]).read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(['\"]?(?!data:)", sheet)
    assert all("site.css" in page.loaded[0] for page in site.values())


def test_no_formula_waits_for_a_typesetter_from_elsewhere():
    for path in NOTEBOOKS:
        for cell in nbformat.read(DEMOS / path, as_version=4).cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.DOTALL)
                assert not re.search(r"\$[^$]+\$|\\\(|\\\[", text), f"{path}: {cell.id}"


def test_every_picture_says_in_words_what_it_shows(site):
    assert [page.path.name for page in site.values() if any(page.silent)] == []


def test_the_index_says_what_the_notebooks_say(site):
    text = site[Path("index.html")].path.read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        cells = nbformat.read(DEMOS / path, as_version=4).cells
        assert cells[0].source.splitlines()[0].removeprefix("# ") in text
    stories = [path for path in NOTEBOOKS if path.parts[0] != "lib"]
    assert text.count("<article>") == text.count("Take home.") == len(stories)
    assert text.count('<img src="') + text.count("<pre") == len(stories)
    assert "MobileNetV2 needs six times fewer multiply-adds than ResNet-18." in text
    assert re.search(r"Four names, one family:\s+sparse matrices", text)


@pytest.fixture
def small(tmp_path):
    """A project of one story and one library, with outputs stored that are not true."""
    (tmp_path / "README.md").write_text(CLAIMS, encoding="utf-8")
    for name in ("make_site.py", "stories.py", "site_templates"):
        copy = shutil.copytree if (DEMOS / name).is_dir() else shutil.copy
        copy(DEMOS / name, tmp_path / name)
    new = nbformat.v4
    for name, cells in {
        "01_sums/story.ipynb": (STORY, "x = 1\nprint(x + 1)", LESSON, "print('still', x)"),
        "lib/other.ipynb": ("# Other <things>", "y = 2"),
    }.items():
        notebook = new.new_notebook()
        for text in cells:
            make_cell = new.new_markdown_cell if text[0] in "#*" else new.new_code_cell
            notebook.cells.append(make_cell(text))
        notebook.cells[1].execution_count = 7
        notebook.cells[1].outputs = [new.new_output("stream", text="three\n")]
        (tmp_path / name).parent.mkdir()
        nbformat.write(notebook, tmp_path / name)
    return tmp_path


def test_the_claims_lead_to_the_cells_that_show_them(site):
    page = site[Path("claims.html")]
    text = (DEMOS / "README.md").read_text(encoding="utf-8")
    named = [
        (path, int(number))
        for path, numbers in re.findall(r"\]\(([^)]*)\.ipynb\) In ([\d, ]*\d)", text)
        for number in numbers.split(",")
    ]
    assert len(named) > 38
    links = [link.split("#") for link in page.links if "#cell" in link]
    assert len(links) == len(named)
    for (path, number), (file, place) in zip(named, links, strict=True):
        assert file == f"{path}.html"
        cells = nbformat.read(DEMOS / f"{path}.ipynb", as_version=4).cells
        code = [cell.id for cell in cells if cell.cell_type == "code"]
        assert place == f"cell-id={code[number - 1]}"


def test_the_notebooks_are_run_and_stay_as_they_are(small):
    story = small / "01_sums" / "story.ipynb"
    before = story.read_bytes()
    done = make(small / "made", script=small / "make_site.py")
    assert done.returncode == 0, done.stderr
    assert story.read_bytes() == before
    run = json.loads((small / "made/01_sums/story.ipynb").read_text(encoding="utf-8"))
    assert [cell["outputs"][0]["text"] for cell in run["cells"] if cell["cell_type"] == "code"] == [
        ["2\n"],
        ["still 1\n"],
    ]
    index = (small / "made/index.html").read_text(encoding="utf-8")
    assert "What is one and one, see\nthe library?" in index
    assert "It is <em>two</em>.</p>" in index
    assert "Other &lt;things&gt;" in index
    page = (small / "made/01_sums/story.html").read_text(encoding="utf-8")
    assert "still 1" in page
    assert "three\n" not in page


def test_a_notebook_that_stops_is_named_and_no_site_is_made(small):
    path = small / "01_sums" / "story.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "x = 1\nx / 0"
    nbformat.write(notebook, path)
    done = make(small / "made", script=small / "make_site.py")
    assert done.returncode == 1
    assert done.stderr == f"{path}: In [1]: ZeroDivisionError: division by zero\n"
    assert not (small / "made").exists()


def test_a_story_without_its_parts_is_told_what_the_index_lacks(small):
    path = small / "01_sums" / "story.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source = "That was all."
    nbformat.write(notebook, path)
    done = make("--stored", small / "made", script=small / "make_site.py")
    assert done.returncode == 1
    assert "story.ipynb: no '## Take home' with a list" in done.stderr
    assert not (small / "made").exists()
