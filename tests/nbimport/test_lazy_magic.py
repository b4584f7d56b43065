"""A magic is listed, explained and completed before its first use, and loaded only then."""

import re
import sys

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from nbimport.integrations import lazy_magic

EXTENSION = '''
from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope
from IPython.core.magic import no_var_expand


@magics_class
class Costly(Magics):
    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def costly(self, line, cell=None, local_ns=None):
        """Explain what it costs."""
        return line, cell, "inner" in (local_ns or {})


@context_matcher(identifier="costly")
def matcher(context):
    return {"completions": [SimpleCompletion(text="--option")], "suppress": True}


def load_ipython_extension(shell):
    shell.register_magics(Costly)
    own = [each for each in shell.Completer.custom_matchers
           if getattr(each, "matcher_identifier", "") != "costly"]
    shell.Completer.custom_matchers[:] = [*own, matcher]
'''


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A shell that is offered a magic by its name."""
    (tmp_path / "costly_extension.py").write_text(EXTENSION, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    made = InteractiveShell.instance()
    lazy_magic.offer(made, "costly", "costly_extension")
    assert not is_loaded()
    yield made
    InteractiveShell.clear_instance()
    sys.modules.pop("costly_extension", None)


def is_loaded():
    return "costly_extension" in sys.modules


@pytest.mark.parametrize("text", ["%costly?", "%%costly?", "costly?"])
def test_a_question_mark_explains_it_before_its_first_use(shell, text):
    with capture_output() as shown:
        shell.run_cell(text)
    assert "Explain what it costs." in shown.stdout
    assert is_loaded()


def test_two_question_marks_show_its_own_source(shell):
    with capture_output() as shown:
        shell.run_cell("%costly??")
    said = re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout)
    assert "costly_extension.py" in said
    assert "return line, cell" in said


def test_the_first_use_is_like_every_other(shell):
    for _ in range(2):
        assert shell.run_cell("a = 1\nseen = %costly {a} $a").success
        assert shell.user_ns["seen"] == ("{a} $a", None, False)
        shell.run_cell(
            "def f():\n    inner = 1\n    return get_ipython().run_line_magic('costly', 'x')"
        )
        assert shell.run_cell("f()").result == ("x", None, True)
        assert shell.run_cell("%%costly {a}\n1").result == ("{a}", "1\n", False)


def test_the_first_use_may_be_within_a_function(shell):
    shell.run_cell(
        "def f():\n    inner = 1\n    return get_ipython().run_line_magic('costly', 'x')"
    )
    assert shell.run_cell("f()").result == ("x", None, True)


def completed(shell, text):
    with provisionalcompleter():
        return [each.text for each in shell.Completer.completions(text, len(text))]


@pytest.mark.parametrize("text", ["%costly --", "%%costly -", "x = %costly --o", "x\n%costly "])
def test_its_options_are_completed_before_its_first_use(shell, text):
    assert "--option" in completed(shell, text)
    assert is_loaded()
    assert "--option" in completed(shell, text)


def test_its_name_is_listed_and_completed_without_loading_it(shell):
    assert "%costly" in completed(shell, "%cost")
    completed(shell, "costly = 1; cost")
    with capture_output() as shown:
        result = shell.run_cell("%lsmagic")
    assert "%costly" in shown.stdout + repr(result.result)
    assert not is_loaded()


def test_a_magic_that_is_there_is_left_alone(shell):
    shell.run_line_magic("load_ext", "costly_extension")
    own = shell.find_line_magic("costly"), list(shell.Completer.custom_matchers)
    lazy_magic.offer(shell, "costly", "another_extension")
    assert (shell.find_line_magic("costly"), shell.Completer.custom_matchers) == own


def test_one_that_can_t_be_loaded_says_so_when_it_is_used(shell, tmp_path):
    (tmp_path / "costly_extension.py").write_text("import no_such_module", encoding="utf-8")
    completed(shell, "%costly --")
    with capture_output() as shown:
        result = shell.run_cell("%costly x")
    assert not result.success
    assert "no_such_module" in shown.stdout + shown.stderr
