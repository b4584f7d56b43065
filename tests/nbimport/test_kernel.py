"""Importing in a real kernel whose working directory is not the notebook's folder."""

import contextlib
import os

import nbformat
import pytest
from jupyter_client.manager import KernelManager

# Folder -> notebook or file -> cells or text.
PROJECT = {
    "notes": {
        "utils.ipynb": ["where = 'notes'"],
        "uses.ipynb": ["import utils\nseen = utils.where"],
        "My data.ipynb": ["rows = 3"],
        "asks.ipynb": [
            "shell = get_ipython().__class__.__name__, 'zmqshell' in str(get_ipython())",
            "own = 'own'\nown_too = %env HERE",
        ],
        "fails.ipynb": ["def f():\n    return 1 / 0", "def g():\n    return f()"],
    },
    "other": {
        "utils.ipynb": ["where = 'other'"],
        "uses.ipynb": ["import utils\nseen = utils.where"],
        "run.ipynb": ["import plain\nfrom_run = __name__, plain.y, 'google.colab' in str(shell)"],
        "plain.py": "y = 7\n",
    },
    "lib": {"nets.ipynb": ["from .plain import y\nx = y + 1"], "plain.py": "y = 5\n"},
    "elsewhere": {},
}


def write(path, cells):
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(document, path)


@contextlib.contextmanager
def running(root, **variables):
    """Start a kernel in ``root/elsewhere``; yield what runs a cell and returns what it printed."""
    inherited = {key: value for key, value in os.environ.items() if key != "JPY_SESSION_NAME"}
    manager = KernelManager()
    manager.start_kernel(cwd=str(root / "elsewhere"), env={**inherited, "HERE": "1", **variables})
    client = manager.client()
    client.start_channels()

    def run(code):
        printed = []

        def keep(message):
            content = message["content"]
            if message["msg_type"] == "error":
                printed.append("\n".join(content["traceback"]))
            printed.append(content.get("text", ""))

        client.execute_interactive(code, timeout=120, output_hook=keep)
        return "".join(printed)

    try:
        client.wait_for_ready(timeout=120)
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for folder, files in PROJECT.items():
        (root / folder).mkdir()
        for name, content in files.items():
            if isinstance(content, str):
                (root / folder / name).write_text(content, encoding="utf-8")
            else:
                write(root / folder / name, content)
    return root


@pytest.fixture(scope="module")
def run(root):
    """Run a cell in the kernel of ``notes/main.ipynb``, as Jupyter's server starts it."""
    with running(root, JPY_SESSION_NAME=str(root / "notes" / "main.ipynb")) as run:
        assert run("import nbimport") == ""
        yield run


def test_what_lies_beside_the_notebook_is_imported(run, root):
    code = (
        "import os, utils, My_data; print(os.getcwd(), utils.where, utils.__file__, My_data.rows)"
    )
    assert run(code) == f"{root / 'elsewhere'} notes {root / 'notes' / 'utils.ipynb'} 3\n"
    assert run("import importlib; print(importlib.import_module('My data') is My_data)") == "True\n"


def test_notebooks_in_two_folders_get_their_own_siblings(run):
    loads = "nbimport.load('../other/uses.ipynb').seen, nbimport.load('uses').seen"
    assert run(f"import uses, utils; print(uses.seen, utils.where, {loads})") == (
        "notes notes other notes\n"
    )


def test_relative_imports_start_from_the_notebooks_folder(run):
    code = """
from . import utils as beside
from ..lib import nets
from ..lib.nets import x
import utils
print(beside is utils, nets.x, x)
"""
    assert run(code) == "True 6 6\n"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from .missing import x", ["ModuleNotFoundError", "notes.missing"]),
        ("from . import missing", ["ImportError", "'missing' from", ".notes'"]),
        ("from ..lib.nets import nope", ["ImportError", "'nope' from", "nets.ipynb"]),
        ("import no_such_thing", ["ModuleNotFoundError", "No module named 'no_such_thing'"]),
        ("nbimport.load('../lib/net')", ["NotebookNotFoundError", "nets.ipynb", "check the path"]),
    ],
)
def test_what_is_not_there_is_named(run, statement, words):
    printed = run(statement)
    assert all(word in printed for word in words), printed


def test_a_mount_lies_where_the_notebook_says(run):
    assert run("nbimport.mount('lab', '../lib'); from lab.nets import x; print(x)") == "6\n"
    assert run("nbimport.unmount('lab')") == ""


def test_reload_sees_an_edit_and_keeps_the_module(run, root):
    write(root / "notes" / "edited.ipynb", ["x = 1"])
    assert run("import edited; before = edited; print(edited.x)") == "1\n"
    write(root / "notes" / "edited.ipynb", ["x = 2"])
    code = "import importlib; print(importlib.reload(edited) is before, before.x)"
    assert run(code) == "True 2\n"
    write(root / "notes" / "edited.ipynb", ["x = = 3"])
    printed = run("importlib.reload(edited)")
    assert "edited.ipynb cell 1" in printed
    assert "SyntaxError" in printed
    assert run("print(edited.x)") == "2\n"


def test_run_executes_a_notebook_of_another_folder(run, root):
    code = f"shell = 1\n%run {root / 'other' / 'run.ipynb'}\nprint(from_run)"
    assert run(code).splitlines()[-1] == "('__main__', 7, False)"
    assert run("import utils; print(utils.where)") == "notes\n"


def test_a_module_sees_the_kernels_shell_and_keeps_its_names(run):
    code = "import asks; print(asks.shell, asks.own, asks.own_too, 'own' in globals())"
    assert run(code) == "('ZMQInteractiveShell', True) own 1 False\n"


def test_a_traceback_shows_the_cells_of_the_module(run, root):
    printed = run("import fails; fails.g()")
    assert "ZeroDivisionError" in printed
    assert f"{root / 'notes' / 'fails.ipynb'} cell 1" in printed
    assert "importlib" not in printed


def test_in_vs_code_the_sessions_own_variable_tells_the_folder(root):
    with running(root) as run:
        assert run(f"__vsc_ipynb_file__ = {str(root / 'other' / 'main.ipynb')!r}") == ""
        assert run("import nbimport, utils, plain; print(utils.where, plain.y)") == "other 7\n"
        code = "from ..notes.utils import where; print(where, nbimport.load('uses').seen)"
        assert run(code) == "notes other\n"
