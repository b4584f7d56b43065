"""Larger packages as notebooks, whose tests take minutes: part of ``make soak``."""

import pytest

# Tests that look for files called *.py in the package's folder.
_LISTS_FILES = (
    "tests/test_fileutils.py::test_iter_find_files",
    "tests/test_fileutils.py::test_iter_find_files_pathlike",
)

_TRIO = ["trio", "outcome", "sniffio", "sortedcontainers"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "modules", "tests", "needs", "least"),
    [
        ("asttokens", ["asttokens"], ["tests"], ["astroid"], 100),
        ("attrs", ["attr", "attrs"], ["tests"], [], 1200),
        ("bottle", ["bottle"], ["test"], [], 350),
        ("click", ["click"], ["tests"], [], 2000),
        ("executing", ["executing"], ["tests"], ["littleutils"], 150),
        ("idna", ["idna"], ["tests"], [], 6000),
        ("itsdangerous", ["itsdangerous"], ["tests"], ["freezegun"], 250),
        ("jinja2", ["jinja2"], ["tests"], _TRIO, 700),
        ("parso", ["parso"], ["test"], [], 1900),
        ("pluggy", ["pluggy"], ["testing"], [], 200),
        ("pure_eval", ["pure_eval"], ["tests"], ["littleutils"], 40),
        ("pyparsing", ["pyparsing"], ["tests"], ["railroad-diagrams"], 1900),
        ("sqlparse", ["sqlparse"], ["tests"], [], 500),
        ("tomlkit", ["tomlkit"], ["tests"], ["pyyaml"], 1100),
    ],
)
def test_a_package_passes_its_tests_as_notebooks(  # noqa: PLR0913, PLR0917 - a row of the table
    results, same_as_py, name, modules, tests, needs, least
):
    same_as_py(results(name, modules, tests, needs=needs), least=least)


def test_traitlets_passes_its_tests_as_notebooks(results, same_as_py):
    needs, plugins = ["pytest-mock"], ["pytest_mock"]
    found = results("traitlets", ["traitlets"], ["tests"], needs=needs, plugins=plugins)
    same_as_py(found, least=500)


def test_boltons_passes_its_tests_as_notebooks_but_those_that_look_for_py_files(
    results, same_as_py
):
    found = results("boltons", ["boltons"], ["tests"])
    same_as_py(found, least=500, allowed=_LISTS_FILES, unlike=["boltons.fileutils"])
