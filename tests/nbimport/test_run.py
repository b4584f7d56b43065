"""``python -m nbimport run``: a notebook as a program, the same as the same code as a script."""

import signal
import subprocess
import sys

import pytest


@pytest.fixture
def both(notebook, script, tmp_path):
    """Run the same cells as a script with Python and as a notebook; return both results."""

    def run(*cells, arguments=(), options=(), cwd=tmp_path):
        program = notebook("code/program.ipynb", *cells)
        text = "\n\n".join(cell.strip("\n") for cell in cells)
        plain = script("code/program.py", text)
        results = []
        for command in [plain], ["-m", "nbimport", "run", program]:
            words = [sys.executable, *options, *command, *arguments]
            done = subprocess.run(
                words, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
            )
            results.append((done.returncode, done.stdout, done.stderr))
        return results

    return run


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1",
        "import sys; sys.exit()",
        "import sys; sys.exit(0)",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('message')",
        "raise SystemExit([1, 2])",
        "import os; os._exit(5)",
        "import atexit; atexit.register(print, 'bye'); raise SystemExit(4)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_the_exit_code_is_python_s(both, cell):
    plain, ours = both(cell)
    assert ours == plain


def test_an_exception_ends_it_with_code_1_and_a_traceback_of_cells_alone(both, tmp_path):
    plain, ours = both(
        "def f():\n    return 1 / 0", "import atexit\natexit.register(print, 'bye')\nf()"
    )
    assert (ours[0], ours[1]) == (plain[0], plain[1]) == (1, "bye\n")
    place = f"{tmp_path}/code/program.ipynb"
    assert ours[2] == (
        "Traceback (most recent call last):\n"
        f'  File "{place} cell 2", line 3, in <module>\n    f()\n'
        + ("    ~^^\n" if sys.version_info >= (3, 13) else "")
        + f'  File "{place} cell 1", line 2, in f\n    return 1 / 0\n           ~~^~~\n'
        "ZeroDivisionError: division by zero\n"
    )


def test_ctrl_c_ends_it_as_it_ends_a_script(both):
    plain, ours = both("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time")
    assert ours[0] == plain[0] == -signal.SIGINT  # which a shell reports as 130
    assert ours[2].rstrip().endswith("KeyboardInterrupt")
    assert "nbimport/" not in ours[2]


def test_ctrl_c_ends_a_script_that_imports_nbimport_as_any_other(notebook, script, tmp_path):
    notebook("nb.ipynb", "import os, signal", "def f():\n    os.kill(os.getpid(), signal.SIGINT)")
    for text in "import nbimport; raise KeyboardInterrupt", "import nbimport, nb; nb.f()":
        program = script("program.py", text)
        done = subprocess.run([sys.executable, program], capture_output=True, check=False)
        assert done.returncode == -signal.SIGINT


def test_a_cell_that_is_no_python_ends_it_with_the_cell_s_text(notebook, python, tmp_path):
    path = notebook("nb.ipynb", "print('not run')", "y = 2\ndef f(:")
    stderr = python(args=["-m", "nbimport", "run", str(path)], hook=False, fails=True)
    assert stderr.startswith(f'  File "{path} cell 2", line 2\n    def f(:\n')
    assert "Traceback" not in stderr


def test_a_file_that_is_no_notebook_is_one_line(script, python):
    path = script("nb.ipynb", "{}")
    stderr = python(args=["-m", "nbimport", "run", str(path)], hook=False, fails=True)
    assert stderr.startswith(f"python -m nbimport run: {path}: not a notebook: ")
    assert stderr.count("\n") == 1


def test_it_is_main_with_its_arguments_and_its_folder_first(both, script, tmp_path):
    script("code/beside.py", "x = 'beside'")
    plain, ours = both(
        "import sys, os, beside",
        "print(__name__, sys.argv[1:], sys.path[0], os.getcwd(), beside.x)",
        "print(sys.modules['__main__'].__dict__ is globals(), sys.argv[0].rpartition('.')[0])",
        "print(__file__.rpartition('.')[0], __doc__, __builtins__.__name__)",
        arguments=["--lr", "0.1", "-h", "--", "run", "*"],
    )
    assert ours == plain
    assert plain[0] == 0


def test_a_relative_path_works_as_for_a_script(notebook, script, python):
    notebook("code/nb.ipynb", "import sys\nprint(sys.argv, sys.path[0])")
    script("code/nb.py", "import sys\nprint(sys.argv, sys.path[0])")
    ours = python(args=["-m", "nbimport", "run", "code/nb.ipynb", "x"], hook=False)
    assert ours.replace(".ipynb", ".py") == python(args=["code/nb.py", "x"], hook=False)


POOLS = (
    "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor",
    "class Square:\n    def __init__(self, side):\n        self.side = side",
    "def double(square):\n    return Square(2 * square.side)",
    """
if __name__ == "__main__":
    for method in "spawn", "forkserver", "fork":
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            square = pool.submit(double, Square(3)).result()
            print(method, type(square) is Square, square.side)
""",
)


def test_children_of_a_notebook_find_its_classes(both):
    plain, ours = both(*POOLS)
    assert ours == plain
    assert plain[:2] == (0, "spawn True 6\nforkserver True 6\nfork True 6\n")


@pytest.mark.parametrize("name", ["my train-1.5.ipynb", "pkg/nb.ipynb", "hidden.ipynb"])
def test_whatever_its_name_children_and_relative_imports_work(notebook, script, python, name):
    notebook("pkg/__init__.ipynb", "")
    notebook("pkg/helper.ipynb", "x = 1")
    notebook("helper.ipynb", "x = 1")
    script("hidden.py", "raise RuntimeError('not this one')")
    notebook(name, "from . import helper\nassert helper.x == 1", *POOLS)
    printed = python(args=["-m", "nbimport", "run", name], hook=False)
    assert printed == "spawn True 6\nforkserver True 6\nfork True 6\n"


def test_all_of_a_notebook_runs_whatever_definitions_only_says(notebook, script, python):
    script("pyproject.toml", "[tool.nbimport]\ndefinitions-only = ['*']\n")
    notebook("nb.ipynb", "x = 1\nprint('ran')")
    for _ in range(2):
        assert python(args=["-m", "nbimport", "run", "nb.ipynb"], hook=False) == "ran\n"
        assert python("import nb") == ""


def test_pickles_of_main_load_in_the_same_program(both):
    plain, ours = both(
        "import pickle, inspect",
        "class A:\n    x = 1",
        "print(pickle.loads(pickle.dumps(A())).x, A.__module__, inspect.getsource(A))",
    )
    assert ours == plain


def test_children_find_its_classes_also_where_multiprocessing_was_imported_before(
    notebook, script, python
):
    script("before/sitecustomize.py", "import multiprocessing.spawn")
    path = notebook("nb.ipynb", *POOLS)
    ran = python(
        args=["-m", "nbimport", "run", "nb.ipynb"],
        hook=False,
        env={"PYTHONPATH": str(path.parent / "before")},
    )
    assert ran == "spawn True 6\nforkserver True 6\nfork True 6\n"
