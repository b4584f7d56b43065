"""``get_ipython`` and ``display`` outside IPython: given where they are taken for granted."""

import pytest

# Each asks in a way of its own whether there is a session. Python alone on the same text as .py is
# the truth.
ASKING = {
    "a call": """
        try:
            found = get_ipython().__class__.__name__
        except NameError:
            found = "no session"
    """,
    "a function": """
        def in_notebook():
            try:
                shell = get_ipython().__class__.__name__
                return shell == "ZMQInteractiveShell"
            except (ImportError, NameError):
                return "no session"

        found = in_notebook()
    """,
    "a bare except": """
        try:
            display
            found = True
        except:
            found = False
    """,
    "an Exception, and an else": """
        try:
            from os import path
            if "IPKernelApp" not in get_ipython().config:
                raise ImportError("console")
        except Exception as error:
            found = type(error).__name__
        else:
            found = "a kernel"
    """,
    "nested handlers": """
        try:
            try:
                get_ipython
            finally:
                found = 1
        except BaseException as error:
            found = repr(error)
    """,
    "an import, if it is there": """
        try:
            from no_such_module import display
        except ImportError:
            pass

        def show(x):
            return display(x)

        found = "display" in globals()
    """,
    "an assignment that fails": """
        import sys
        try:
            get_ipython = sys.modules["no_such_module"].get_ipython
            get_ipython()
        except KeyError:
            found = "get_ipython" in globals()
    """,
    "a definition of its own": """
        def display(x):
            return "own", x

        found = display(1)
    """,
    "a global of a function": """
        def define():
            global get_ipython
            get_ipython = 3

        found = ["get_ipython" in globals(), define(), get_ipython]
    """,
    "a class's own": """
        class Shown:
            display = 5
            twice = 2 * display

        found = Shown.twice, "display" in globals()
    """,
}


@pytest.mark.parametrize("text", ASKING.values(), ids=ASKING)
def test_code_that_asks_for_a_session_gets_the_answer_that_a_py_file_gets(text, same):
    truth = same({"asks": text}, "import asks; print(asks.found)")
    assert truth.strip()


def test_code_that_takes_a_session_for_granted_gets_its_names(notebook, python):
    notebook("colab.ipynb", "if 'google.colab' in str(get_ipython()):\n    1 / 0\nfound = True")
    notebook("handler.ipynb", "try:\n    1 / 0\nexcept Exception:\n    display('in a handler')")
    notebook("other.ipynb", "try:\n    found = get_ipython() is not None\nexcept ImportError: pass")
    notebook("late.ipynb", "display('early')", "from IPython.display import display", "display(2)")
    notebook(
        "inside.ipynb",
        """
        try:
            def show(x):
                display(x)
        except NameError:
            pass
        """,
    )
    notebook("magic.ipynb", "try:\n    %env SESSION_NAMES=1\nexcept NameError:\n    1 / 0")
    notebook(
        "both.ipynb",
        "try:\n    get_ipython()\nexcept NameError:\n    1 / 0",
        "shell = get_ipython()",
    )
    snippet = """
        import os, colab, handler, other, late, inside, magic, both
        inside.show("called later")
        print(colab.found, other.found, os.environ["SESSION_NAMES"], both.shell is not None)
    """
    assert python(snippet) == (
        "in a handler\nearly\n2\nenv: SESSION_NAMES=1\ncalled later\nTrue True 1 True\n"
    )


def test_looking_for_a_sessions_names_repeats_no_warning(notebook, python):
    notebook("warns.ipynb", r"display('\d')")
    errors = python("import warns", options=("-W", "always"), quiet=False)
    assert errors == "\\d\n"
    notebook("strict.ipynb", r"x = '\d'" + "\ntry:\n    display(x)\nexcept NameError:\n    pass")
    snippet = """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import strict
        print([str(warning.message)[:23] for warning in caught], hasattr(strict, "display"))
    """
    assert python(snippet) == "['invalid escape sequence'] False\n" or (
        # Python 3.14 words it otherwise
        python(snippet).count("invalid escape sequence") == 1
    )
