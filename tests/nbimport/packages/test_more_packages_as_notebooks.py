"""Larger packages as notebooks, whose tests take minutes: part of ``make soak``."""

import pytest

# Tests that look for files called *.py in the package's folder.
_LISTS_FILES = (
    "tests/test_fileutils.py::test_iter_find_files",
    "tests/test_fileutils.py::test_iter_find_files_pathlike",
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "modules", "tests", "needs", "least"),
    [
        ("asttokens", ["asttokens"], ["tests"], ["astroid"], 100),
        ("attrs", ["attr", "attrs"], ["tests"], [], 1200),
        ("click", ["click"], ["tests"], [], 2000),
        ("executing", ["executing"], ["tests"], ["littleutils"], 150),
        ("idna", ["idna"], ["tests"], [], 6000),
        ("itsdangerous", ["itsdangerous"], ["tests"], ["freezegun"], 250),
        ("jinja2", ["jinja2"], ["tests"], [], 700),
        ("parso", ["parso"], ["test"], [], 1900),
        ("pluggy", ["pluggy"], ["testing"], [], 200),
        ("pure_eval", ["pure_eval"], ["tests"], ["littleutils"], 40),
        ("pyparsing", ["pyparsing"], ["tests"], ["railroad-diagrams"], 1900),
        ("traitlets", ["traitlets"], ["tests"], ["pytest-mock"], 500),
    ],
)
def test_a_package_passes_its_tests_as_notebooks(  # noqa: PLR0913, PLR0917 - a row of the table
    results, same_as_py, name, modules, tests, needs, least
):
    same_as_py(results(name, modules, tests, needs=needs), least=least)


def test_boltons_passes_its_tests_as_notebooks_but_those_that_look_for_py_files(
    results, same_as_py
):
    found = results("boltons", ["boltons"], ["tests"])
    same_as_py(found, least=500, allowed=_LISTS_FILES, unlike=["boltons.fileutils"])
