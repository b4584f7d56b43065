"""importlib's and the standard library's own tools on notebooks: each against the same ``.py``."""

import zipfile

import pytest


def test_importlib_util_says_the_same_of_a_notebook(same):
    files = {
        "single": "x = 1",
        "pkg/__init__": "",
        "pkg/sub": "from importlib.util import find_spec\n\nspec = find_spec('.sub', __package__)",
    }
    same(
        files,
        """
        import importlib.util, os, sys
        for name in "single", "pkg", "pkg.sub", "nothing", "pkg.nothing":
            spec = importlib.util.find_spec(name)
            print(name, spec and (spec.name, spec.parent, spec.has_location,
                  os.path.splitext(os.path.relpath(spec.origin))[0],
                  spec.cached.endswith(".pyc"), len(spec.submodule_search_locations or ())))
        assert "single" not in sys.modules
        try:
            importlib.util.find_spec("nothing.sub")
        except ModuleNotFoundError as error:
            print(error)
        import pkg.sub
        print(pkg.sub.spec.name)
        """,
    )


def test_modules_made_by_hand_from_a_spec(same):
    files = {"single": "x = __name__\n\ndef f():\n    return __file__ and x"}
    same(
        files,
        """
        import glob, importlib.util, os, sys
        spec = importlib.util.find_spec("single")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(module.f(), "single" in sys.modules)
        path = glob.glob("single.*[by]")[0]
        spec = importlib.util.spec_from_file_location("renamed", path) or spec
        """,
    )


def test_spec_from_file_location_with_our_loader(notebook, python):
    notebook("odd name.ipynb", "x = __name__")
    snippet = """
        import importlib.util
        from importlib.machinery import PathFinder
        loader = type(importlib.util.find_spec("odd name").loader)
        path = nbimport.load("odd name.ipynb").__file__
        for given in loader("renamed", path), None:
            spec = importlib.util.spec_from_file_location("renamed", path, loader=given)
            if spec is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                print(module.x, module.__file__ == path)
    """
    assert python(snippet) == "renamed True\n"


def test_lazy_loader_runs_a_notebook_at_its_first_attribute(same):
    files = {"single": "print('ran')\n\nx = 1"}
    same(
        files,
        """
        import importlib.util, sys
        spec = importlib.util.find_spec("single")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules["single"] = module
        spec.loader.exec_module(module)
        print("not yet")
        print(module.x)
        """,
    )


def test_a_loader_answers_what_a_source_loader_answers(same):
    files = {"single": "x = 1\n\ndef f():\n    return x", "pkg/__init__": "y = 2"}
    same(
        files,
        """
        import os, single, pkg
        for module in single, pkg:
            loader = module.__loader__
            name = module.__name__
            print(loader.is_package(name), loader.get_filename(name) == module.__file__)
            code = loader.get_code(name)
            space = {}
            exec(code, space)
            print(sorted(set(space) - {"__builtins__"}))
            print(loader.get_data(module.__file__) == open(module.__file__, "rb").read())
            print("x = 1" in loader.get_source(name) or "y = 2" in loader.get_source(name))
            print(loader.path_stats(module.__file__)["size"] == os.path.getsize(module.__file__))
            try:
                loader.get_source("another")
            except ImportError as error:
                print(type(error).__name__)
        """,
    )


def test_pkgutil_lists_notebooks(same):
    files = {
        "top": "",
        "pkg/__init__": "",
        "pkg/a": "raise RuntimeError('walking does not run modules')",
        "pkg/sub/__init__": "",
        "pkg/sub/leaf": "",
    }
    same(
        files,
        """
        import os, pkgutil, pkg
        print([m.name for m in pkgutil.walk_packages(pkg.__path__, "pkg.")])
        print([(m.name, m.ispkg) for m in pkgutil.iter_modules([os.getcwd()], "p_")])
        print(pkgutil.resolve_name("pkg.sub.leaf:__name__"))
        """,
    )


def test_pkgutil_lists_what_an_import_can_name(notebook, python, tmp_path):
    notebook("both.ipynb", "")
    (tmp_path / "both.py").touch()
    notebook("my notes.ipynb", "")
    notebook("v1.2.ipynb", "")
    (tmp_path / "folder.ipynb").mkdir()
    snippet = """
        import pkgutil, os
        print([m.name for m in pkgutil.iter_modules([os.getcwd()])])
    """
    assert python(snippet) == "['both', 'my notes']\n"


def test_importlib_resources_reads_what_lies_in_a_package(same, script):
    for number in range(4):
        folder = f"as_notebooks_{number}" if number < 3 else "as_py"
        script(f"{folder}/pkg/data.txt", "some data")
        script(f"{folder}/pkg/sub/more.txt", "more data")
    files = {"pkg/__init__": "", "pkg/mod": "x = 1"}
    same(
        files,
        """
        import importlib.resources as resources, pkgutil, pkg.mod
        print(resources.files("pkg").joinpath("data.txt").read_text(), end="")
        print(resources.files(pkg).joinpath("sub", "more.txt").read_bytes())
        with resources.as_file(resources.files("pkg") / "data.txt") as path:
            print(path.exists())
        print(pkgutil.get_data("pkg", "data.txt"))
        print(pkg.__loader__.get_resource_reader("pkg") is not None)
        """,
    )


@pytest.mark.parametrize(
    "call",
    [
        "run_module('main')",
        "run_module('main', run_name='__main__')",
        "run_module('pkg')",
        "run_module('pkg.sub', alter_sys=True)",
    ],
)
def test_runpy_runs_notebooks(same, call):
    body = """
        import sys

        if __name__ == "__main__":
            print("as main")

        print(__name__, __package__, __spec__.name, sys.argv[1:])

        def f():
            return __name__
        """
    files = {"main": body, "pkg/__init__": "print('init')", "pkg/__main__": body, "pkg/sub": body}
    same(files, f"import runpy; print(runpy.{call}['f']())")


def test_python_m_runs_a_notebook_where_nbimport_is_on(notebook, script, python, tmp_path):
    notebook(
        "main.ipynb", "import sys", "print(__name__, sys.argv[1:], __file__.endswith('main.ipynb'))"
    )
    script("site/sitecustomize.py", "import nbimport")
    env = {"PYTHONPATH": str(tmp_path / "site")}
    printed = python(args=["-m", "main", "--flag"], env=env)
    assert printed == "__main__ ['--flag'] True\n"


def test_a_notebook_in_a_zip_file_imports(notebook, script, python, tmp_path):
    notebook("src/pkg/__init__.ipynb", "from . import sub")
    notebook("src/pkg/sub.ipynb", "x = 1", "class A:\n    def f(self):\n        return 1 / 0")
    notebook("src/top notes.ipynb", "import plain\ny = plain.z")
    notebook("src/bad.ipynb", "x = 1", "def f(:")
    script("src/plain.py", "z = 3")
    script("src/pkg/data.txt", "data")
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        for path in sorted((tmp_path / "src").rglob("*.*")):
            archive.write(path, str(path.relative_to(tmp_path / "src")))
            archive.write(path, "inner/" + str(path.relative_to(tmp_path / "src")))
    snippet = """
        import sys, inspect, importlib, traceback
        sys.path.insert(0, "lib.zip")
        import pkg.sub, plain
        assert importlib.import_module("top notes").y == 3
        import top_notes
        print(pkg.sub.x, plain.z, pkg.sub.__file__.endswith("pkg/sub.ipynb"))
        print(inspect.getsource(pkg.sub.A.f), end="")
        print(inspect.getsource(pkg.sub.A), end="")
        try:
            pkg.sub.A().f()
        except ZeroDivisionError:
            print("return 1 / 0" if "    return 1 / 0\\n" in traceback.format_exc() else "no text")
        import linecache; linecache.clearcache()
        print(inspect.getsource(pkg.sub.A.f), end="")
        print(pkg.__loader__.get_data(pkg.__file__.replace("__init__.ipynb", "data.txt")))
        try:
            import bad
        except SyntaxError as error:
            print(error.filename.rpartition("/")[2], error.lineno, error.text)
        try:
            import missing
        except ModuleNotFoundError as error:
            print(error)
    """
    method = "    def f(self):\n        return 1 / 0\n"
    expected = (
        f"1 3 True\n{method}class A:\n{method}return 1 / 0\n{method}b'data'\n"
        "bad.ipynb cell 2 1 def f(:\n\nNo module named 'missing'\n"
    )
    assert python(snippet) == expected
    assert python(snippet.replace('"lib.zip"', '"lib.zip/inner"')) == expected


def test_a_py_file_in_a_zip_wins_over_a_notebook_beside_it(notebook, script, python, tmp_path):
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.write(notebook("a/thing.ipynb", "x = 'notebook'"), "thing.ipynb")
        archive.write(script("a/thing.py", "x = 'py'"), "thing.py")
    assert (
        python("import sys; sys.path.insert(0, 'lib.zip'); import thing; print(thing.x)") == "py\n"
    )


def test_import_time_report_names_notebooks(notebook, python):
    notebook("timed.ipynb", "x = 1")
    printed = python("import timed", options=["-X", "importtime"], quiet=False)
    assert printed == ""


def test_sys_path_hooks_and_caches_stay_usable(notebook, python):
    notebook("a/thing.ipynb", "x = 'a'")
    notebook("b/thing.ipynb", "x = 'b'")
    snippet = """
        import importlib, os, shutil, sys
        sys.path.insert(0, "lib")
        try:
            import thing
        except ModuleNotFoundError:
            pass
        shutil.copytree("a", "lib")
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        import thing
        print(thing.x)
        del sys.modules["thing"]
        shutil.rmtree("lib")
        shutil.copytree("b", "lib")
        importlib.invalidate_caches()
        import thing
        print(thing.x)
    """
    assert python(snippet) == "a\nb\n"
