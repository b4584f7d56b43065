"""coverage.py measures cells as it measures the same code in a .py file."""

import html
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("coverage")

CODE = """
import math


def root(n):
    if n > 1:
        return math.sqrt(n)
    return 0


# %%
class Shape:
    '''Has a docstring.'''

    sides = 4

    @property
    def area(self):
        for side in range(3):
            if side == 5:
                break
        else:
            return 1
        return 2

    def unused(self):  # pragma: no cover
        return 3


# %%
'''A string of a later cell.'''
try:
    root(4)
except ValueError:
    failed = 1
else:
    failed = 2
with open(__file__) as file:
    pass
if failed == 3:
    never = 1
while failed > 0:
    failed -= 1


# %%
# nothing but a comment


# %%
roots = [
    root(i)
    for i in range(3)
]
squares = {
    i: (lambda j: j * i)
    for i in range(3)
}


def never_called():
    print(1)
    return [
        x
        for x in range(3)
    ]


match failed:
    case 0:
        matched = "zero"
    case _:
        matched = "other"
Shape().area
""".strip()
CELLS = CODE.split("# %%\n")
SETTINGS = "[run]\nplugins = nbimport\nbranch = {}\nsource = .\nomit = main.py\n"


@pytest.fixture
def coverage(tmp_path):
    """Run coverage.py in the test's folder and return what it printed."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in unwanted and not key.startswith("COV")
    }

    def run(*arguments, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *arguments],
            cwd=tmp_path,
            env={**environment, **(env or {})},
            capture_output=True,
            check=False,
            timeout=120,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not done.stderr, done.stderr
        return done.stdout

    def measured(*, env=None):
        run("run", "main.py", env=env)
        run("json", "-q")
        return json.loads((tmp_path / "coverage.json").read_text())["files"]

    run.measured = measured
    return run


def in_one_file(cells, key):
    """Return lines (or pairs of them) of cells as they would be counted in one file."""
    found, above = [], 0
    for number, cell in enumerate(CELLS, 1):
        for line in cells.get(f"nb.ipynb cell {number}", {}).get(key, ()):
            pair = isinstance(line, list)
            found.append(
                [above + n if n > 0 else n - above for n in line] if pair else above + line
            )
        above += cell.count("\n") + 1
    return sorted(found)


def cell_of(line):
    """Return the number of the cell in which a line of the whole file stands."""
    return CODE.split("\n")[:line].count("# %%")


@pytest.mark.parametrize("branch", ["False", "True"])
def test_cells_have_the_lines_and_branches_of_the_same_py_file(notebook, script, coverage, branch):
    notebook("nb.ipynb", *CELLS)
    script("py.py", CODE)
    script("main.py", "import nbimport, nb, py")
    script(".coveragerc", SETTINGS.format(branch))
    for _ in range(2):  # compiled, and from bytecode
        files = coverage.measured()
        truth = files["py.py"]
        for key in ("executed_lines", "missing_lines", "excluded_lines"):
            assert in_one_file(files, key) == truth[key], key
        cells = [file for name, file in files.items() if name.startswith("nb.ipynb")]
        for key in ("num_statements", "covered_lines", "num_branches", "covered_branches"):
            total = sum(cell["summary"].get(key, 0) for cell in cells)
            assert total == truth["summary"].get(key, 0), key
        assert truth["missing_lines"]
        if branch == "True":
            for key in ("executed_branches", "missing_branches"):
                # The way from one cell to the next is in a cell the way out.
                inner = [
                    pair
                    for pair in truth[key]
                    if min(pair) > 0 and len(set(map(cell_of, pair))) == 1
                ]
                assert [p for p in in_one_file(files, key) if min(p) > 0] == sorted(inner)


def test_the_text_report_names_cells_and_the_lines_in_them(notebook, script, coverage):
    notebook("nb.ipynb", "def f(n):\n    if n:\n        return 1\n    return 0", "f(1)\nx = 3")
    notebook("unused.ipynb", "import math\nmath.pi", "x = 1  # pragma: no cover")
    notebook("folder/no_module.ipynb", "x = 1")
    script("main.py", "import nbimport, nb")
    script(".coveragerc", SETTINGS.format("True"))
    coverage("run", "main.py")
    rows = [re.split(r"\s{2,}", line) for line in coverage("report", "-m").splitlines()]
    assert [row for row in rows if "cell" in row[0]] == [
        ["nb.ipynb cell 1", "4", "1", "2", "1", "67%", "4"],
        ["nb.ipynb cell 2", "2", "0", "0", "0", "100%"],
        ["unused.ipynb cell 1", "2", "2", "0", "0", "0%", "1-2"],
        ["unused.ipynb cell 2", "0", "0", "0", "0", "100%"],
    ]


def test_pages_and_xml_open_and_show_the_cells_own_text(notebook, script, coverage, tmp_path):
    notebook(
        "nb.ipynb",
        "def f(n):\n    return '<&>' if n else 'ünïcode'",
        "%time y = f(1)\n!true\nz = 2",
        "import asyncio\nawait asyncio.sleep(0)\nif z == 3:\n    await asyncio.sleep(0)",
    )
    script("main.py", "import nbimport, nb")
    script(".coveragerc", SETTINGS.format("True"))
    coverage("run", "main.py", env={"IPYTHONDIR": str(tmp_path / ".ipython")})
    coverage("html", "-q")
    index = (tmp_path / "htmlcov" / "index.html").read_text(encoding="utf-8")
    texts = []
    for number in (1, 2, 3):
        page = re.search(rf'href="([^"]*cell {number}[.]html)"', index)[1]
        text = (tmp_path / "htmlcov" / page).read_text(encoding="utf-8")
        texts.append(html.unescape(re.sub("<[^>]*>", "", text)))
    assert "'<&>' if n else 'ünïcode'" in texts[0]
    assert "%time y = f(1)" in texts[1]
    assert "await asyncio.sleep(0)" in texts[2]
    coverage("xml", "-q")
    tree = ET.parse(tmp_path / "coverage.xml")
    lines = {
        entry.get("filename"): {
            int(line.get("number")): line.get("hits") for line in entry.iter("line")
        }
        for entry in tree.iter("class")
    }
    assert lines["nb.ipynb cell 2"] == {1: "1", 2: "1", 3: "1"}
    assert lines["nb.ipynb cell 3"] == {1: "1", 2: "1", 3: "1", 4: "0"}
    coverage("lcov", "-q")
    assert "SF:nb.ipynb cell 3" in (tmp_path / "coverage.lcov").read_text()


def test_child_processes_are_measured_too(notebook, script, coverage):
    notebook("nb.ipynb", "def f(n):\n    if n:\n        return 1\n    return 0", "f(0)")
    script(
        "main.py",
        """
        import subprocess, sys
        code = "import nbimport, nb; nb.f(1)"
        subprocess.run([sys.executable, "-c", code], check=True)
        """,
    )
    script(".coveragerc", "[run]\nplugins = nbimport\nbranch = True\npatch = subprocess\n")
    coverage("run", "main.py")
    coverage("combine", "-q")
    assert re.search(r"nb\.ipynb cell 1 +4 +0 +2 +0 +100%", coverage("report"))


def test_notebooks_are_left_out_and_chosen_by_their_names(notebook, script, coverage):
    for name in ("nb", "other", "test_nb"):
        notebook(f"{name}.ipynb", "x = 1")
    script("main.py", "import nbimport, nb, test_nb")
    script(
        ".coveragerc",
        "[run]\nplugins = nbimport\nsource = .\nomit =\n    main.py\n    test_*.ipynb\n",
    )
    coverage("run", "main.py")
    report = coverage("report")
    assert "nb.ipynb cell 1" in report
    assert "other.ipynb cell 1" in report
    assert "test_nb" not in report
    script(".coveragerc", "[run]\nplugins = nbimport\ninclude = */nb.ipynb\n")
    coverage("run", "main.py")
    assert [
        n for n in coverage("report").splitlines() if n.startswith(("nb", "other", "test", "main"))
    ] == ["nb.ipynb cell 1       1      0   100%"]


def test_a_notebook_that_has_changed_or_gone_is_no_source_as_a_py_file_is(
    notebook, script, coverage, tmp_path
):
    notebook("nb.ipynb", "x = 1", "y = 2")
    script("main.py", "import nbimport, nb")
    script(".coveragerc", "[run]\nplugins = nbimport\n")
    coverage("run", "main.py")
    notebook("nb.ipynb", "x = 1")
    done = subprocess.run(
        [sys.executable, "-m", "coverage", "report"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 1
    assert re.search(r"No source for code: '.*nb.ipynb cell 2'", done.stdout + done.stderr)


def test_what_is_no_notebook_does_not_stop_a_report(notebook, script, coverage, tmp_path):
    notebook("nb.ipynb", "x = 1")
    (tmp_path / "broken.ipynb").write_text("{")
    notebook("syntax.ipynb", "x = = 1")
    notebook("julia.ipynb", "x = 1", metadata={"kernelspec": {"language": "julia"}})
    script("main.py", "import nbimport, nb")
    script(".coveragerc", SETTINGS.format("False"))
    coverage("run", "main.py")
    report = coverage("report")
    assert "nb.ipynb cell 1" in report
    assert "TOTAL                 1      0   100%" in report


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_the_core_that_knows_no_plugins_makes_no_difference(notebook, script, coverage):
    notebook("nb.ipynb", *CELLS)
    script("main.py", "import nbimport, nb")
    script(".coveragerc", SETTINGS.format("False"))
    truth = coverage.measured(env={"COVERAGE_CORE": "ctrace"})
    found = coverage.measured(env={"COVERAGE_CORE": "sysmon"})
    assert {name: file["executed_lines"] for name, file in found.items()} == {
        name: file["executed_lines"] for name, file in truth.items()
    }


def test_pytest_cov_measures_notebooks_with_tests(notebook, script, python):
    pytest.importorskip("pytest_cov")
    notebook("nb.ipynb", "def f(n):\n    return n", "def g(n):\n    return n")
    notebook("test_nb.ipynb", "import nb", "def test_f():\n    assert nb.f(1) == 1")
    script(".coveragerc", "[run]\nplugins = nbimport\n")
    options = ("--nbimport", "--cov=.", "--cov-report=term-missing", "-p", "no:cacheprovider")
    text = python(args=["-m", "pytest", *options], quiet=False)
    assert re.search(r"nb\.ipynb cell 1 +2 +0 +100%", text)
    assert re.search(r"nb\.ipynb cell 2 +2 +1 +50% +2", text)
    assert re.search(r"test_nb\.ipynb cell 2 +2 +0 +100%", text)
