"""The demo notebooks: what they promise, held against the files themselves."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbval.plugin import get_sanitize_patterns

import nbimport

ROOT = Path(__file__).parents[2]
DEMOS = ROOT / "demo_notebooks"
NOTEBOOKS = sorted(path.relative_to(DEMOS).as_posix() for path in DEMOS.rglob("*.ipynb"))
STORIES = [name for name in NOTEBOOKS if not name.startswith("lib/")]
DEFINITIONS = [name for name in NOTEBOOKS if name.startswith("lib/")]
BASICS = "01_arithmetic/four_convolutions.ipynb"
COUNTS = "03_dsc/fewer_macs_not_fewer_ms.ipynb"


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def statements(name):
    transform = TransformerManager().transform_cell
    for cell in code_cells(DEMOS / name):
        yield from ast.parse(transform("".join(cell["source"]))).body


@pytest.fixture
def project(tmp_path):
    """A copy of the demo notebooks and of the profiler that they count with."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("demo_notebooks", "magics"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def rewrite(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def red_cells(project, name, cells):
    """Check the first code cells of a notebook; return the numbers of those that are red."""
    notebook = project / "demo_notebooks" / name
    document = json.loads(notebook.read_text(encoding="utf-8"))
    code = [at for at, cell in enumerate(document["cells"]) if cell["cell_type"] == "code"]
    document["cells"] = document["cells"][: code[cells]]
    notebook.write_text(json.dumps(document), encoding="utf-8")
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--nbval",
        "--nbval-current-env", "--nbval-cell-timeout=120", str(notebook),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    ends = {
        int(number): end
        for end, number in re.findall(r"^(PASSED|FAILED) .*::Cell (\d+)", done.stdout, re.MULTILINE)
    }
    assert len(ends) == cells, done.stdout + done.stderr
    return {number for number, end in ends.items() if end == "FAILED"}


def test_stored_outputs_are_those_that_come_out_again(project):
    assert red_cells(project, BASICS, cells=4) == set()
    assert red_cells(project, COUNTS, cells=2) == set()


def test_a_changed_formula_turns_its_cell_red(project):
    old, new = "d * (k - 1) - 1) // s + 1", "d * (k - 1)) // s + 1"
    rewrite(project / "demo_notebooks" / BASICS, old, new)
    assert red_cells(project, BASICS, cells=4) == {2}


def test_a_changed_matrix_turns_its_cell_red(project):
    old, new = "row * s - p + a * d", "row * s + p + a * d"
    rewrite(project / "demo_notebooks" / BASICS, old, new)
    assert 3 in red_cells(project, BASICS, cells=4)


def test_a_changed_formula_of_the_profiler_turns_a_count_red(project):
    old, new = "(layer.in_channels // layer.groups)", "layer.in_channels"
    rewrite(project / "magics" / "theory" / "convolution.py", old, new)
    assert red_cells(project, COUNTS, cells=2) == {1}


def test_a_check_that_does_not_hold_stops_the_notebook(capsys):
    checks = nbimport.load(DEMOS / "lib/checks.ipynb")
    checks.check("three is odd", 3 % 2)
    with pytest.raises(AssertionError, match="does not hold: two is odd"):
        checks.check("two is odd", 2 % 2)
    assert capsys.readouterr().out == "holds: three is odd\n"


def test_every_pattern_of_the_sanitizer_leaves_numbers_out_of_a_compared_cell():
    patterns = get_sanitize_patterns((DEMOS / "sanitize.cfg").read_text(encoding="utf-8"))
    compared = "".join(
        "".join(output.get("text", ""))
        for name in STORIES
        for cell in code_cells(DEMOS / name)
        if "NBVAL_IGNORE_OUTPUT" not in "".join(cell["source"])
        for output in cell["outputs"]
    )
    assert len(patterns) == 3
    assert [pattern for pattern, _ in patterns if not re.search(pattern, compared)] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_notebook_touches_the_search_path(name):
    paths = [
        node
        for statement in statements(name)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"
    ]
    assert not paths


def test_no_helper_is_copied_from_one_notebook_to_another():
    defined = Counter(
        statement.name
        for name in NOTEBOOKS
        for statement in statements(name)
        if isinstance(statement, ast.FunctionDef | ast.ClassDef)
    )
    assert defined
    assert [name for name, times in defined.items() if times > 1] == []


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_notebook_of_the_library_only_defines(name):
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    assert all(isinstance(statement, kinds) for statement in statements(name))


@pytest.mark.parametrize("name", STORIES)
def test_a_stored_notebook_was_run_from_top_to_bottom_without_an_error(name):
    cells = code_cells(DEMOS / name)
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data"}
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    assert not any("execution" in cell["metadata"] for cell in cells)


def test_every_claim_has_a_row_and_every_cell_that_a_row_names_is_there():
    table = (DEMOS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", table, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 39)]
    for _, row in rows:
        for path, cells in re.findall(r"\]\(([^)]*\.ipynb)\) In ([\d, ]+\d)", row):
            assert max(map(int, cells.split(","))) <= len(code_cells(DEMOS / path)), row
