"""Two folders that each hold a ``utils.ipynb``: everyone gets their own."""

import pytest

PLACES = {
    "first on the path": "sys.path[:0] = ['a', 'b']",
    "second on the path": "sys.path[:0] = ['b', 'a']",
    "neither on the path": "",
    "only the other on the path": "sys.path.insert(0, 'b')",
}


@pytest.fixture
def two_folders(notebook, script):
    for name in "ab":
        notebook(f"{name}/utils.ipynb", f"where = {name!r}", "def f():\n    return where")
        script(f"{name}/pkg/sub.py", f"where = {name!r}")
        notebook(f"{name}/nbpkg/__init__.ipynb", f"where = {name!r}")
        notebook(f"{name}/nbpkg/deep.ipynb", f"where = {name!r}", "from . import where as up")
        script(f"{name}/plain_{name}.py", "")
        notebook(
            f"{name}/main_{name}.ipynb",
            """
            import utils, utils as u2
            from utils import where, f
            from utils import *
            import pkg.sub
            import nbpkg.deep, nbpkg.deep as deep
            from nbpkg.deep import up
            """,
            """
            def late():
                import utils
                from nbpkg import deep as again
                assert again is deep
                return utils.where

            wheres = {
                utils.where, u2.where, where, f(), pkg.sub.where, nbpkg.where, nbpkg.deep.where, up,
                deep.where, __import__("importlib").import_module("utils").where,
            }
            """,
        )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_notebooks_get_their_own_sibling(two_folders, python, place, order):
    snippet = f"""
        import sys
        {PLACES[place]}
        mains = {{name: nbimport.load(f"{{name}}/main_{{name}}.ipynb") for name in {order!r}}}
        for name, main in mains.items():
            own = main.wheres - ({{"b"}} if "path" in {place!r} and name == "a" else set())
            assert main.wheres == {{name}} and main.late() == name, (name, main.wheres)
        assert mains["a"].utils is not mains["b"].utils
        import pickle
        for main in mains.values():
            assert pickle.loads(pickle.dumps(main.utils.f)) is main.f
    """
    if "path" in place and "neither" not in place:
        # A .py file wins over whatever lies beside, so only the notebooks are told apart.
        snippet = snippet.replace("main.wheres == {name}", "main.wheres >= {name}")
    assert python(snippet) == ""


def test_a_main_program_gets_the_first_on_the_path(two_folders, python):
    snippet = """
        import sys; sys.path[:0] = ["a", "b"]
        nbimport.load("b/main_b.ipynb")
        import utils, main_a
        assert utils is main_a.utils and utils.where == "a"
        sys.path.reverse()
        import main_b
        assert main_b.utils.where == "b" and __import__("utils") is utils
    """
    assert python(snippet) == ""


def test_importing_a_sibling_leaves_the_plain_name_to_others(two_folders, python):
    snippet = """
        import sys
        nbimport.load("b/main_b.ipynb")
        assert not {"utils", "pkg", "pkg.sub", "nbpkg"}.intersection(sys.modules)
        assert not [name for name in sys.modules if "?" in name and "??" not in name
                    and name.startswith("nbimport")]
        sys.path.insert(0, "a")
        import utils, nbpkg.deep
        print(utils.where, nbpkg.deep.where)
    """
    assert python(snippet) == "a a\n"


def test_a_dotted_name_asked_for_by_a_function_says_what_to_write(two_folders, notebook, python):
    notebook(
        "a/dynamic.ipynb",
        """
        import importlib
        try:
            importlib.import_module("nbpkg.deep")
        except ImportError as error:
            print(error)
        """,
        "print(importlib.util.find_spec('utils').name, importlib.util.find_spec('nothing'))",
    )
    printed = python("import importlib.util; nbimport.load('a/dynamic.ipynb')")
    assert printed.startswith("'nbpkg.deep': 'nbpkg' was found beside the importing notebook, in ")
    assert printed.endswith("; write `import nbpkg.deep`\nutils None\n")


def test_siblings_bind_from_the_cache_and_when_folders_change(notebook, python, tmp_path):
    notebook(
        "a/main.ipynb",
        "try:\n    import late\n    print(late.x)\nexcept ImportError as e:\n    print(e)",
    )
    notebook("b/late.ipynb", "x = 'from the path'")
    snippet = "import sys; sys.path.insert(0, 'b'); nbimport.load('a/main.ipynb')"
    assert python("nbimport.load('a/main.ipynb')") == "No module named 'late'\n"
    assert python(snippet) == python(snippet) == "from the path\n"
    late = notebook("a/late.ipynb", "x = 'beside'")
    assert python(snippet) == python(snippet) == "beside\n"
    late.unlink()
    assert python(snippet) == "from the path\n"


@pytest.mark.parametrize("statement", ["import n{0}", "from n{0} import x"])
@pytest.mark.parametrize("place", ["on the path", "elsewhere"])
def test_a_chain_of_siblings_may_be_a_hundred_and_twenty_long(notebook, python, place, statement):
    """CPython's recursion limit allows about 160 ``.py`` files."""
    for number in range(120):
        follow = statement.format(number + 1) if number < 119 else ""
        notebook(f"far/n{number}.ipynb", follow, f"x = {number}")
    begin = "import sys; sys.path.insert(0, 'far')\n" if place == "on the path" else ""
    snippet = begin + "print(nbimport.load('far/n0.ipynb').x)"
    assert python(snippet) == python(snippet) == "0\n"
