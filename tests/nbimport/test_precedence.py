"""Who wins where several things have one name: whatever was importable without nbimport."""

import importlib.machinery
import sysconfig


def test_a_py_file_further_down_the_path_wins_over_a_notebook(notebook, script, python):
    notebook("first/thing.ipynb", "x = 'notebook'")
    script("second/thing.py", "x = 'py'")
    script("second/pkg/__init__.py", "x = 'py'")
    notebook("first/pkg/__init__.ipynb", "x = 'notebook'")
    notebook("first/main.ipynb", "import thing, pkg\nprint(thing.x, pkg.x)")
    snippet = """
        import sys; sys.path[:0] = ["first", "second"]
        import main, thing, pkg
        print(thing.x, pkg.x)
    """
    assert python(snippet) == "py py\npy py\n"


def test_the_standard_library_wins_also_where_it_is_not_installed(notebook, python):
    for name in ("json", "colorsys", "this_is_mine", "winreg", "sys", "antigravity", "test"):
        notebook(f"{name}.ipynb", "x = 'notebook'")
    notebook("main.ipynb", "import colorsys, json, sys\nprint(colorsys.__file__[-3:])")
    snippet = """
        import sys; sys.path.append("")
        import main, this_is_mine
        try:
            import winreg
        except ModuleNotFoundError as error:
            print(error)
        import test
        print(test.__file__.endswith("py"))
    """
    assert python(snippet) == ".py\nNo module named 'winreg'\nTrue\n"


def test_an_installed_package_wins(notebook, python):
    notebook("IPython.ipynb", "x = 'notebook'")
    notebook("pluggy/__init__.ipynb", "x = 'notebook'")
    notebook("main.ipynb", "import IPython, pluggy\nprint(hasattr(IPython, 'x'))")
    assert python("import main, pluggy; print(hasattr(pluggy, 'x'))") == "False\nFalse\n"


def test_an_extension_module_wins(notebook, python, tmp_path):
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    notebook("ext.ipynb", "x = 'notebook'")
    notebook("main.ipynb", "import ext")
    (tmp_path / f"ext{suffix}").write_bytes(b"not really one")
    snippet = """
        for name in "ext", "main":
            try:
                __import__(name)
            except ImportError as error:
                print(type(error) is ImportError, hasattr(error, "cell"))
    """
    assert sysconfig.get_config_var("EXT_SUFFIX") == suffix
    assert python(snippet) == "True False\nTrue False\n"


def test_what_finders_after_the_path_finder_offer_wins(notebook, script, python):
    """Editable installs put such finders at the end of ``sys.meta_path``."""
    notebook("editable.ipynb", "x = 'notebook'")
    notebook("main.ipynb", "import editable\nprint(editable.x)")
    script("elsewhere/editable.py", "x = 'editable install'")
    snippet = """
        import importlib.util, sys
        class Editable:
            @classmethod
            def find_spec(cls, fullname, path=None, target=None):
                if fullname == "editable":
                    return importlib.util.spec_from_file_location(fullname, "elsewhere/editable.py")
        class Old:
            def find_module(self, fullname, path=None): raise AssertionError
        sys.meta_path += [Editable, Old()]
        import main, editable
        print(editable.x)
    """
    assert python(snippet) == "editable install\neditable install\n"


def test_a_py_file_that_appears_later_wins_from_the_next_process_on(
    notebook, script, python, tmp_path
):
    notebook("thing.ipynb", "x = 'notebook'")
    notebook("far/sibling.ipynb", "x = 'notebook'")
    notebook("far/main.ipynb", "import sibling\nprint(sibling.x)")
    snippet = "import thing; print(thing.x); nbimport.load('far/main.ipynb')"
    assert python(snippet) == "notebook\nnotebook\n"
    script("thing.py", "x = 'py'")
    script("far/sibling.py", "x = 'py'")
    assert python(snippet) == "py\npy\n"
    (tmp_path / "thing.py").unlink()
    (tmp_path / "far/sibling.py").unlink()
    assert python(snippet) == "notebook\nnotebook\n"


def test_a_py_file_that_appears_later_wins_after_invalidate_caches(notebook, script, python):
    notebook("thing.ipynb", "x = 'notebook'")
    snippet = """
        import importlib, pathlib, sys
        import thing
        pathlib.Path("thing.py").write_text("x = 'py'")
        importlib.invalidate_caches()
        assert importlib.import_module("thing") is thing
        print(importlib.reload(thing).x)
        del sys.modules["thing"]
        import thing
        print(thing.x, thing.__file__[-3:])
    """
    assert python(snippet) == "py\npy .py\n"


def test_a_member_of_a_package_does_not_import_its_neighbours_absolutely(same):
    """As in Python 3: `import redis` in ``extra/redis.py`` means the installed redis."""
    files = {
        "pkg/__init__": "",
        "pkg/redis": """
            try:
                import redis
            except ImportError as error:
                print(error)

            try:
                import helper
            except ImportError as error:
                print(error)

            try:
                from helper.sub import x
            except ImportError as error:
                print(error)
            """,
        "pkg/helper": "",
    }
    same(files, "import pkg.redis")


def test_a_replaced_module_is_what_importers_get(same):
    """Test suites put fakes into ``sys.modules``, and delete modules to import them anew."""
    files = {
        "main": "import helper\n\ndef f():\n    import helper\n    return helper.x",
        "helper": "x = [1]",
    }
    same(
        files,
        """
        import sys, types, unittest.mock
        import main
        with unittest.mock.patch.dict(sys.modules, helper=types.SimpleNamespace(x="fake")):
            print(main.f())
        print(main.f() is main.helper.x)
        del sys.modules["helper"]
        print(main.f() is main.helper.x, main.f())
        sys.modules["helper"] = None
        try:
            main.f()
        except ImportError as error:
            print(type(error).__name__)
        """,
    )


def test_py_modules_and_their_tracebacks_are_as_without_the_hook(script, python):
    script("plain.py", "import other\n\ndef f():\n    raise ValueError(other.x)")
    script("other.py", "x = 1")
    snippet = """
        import plain, sys
        assert type(plain.__loader__).__name__ == "SourceFileLoader"
        assert plain.__spec__.cached.endswith(f"plain.{sys.implementation.cache_tag}.pyc")
        plain.f()
    """
    without = python(snippet, hook=False, fails=True)
    assert python("\n" + snippet, fails=True).replace("line 7", "line 5") == without.replace(
        "line 6", "line 5"
    )
