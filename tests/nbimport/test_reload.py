"""Reloading, failing imports, and what they leave behind."""

import pytest


def test_a_reload_keeps_the_modules_identity_and_names_as_for_py_files(same):
    snippet = """
        import importlib, mod, sys
        first, f = mod, mod.f
        mod.mine = 1
        again = importlib.reload(mod)
        print(again is first is sys.modules["mod"], mod.mine, mod.f is f, f() is mod.f())
        print(mod.runs, mod.__name__, mod.__spec__.name, mod.__loader__ is mod.__spec__.loader)
    """
    same(
        {
            "mod": """
                try:
                    runs += 1
                except NameError:
                    runs = 1

                def f():
                    return runs
            """
        },
        snippet,
    )


def test_a_reload_sees_the_edit_in_old_functions_too(notebook, python):
    notebook("nb.ipynb", "x = 1", "def f():\n    return x")
    snippet = """
        import importlib, json, nb
        f = nb.f
        text = open("nb.ipynb").read().replace("x = 1", "x = 2")
        open("nb.ipynb", "w").write(text)
        importlib.reload(nb)
        print(f(), nb.f(), nb.x)
    """
    assert python(snippet) == "2 2 2\n"


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("x = 'new'\n1 / 0", "ZeroDivisionError"),
        ("x = 'new'\nx = = 3", "SyntaxError"),
        ("x = 'new'\nimport nowhere", "ModuleNotFoundError"),
        ("x = 'new'\nraise SystemExit(3)", "SystemExit"),
        ("x = 'new'\nraise KeyboardInterrupt", "KeyboardInterrupt"),
        ("del x, f, __spec__, __name__\n1 / 0", "ZeroDivisionError"),
        (None, "NotebookFormatError"),
    ],
)
def test_a_failed_reload_keeps_the_old_module_whole(notebook, python, broken, error):
    path = notebook("nb.ipynb", "x = 'old'", "def f():\n    return x")
    notebook("broken.ipynb", broken or "", "y = 1")
    if broken is None:
        (path.parent / "broken.ipynb").write_text("{ no notebook")
    snippet = """
        import importlib, os, sys, nb
        nb.mine = []
        before = dict(vars(nb))
        text = open("nb.ipynb").read()
        os.replace("broken.ipynb", "nb.ipynb")
        try:
            importlib.reload(nb)
        except BaseException as error:
            print(type(error).__name__)
        assert sys.modules["nb"] is nb
        assert vars(nb).keys() == before.keys()
        own = {"__spec__", "__loader__", "__file__", "__cached__"}  # set by importlib before
        differing = [n for n in before.keys() - own if vars(nb)[n] is not before[n]]
        assert not differing, differing
        assert (nb.__file__, nb.__cached__) == (before["__file__"], before["__cached__"])
        print(nb.f(), nb.__spec__.name, getattr(nb.__spec__, "_initializing", False))
        open("nb.ipynb", "w").write(text.replace("old", "mended"))
        importlib.reload(nb)
        print(nb.f(), hasattr(nb, "y"))
    """
    assert python(snippet) == f"{error}\nold nb False\nmended False\n"


FAILING = {
    "error": "1 / 0",
    "syntax": "def f(:",
    "import": "import nowhere_at_all",
    "exit": "raise SystemExit",
    "interrupt": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_failed_import_leaves_nothing_behind(notebook, python, kind):
    notebook("nb.ipynb", "x = 1", FAILING[kind])
    notebook("pkg/__init__.ipynb", "")
    notebook("pkg/sub.ipynb", "from . import fine\n" + FAILING[kind])
    notebook("pkg/fine.ipynb", "y = 1")
    notebook("whole/__init__.ipynb", "from . import part\n" + FAILING[kind])
    notebook("whole/part.ipynb", "")
    notebook("far/user.ipynb", "from helper import z", "from helper import missing", "w = 1")
    notebook("far/failing.ipynb", "import helper\n" + FAILING[kind])
    notebook("far/helper.ipynb", "z = 1")
    snippet = """
        import sys, importlib, nbimport.machinery.compiler, nbimport.machinery.places
        import pkg, linecache, traceback, json, difflib
        import nbimport.machinery.beside, nbimport.notebook.reader, nbimport.config, nbimport.errors
        def attempt(what, *names):
            before = set(sys.modules), set(vars(pkg))
            try:
                what()
            except BaseException as error:
                assert not isinstance(error, AssertionError), error
            else:
                raise AssertionError("no error")
            left = {n for n in sys.modules if sys.modules[n] is not None} - before[0]
            left -= {n for n in left if not hasattr(sys.modules[n], "__file__")}
            left = {n for n in left if str(sys.modules[n].__file__).endswith(".ipynb")}
            assert left == set(names), left
            assert set(vars(pkg)) - before[1] <= {"fine"}, set(vars(pkg)) - before[1]
            assert not [n for n in sys.modules if "beside." in n]
        for fine, part in [(FINE, PART), ([], [])]:
            attempt(lambda: importlib.import_module("nb"))
            attempt(lambda: nbimport.load("nb.ipynb"))
            attempt(lambda: importlib.import_module("pkg.sub"), *fine)
            assert not hasattr(pkg, "sub")
            attempt(lambda: importlib.import_module("whole"), *part)
            assert "whole" not in sys.modules
        from importlib import import_module
        helper = nbimport.load("far/helper.ipynb").__name__
        attempt(lambda: nbimport.load("far/user.ipynb"))
        attempt(lambda: nbimport.load("far/failing.ipynb"))
        assert helper in sys.modules
        package = sys.modules[helper.rpartition(".")[0]]
        assert not {"user", "failing"} & set(vars(package)), set(vars(package))
    """
    # What a cell imported before the failure stays, as with .py files.
    ran = kind != "syntax"
    snippet = snippet.replace("FINE", repr(["pkg.fine"] * ran))
    python(snippet.replace("PART", repr(["whole.part"] * ran)))


def test_a_failed_import_leaves_what_it_imported_as_for_py_files(same):
    snippet = """
        import sys, pkg
        for _ in range(2):
            try:
                import pkg.sub
            except ZeroDivisionError:
                pass
            print(sorted(n for n in sys.modules if n.startswith("pkg")), sorted(vars(pkg))[:-1])
    """
    same(
        {
            "pkg/__init__": "",
            "pkg/sub": "from . import fine\n\n1 / 0",
            "pkg/fine": "x = 1",
        },
        snippet,
    )


def test_an_import_after_the_failure_is_mended_runs_everything_again(notebook, python):
    notebook("nb.ipynb", "print('one')", "if not __import__('os').path.exists('ok'): 1 / 0")
    snippet = """
        try:
            import nb
        except ZeroDivisionError:
            open("ok", "w").close()
        import nb
    """
    assert python(snippet) == "one\none\n"


def test_reload_of_siblings_packages_and_mounts(notebook, python):
    notebook("far/main.ipynb", "import utils\nx = utils.x")
    notebook("far/utils.ipynb", "x = [1]")
    notebook("pkg/__init__.ipynb", "from . import sub")
    notebook("pkg/sub.ipynb", "x = [2]")
    notebook("shared/prep.ipynb", "x = [3]")
    snippet = """
        import importlib, pkg.sub
        main = nbimport.load("far/main.ipynb")
        nbimport.mount("lab", "shared")
        import lab.prep
        for module in (main, main.utils, pkg, pkg.sub, lab.prep):
            old = module.x if hasattr(module, "x") else None
            assert importlib.reload(module) is module, module
            assert module.__spec__.name == module.__name__
        assert main.x is not main.utils.x and main.x == main.utils.x
        importlib.reload(main)
        assert main.x is main.utils.x
        assert pkg.sub is importlib.import_module("pkg.sub")
    """
    python(snippet)
