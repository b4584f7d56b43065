"""pytest on the tests inside a package of notebooks, with ``import nbimport`` in a conftest.py."""

import pytest

PACKAGE = {
    "__init__": "from pack.core import twice\n\nwhole = True",
    "core": "def twice(x):\n    return 2 * x",
    "sub/__init__": "from .. import twice\n\nlimit = 3",
    "sub/more": "from . import limit",
}
TESTS = {
    "tests/__init__.py": "",
    "tests/test_core.py": """
        import pack
        from ..core import twice

        def test_twice():
            assert twice(2) == 4 and pack.whole and __name__ == "pack.tests.test_core"
    """,
    "sub/tests/__init__.py": "",
    "sub/tests/test_more.py": """
        from pack.sub import more
        from ..more import limit

        def test_limit():
            assert limit == 3 and more.limit == 3 and __name__ == "pack.sub.tests.test_more"
    """,
    "sub/test_beside.py": """
        from pack.sub import twice

        def test_beside():
            assert twice(1) == 2 and __name__ == "pack.sub.test_beside"
    """,
}


@pytest.fixture
def root(notebook, script, tmp_path):
    """Write the package twice, as ``.py`` and as notebooks, tests and all."""
    for name, text in PACKAGE.items():
        script(f"py/pack/{name}.py", text)
        notebook(f"nb/pack/{name}.ipynb", *text.split("\n\n"))
    for folder in ("py", "nb"):
        script(f"{folder}/conftest.py", "import nbimport")
        for name, text in TESTS.items():
            script(f"{folder}/pack/{name}", text)
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "where"),
    [
        ("prepend", ()),
        ("prepend", ("--pyargs", "pack")),
        ("append", ("pack",)),
        ("importlib", ("pack",)),
        ("importlib", ("pack/sub/tests",)),
    ],
)
def test_tests_in_a_package_of_notebooks_run_as_those_in_a_package_of_py_files(
    root, python, mode, where
):
    found = []
    for folder in ("py", "nb"):
        options = ("-q", "-rA", "--color=no", "-p", "no:cacheprovider", f"--import-mode={mode}")
        printed = python(
            args=("-m", "pytest", *options, *where),
            cwd=root / folder,
            env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(root / folder)},
        )
        found.append(sorted(line for line in printed.splitlines() if line.startswith("PASSED")))
    assert found[0] == found[1]
    assert len(found[0]) == (1 if where == ("pack/sub/tests",) else 3)


def test_uninstall_gives_pytest_its_functions_back(python):
    snippet = """
        import _pytest.pathlib as pathlib
        def taken():
            return [name for name in ("resolve_package_path", "_import_module_using_spec")
                    if getattr(pathlib, name).__module__ != "_pytest.pathlib"]
        import nbimport
        nbimport.install()
        before = taken()
        nbimport.uninstall()
        print(before, taken())
    """
    expected = "['resolve_package_path', '_import_module_using_spec'] []\n"
    assert python(snippet, hook=False) == expected
