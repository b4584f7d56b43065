"""pytest collects notebooks with tests as it collects .py files, and only when it is asked to."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

TESTS = """
import pytest
from helper import double

@pytest.fixture
def three():
    return 3

@pytest.fixture(scope="module", params=["a", "b"])
def letter(request):
    yield request.param
# %%
def test_passes(three, four):
    assert double(three) == four + 2
# %%
def test_fails(three, four):
    values = [1, 2, three]
    assert values == [1, 2, four]
# %%
class TestMethods:
    def setup_method(self):
        self.ready = True

    @pytest.mark.parametrize("n", [1, 2, pytest.param(3, marks=pytest.mark.xfail)])
    def test_doubles(self, n, letter):
        assert self.ready
        assert double(n) < 6
# %%
@pytest.mark.skip(reason="not now")
def test_skipped():
    assert False
# %%
import unittest

class TestOld(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(double(1), 2)
# %%
@pytest.mark.quick
def test_errors(nowhere):
    pass
# %%
def test_deep():
    from helper import broken
    broken()
""".strip().split("\n# %%\n")
HELPER = ("def double(n):\n    return 2 * n", "def broken():\n    x = 0\n    return 1 / x")
CONFTEST = "import pytest\n\n@pytest.fixture\ndef four():\n    return 4\n"
INI = "[pytest]\nmarkers = quick: soon done\n"


@pytest.fixture
def run(tmp_path):
    """Run pytest in the test's folder; return what it printed, and what came of each test.

    Without ``alone=False`` no plugin but ours is there: others are slow to import.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST", "COV")) and key != "PYTHONDONTWRITEBYTECODE"
    }

    def start(*arguments, code, alone=True):
        report = tmp_path / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", f"--junit-xml={report}"]
        if alone:
            command += ["-p", "nbimport"]
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**environment, **({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if alone else {})},
            capture_output=True,
            check=False,
            timeout=240,
            encoding="utf-8",
        )
        assert done.returncode == code, done.stdout + done.stderr
        outcomes = {}
        for case in ET.parse(report).iter("testcase") if report.exists() else ():
            kinds = [child.tag for child in case if child.tag not in ("system-out", "properties")]
            name = f"{case.get('classname')}.{case.get('name')}".replace(".ipynb", "")
            outcomes[name] = kinds[0] if kinds else "passed"
        return done.stdout, outcomes

    return start


@pytest.fixture
def written(notebook, script):
    """Write the tests as a notebook, beside a helper notebook and a conftest.py."""
    script("conftest.py", CONFTEST)
    script("pytest.ini", INI)
    notebook("helper.ipynb", *HELPER)
    return notebook("test_it.ipynb", *TESTS)


def test_a_notebook_gives_the_outcomes_that_the_same_py_file_gives(run, written, script):
    _, found = run("--nbimport", "--strict-markers", "--strict-config", code=1)
    script("test_it.py", "\n\n".join(TESTS))
    script("helper.py", "\n\n".join(HELPER))
    written.unlink()
    _, expected = run(code=1)
    assert found == expected
    assert len(found) == 12
    assert set(found.values()) == {"passed", "failure", "error", "skipped"}


def test_nothing_is_collected_and_nothing_imported_unless_it_is_asked_for(run, written, script):
    script(
        "test_plain.py",
        """
        import sys
        def test_silence():
            assert "nbimport" not in sys.modules
            assert not [f for f in sys.meta_path if "Notebook" in type(f).__name__]
        """,
    )
    _, outcomes = run("-W", "error", code=0, alone=False)
    assert outcomes == {"test_plain.test_silence": "passed"}


def test_a_failure_shows_notebook_cell_and_line_with_the_true_text_and_the_values(run, written):
    text, _ = run("--nbimport", "-k", "fails or deep or errors", code=1)
    assert ">       assert values == [1, 2, four]" in text
    assert "E       assert [1, 2, 3] == [1, 2, 4]" in text
    assert "At index 2 diff: 3 != 4" in text
    assert "test_it.ipynb cell 3:3: AssertionError" in text
    assert "test_it.ipynb cell 8:3:" in text
    assert ">       return 1 / x" in text
    assert "helper.ipynb cell 2:3: ZeroDivisionError" in text
    assert "test_it.ipynb cell 7, line 1" in text.replace("file ", "")  # of the missing fixture
    assert "FAILED test_it.ipynb::test_fails" in text
    assert "nbimport/" not in text


def test_asserts_stay_plain_where_pytest_is_told_so(run, written):
    text, _ = run("--nbimport", "--assert=plain", "-k", "fails", code=1)
    assert "At index 2" not in text
    assert "test_it.ipynb cell 3:3: AssertionError" in text


def test_only_the_test_of_a_node_id_is_run(run, written):
    _, outcomes = run("--nbimport", "test_it.ipynb::TestMethods::test_doubles[a-2]", code=0)
    assert outcomes == {"test_it.TestMethods.test_doubles[a-2]": "passed"}


def test_the_last_failures_are_run_again_alone(run, written):
    _, first = run("--nbimport", code=1)
    _, again = run("--nbimport", "--lf", code=1)
    assert again == {name: out for name, out in first.items() if out in ("failure", "error")}


def test_markers_select(run, written):
    _, outcomes = run("--nbimport", "-m", "quick", code=1)
    assert list(outcomes) == ["test_it.test_errors"]


def test_two_workers_find_the_same(run, written):
    pytest.importorskip("xdist")
    _, alone = run("--nbimport", code=1)
    text, shared = run("--nbimport", "-p", "xdist", "-n", "2", code=1)
    assert shared == alone
    assert "E       assert [1, 2, 3] == [1, 2, 4]" in text


def test_patterns_in_the_settings_switch_it_on(run, written, script, notebook):
    script("pytest.ini", INI + "nbimport_files = check_*.ipynb more/*.ipynb\n")
    notebook("check_this.ipynb", "def test_it(four): assert four == 4")
    notebook("more/any.ipynb", "def test_it(): pass")
    _, outcomes = run("--strict-config", code=0)
    assert outcomes == {"check_this.test_it": "passed", "more.any.test_it": "passed"}


def test_a_notebook_named_on_the_command_line_is_collected_whatever_its_name(run, notebook):
    notebook("analysis.ipynb", "x = [1]", "def test_x():\n    assert x == [2]")
    text, outcomes = run("--nbimport", "analysis.ipynb", code=1)
    assert outcomes == {"analysis.test_x": "failure"}
    assert "E       assert [1] == [2]" in text


def test_without_the_plugin_pytest_is_as_before(run, written):
    text, _ = run("-p", "no:nbimport", code=5, alone=False)
    assert "no tests ran" in text


def test_a_notebook_that_cannot_be_imported_is_an_error_at_its_cell(run, notebook, tmp_path):
    notebook("test_a.ipynb", "import nowhere_at_all")
    notebook("test_b.ipynb", "x = 1", "def f(:\n    pass")
    notebook("test_c.ipynb", "x = 1", "def f():\n    1 / 0", "f()")
    notebook("test_d.ipynb", "import pytest\npytest.skip('no')")
    (tmp_path / "test_e.ipynb").write_text("<<<<<<< ours\n")
    notebook("test_good.ipynb", "def test_good(): pass")
    text, outcomes = run("--nbimport", "--continue-on-collection-errors", code=1)
    for told in (
        "test_a.ipynb cell 1:1: in <module>",
        'test_b.ipynb cell 2", line 1',
        "test_c.ipynb cell 2:2: in f",
        "test_d.ipynb: pytest.skip() outside of a test; to skip the whole notebook",
        "test_e.ipynb: merge conflict markers at line 1",
        "1 passed, 5 errors",
    ):
        assert told in text
    assert outcomes["test_good.test_good"] == "passed"
    assert "nbimport/" not in text
    assert "INTERNALERROR" not in text


def test_a_notebook_may_skip_itself(run, notebook):
    notebook("test_skips.ipynb", "import pytest\npytest.importorskip('nowhere_at_all')")
    text, outcomes = run("--nbimport", "-rs", code=5)
    assert "test_skips.ipynb cell 1:2: could not import 'nowhere_at_all'" in text
    assert list(outcomes.values()) == ["skipped"]


def test_notebooks_of_the_same_name_do_not_collide(run, notebook):
    for folder in ("a", "b"):
        notebook(
            f"{folder}/test_same.ipynb",
            f"def test_{folder}(): assert __file__.endswith('{folder}/test_same.ipynb')",
        )
    _, outcomes = run("--nbimport", code=0)
    assert sorted(outcomes) == ["a.test_same.test_a", "b.test_same.test_b"]


def test_rewritten_and_plain_bytecode_never_mix(run, notebook, python, tmp_path):
    notebook("test_it.ipynb", "x = 1\nassert x == 1", "def test_it():\n    assert x == 2")
    snippet = """
        import test_it
        try:
            test_it.test_it()
        except AssertionError as error:
            print(repr(error))
    """
    for _ in range(2):
        assert python(snippet) == "AssertionError()\n"
        text, _ = run("--nbimport", code=1)
        assert "E       assert 1 == 2" in text
    entries = sorted(path.name for path in (tmp_path / "__pycache__").iterdir())
    tag = sys.implementation.cache_tag
    assert entries == [
        f"test_it.ipynb-pytest-{pytest.__version__}.{tag}.pyc",
        f"test_it.ipynb.{tag}.pyc",
    ]


def test_a_helper_notebook_is_rewritten_where_it_is_registered(run, notebook, script):
    script("conftest.py", "import pytest\npytest.register_assert_rewrite('checks')\n")
    notebook("checks.ipynb", "def check(x):\n    assert x == 2")
    notebook("test_it.ipynb", "import checks", "def test_it():\n    checks.check(1)")
    text, _ = run("--nbimport", code=1)
    assert "E       assert 1 == 2" in text


def test_warnings_and_output_name_the_cell(run, notebook):
    notebook(
        "test_it.ipynb",
        "import warnings",
        "def test_it():\n    warnings.warn('careful')\n    print('said')",
    )
    text, _ = run("--nbimport", "-rP", code=0)
    assert re.search(r"test_it\.ipynb cell 2:2: UserWarning: careful", text)
    assert "said" in text


def test_nbval_collects_its_cells_as_before(run, notebook):
    pytest.importorskip("nbval")
    path = notebook("test_it.ipynb", "x = 1", "def test_it(): assert x == 1")
    text, _ = run("--nbval", "--collect-only", "-q", "-W", "ignore", code=0, alone=False)
    assert [line for line in text.splitlines() if "::" in line] == [
        "test_it.ipynb::Cell 0",
        "test_it.ipynb::Cell 1",
    ]
    both, _ = run(
        "--nbval", "--nbimport", "--collect-only", "-q", "-W", "ignore", code=0, alone=False
    )
    assert sorted(line for line in both.splitlines() if "::" in line) == [
        "test_it.ipynb::Cell 0",
        "test_it.ipynb::Cell 1",
        "test_it.ipynb::test_it",
    ]
    path.rename(path.with_name("analysis.ipynb"))
    options = ("--nbval", "--nbimport", "--collect-only", "-q", "-W", "ignore", "analysis.ipynb")
    text, _ = run(*options, code=0, alone=False)
    assert "analysis.ipynb::Cell 1" in text
    assert "test_it" not in text


def test_pytest_started_where_nbimport_is_imported_already_does_not_complain(python, notebook):
    notebook("test_it.ipynb", "def test_it(): pass")
    snippet = """
        import sys, pytest
        from _pytest.assertion.rewrite import AssertionRewriter
        assert AssertionRewriter.is_rewrite_disabled(nbimport.__doc__)
        sys.exit(pytest.main(["-q", "-W", "error", "--nbimport", "-p", "no:cacheprovider"]))
    """
    assert "1 passed" in python(snippet)
