"""``python analysis.ipynb``, where the hook is on as soon as Python starts."""

import pytest

# Tells what a program can see of how it was run.
TELLS = """
    '''Tell how this was run.'''
    import os, sys
    import helper

    def shown(path):
        return path and os.path.splitext(os.path.relpath(path, here))[0]

    here = os.environ["HERE"]
    print(shown(sys.argv[0]), sys.argv[1:], shown(sys.path[0]), shown(__file__), __name__)
    print(__doc__, helper.y, sys.modules["__main__"].__dict__ is globals(), os.getcwd() == here)

    if __name__ == "__main__":
        sys.exit(int(sys.argv[1]) if sys.argv[1:] else None)
"""


@pytest.fixture
def started(script, tmp_path):
    """Return the environment of a Python that imports nbimport as it starts, like a .pth file."""
    place = script("at_start/sitecustomize.py", "import nbimport").parent
    return {"PYTHONPATH": str(place), "HERE": str(tmp_path)}


def test_a_notebook_runs_as_a_script_does(notebook, script, python, started, tmp_path):
    script("py/tells.py", TELLS)
    script("py/helper.py", "y = 1")
    cells = TELLS.split("\n\n")
    for folder in ("nb", "with space"):
        notebook(f"{folder}/tells.ipynb", *cells)
        notebook(f"{folder}/helper.ipynb", "y = 1")
    (tmp_path / "link.ipynb").symlink_to("nb/tells.ipynb")
    (tmp_path / "link.py").symlink_to("py/tells.py")

    def run(*args, **options):
        return python(args=args, env=started, **options)

    for arguments in ((), ("0", "--more")):
        truth = run("py/tells.py", *arguments)
        assert "Tell how this was run. 1 True True" in truth
        assert run("nb/tells.ipynb", *arguments) == truth.replace("py/", "nb/").replace(
            " py ", " nb "
        )
        expected = truth.replace("py/", "with space/").replace(" py ", " with space ")
        assert run("with space/tells.ipynb", *arguments) == expected
    assert run(str(tmp_path / "nb/tells.ipynb")) == run("nb/tells.ipynb")
    through_a_link = run("link.py").replace(" py ", " nb ")
    assert run("link.ipynb") == through_a_link
    assert run("nb/tells.ipynb", "3", fails=True) == ""
    # Told to be safe, Python does not look into the program's folder; beside it nbimport does.
    assert " at_start " in run("-P", "nb/tells.ipynb")


def test_what_a_program_raises_is_shown_from_its_first_cell_on(notebook, python, started):
    path = notebook("fails.ipynb", "def f():\n    raise ValueError('no')", "f()")
    errors = python(args=("fails.ipynb",), env=started, fails=True)
    shown = [line for line in errors.splitlines() if line.strip(" ~^")]  # 3.13 marks calls
    assert shown[-5:] == [
        f'  File "{path} cell 2", line 1, in <module>',
        "    f()",
        f'  File "{path} cell 1", line 2, in f',
        "    raise ValueError('no')",
        "ValueError: no",
    ]
    broken = notebook("broken.ipynb", "x = 1", "y = = 2")
    errors = python(args=("broken.ipynb",), env=started, fails=True)
    assert errors.splitlines()[-4:] == [
        f'  File "{broken} cell 2", line 1',
        "    y = = 2",
        "        ^",
        "SyntaxError: invalid syntax",
    ]
    unreadable = notebook("unreadable.ipynb")
    unreadable.write_text("<<<<<<< HEAD\n", encoding="utf-8")
    errors = python(args=("unreadable.ipynb",), env=started, fails=True)
    assert f"{unreadable}" in errors.splitlines()[-1]


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork"])
def test_processes_of_a_program_find_its_functions(notebook, python, started, how):
    notebook("helper.ipynb", "y = 3")
    notebook(
        "sub/My program.ipynb",
        "import sys\nfrom multiprocessing import get_context\nimport helper",
        "def add(x):\n    return x + helper.y",
        f"""
        if __name__ == "__main__":
            with get_context({how!r}).Pool(1) as pool:
                print(pool.map(add, [1, 2]), flush=True)
        """,
    )
    notebook("sub/helper.ipynb", "y = 30")
    assert python(args=("sub/My program.ipynb",), env=started) == "[31, 32]\n"


def test_runpy_runs_a_notebook_by_its_path(notebook, python, tmp_path):
    notebook(
        "sub/one.ipynb", "import sys", "here = list(sys.path)", "def f():\n    return __name__"
    )
    snippet = """
        import runpy, sys
        before = list(sys.path)
        found = runpy.run_path("sub/one.ipynb", run_name="given")
        print(found["f"](), found["__name__"], sys.path == before)
    """
    assert python(snippet) == "given given True\n"


def test_an_init_is_a_program_too(notebook, python, started):
    notebook("pack/__init__.ipynb", "print(__name__, 'of a package')")
    assert python(args=("pack/__init__.ipynb",), env=started) == "__main__ of a package\n"


def test_a_notebook_that_is_no_program_is_no_entry_of_the_search_path(notebook, python):
    notebook("one.ipynb", "x = 1")
    snippet = """
        import sys
        sys.path[:0] = ["one.ipynb", "missing.ipynb"]
        import one
        try:
            import missing
        except ModuleNotFoundError as error:
            print(error)
        nbimport.uninstall()
        print([hook for hook in sys.path_hooks if hook.__module__.startswith("nbimport")])
    """
    assert python(snippet) == "No module named 'missing'\n[]\n"
