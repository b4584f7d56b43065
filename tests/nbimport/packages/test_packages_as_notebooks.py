"""Whole packages as notebooks: their own tests find no difference.

The truth is the same package as ``.py`` in the same environment. Beyond outcomes, the names,
docstring, doctests, and every class's and function's source and comments in each module must be
the same.

Tests of more-itertools that take seconds and pass as notebooks in both styles are not run a third
time, as ``.py``.
"""


def test_toolz_passes_its_tests_as_notebooks(results, same_as_py):
    found = results("toolz", ["toolz", "tlz"], ["toolz"], inside=True)
    same_as_py(found, least=190)


def test_more_itertools_passes_its_tests_as_notebooks(results, same_as_py):
    found = results("more-itertools", ["more_itertools"], ["tests"], sparing=True)
    same_as_py(found, least=700)
