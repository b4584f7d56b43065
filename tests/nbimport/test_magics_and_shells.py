"""Who makes a shell, and what becomes of magics that are unknown, left out or refused."""

import pytest


def test_plain_python_never_imports_ipython(notebook, python):
    notebook("strings.ipynb", "y = '''\n%time\n!ls\n'''", "z = 10 \\\n% 4", "w = '?'  # %magic !ls")
    assert python("import strings, sys; print(strings.z, 'IPython' in sys.modules)") == "2 False\n"


def test_magics_that_need_no_shell_never_make_one(notebook, python):
    notebook(
        "analysis.ipynb",
        "%matplotlib inline\n%autoreload 2\n%config InlineBackend.figure_format = 'svg'",
        "%%time\ny = 1",
        "%time z = 1",
        "y?",
    )
    snippet = """
        import analysis, sys
        assert "nbimport.machinery.shell" not in sys.modules
        assert not sys.modules["IPython"].core.interactiveshell.InteractiveShell.initialized()
    """
    assert python(snippet) == ""
    snippet = "import analysis, sys; print('IPython' in sys.modules)"
    assert python(snippet) == "False\n"  # from the cache


def test_an_unknown_magic_says_where_it_stands_and_what_to_do(notebook, python, tmp_path):
    path = notebook("bad.ipynb", "x = 1", "def f():\n    %nosuch thing\n", "f()")
    cell = notebook("bad2.ipynb", "%%nosuch thing\nx = 1")
    snippet = """
        for name in "bad", "bad2":
            try:
                __import__(name)
            except nbimport.MagicError as error:
                print(error)
    """
    advice = 'load its extension, tag the cell "skip", or set magics = "skip" in [tool.nbimport]\n'
    assert python(snippet) == (
        f"{path} cell 2, line 2: %nosuch can't run during an import "
        f"(Line magic function `%nosuch` not found.); {advice}"
        f"{cell} cell 1, line 1: %%nosuch can't run during an import "
        f"(Cell magic `%%nosuch` not found.); {advice}"
    )


def test_magics_can_be_skipped(notebook, python):
    notebook(
        "magical.ipynb",
        "%env FOO=1",
        "files = !ls",
        "%%bash\nexit 1",
        "%%time\ny = 1",
        "%%capture out\nprint('x')",
        "def f():\n    %nosuch\n    x = %nosuch\n    return x",
        "get_ipython().run_line_magic('nosuch', '')",
        "%nosuch\n!false",
        "z = %time 3",
    )
    snippet = """
        nbimport.install(nbimport.Config(magics="skip"))
        import magical, os, sys
        assert "FOO" not in os.environ
        print(magical.files, magical.y, magical.f(), magical.z, "out" in vars(magical))
        assert sys.modules["nbimport.machinery.shell"]._bare is None
    """
    assert python(snippet) == "None 1 None 3 True\n"


@pytest.mark.parametrize(
    ("cell", "line", "what"),
    [
        ("x = 1\n%env FOO=1", 2, "'%env'"),
        ("x = !ls", 1, "'!ls'"),
        ("\n%%bash\nls", 2, "'%%bash'"),
        ("%%time\nx = 1", 1, "'%%time'"),
        ("%%capture\n\n!ls", 1, "'%%capture'"),
        ("if 1:\n    %nosuch", 2, "'%nosuch'"),
    ],
)
def test_magics_can_be_an_error(notebook, python, cell, line, what):
    path = notebook("magical.ipynb", "%matplotlib inline\nprint?", {"source": cell})
    snippet = """
        nbimport.install(nbimport.Config(magics="error"))
        try:
            import magical
        except nbimport.MagicError as error:
            print(error)
            print(error.path == nbimport.load.__globals__["os"].path.abspath("magical.ipynb"),
                  error.cell, error.line)
    """
    assert python(snippet) == (
        f"{path} cell 2, line {line}: {what} is not Python, and magics are set to raise; "
        'write it in Python, tag the cell "skip", or set magics = "run"\n'
        f"True 2 {line}\n"
    )


def test_calls_of_the_shell_can_be_an_error_too(notebook, python):
    path = notebook("magical.ipynb", "x = 1\nget_ipython().run_line_magic('env', '')")
    snippet = """
        nbimport.install(nbimport.Config(magics="error"))
        try:
            import magical
        except nbimport.MagicError as error:
            print(error)
    """
    assert python(snippet).startswith(f"{path} cell 1, line 2: '%env' needs IPython, and magics")


def test_display_and_get_ipython_work_outside_ipython(notebook, python):
    notebook(
        "shows.ipynb",
        "display([1, 2], 'two')",
        """
        def in_notebook():
            try:
                return get_ipython().__class__.__name__ == "ZMQInteractiveShell"
            except NameError:
                return False

        def late():
            display({"a": 1})
        """,
        "colab = 'google.colab' in str(get_ipython())",
    )
    notebook("own.ipynb", "def display(x):\n    return 'own', x", "y = display(1)")
    notebook("imports.ipynb", "from IPython.display import display", "display(3)")
    snippet = """
        import shows, own, imports, builtins
        shows.late()
        print(shows.in_notebook(), shows.colab, own.y)
        assert not hasattr(builtins, "display") and not hasattr(builtins, "get_ipython")
    """
    assert python(snippet) == "[1, 2] two\n3\n{'a': 1}\nFalse False ('own', 1)\n"


def test_a_module_keeps_its_shell_names_to_itself(notebook, python):
    notebook("uses.ipynb", "%env FOO=1\nx = 1\n!true")
    snippet = """
        import uses
        names = sorted(set(vars(uses)) - set(vars(nbimport)))
        print(names)
        import pickle, IPython.core.interactiveshell as core, sys
        assert sys.displayhook is sys.__displayhook__ and sys.excepthook.__module__ != "IPython"
    """
    assert python(snippet) == "env: FOO=1\n['_exit_code', 'get_ipython', 'x']\n"


def test_a_magic_defined_in_a_notebook_works_there(notebook, python):
    notebook(
        "defines.ipynb",
        """
        from IPython.core.magic import register_line_magic

        @register_line_magic
        def double(line):
            return 2 * int(line)
        """,
        "x = %double 21",
    )
    snippet = """
        from IPython.core.interactiveshell import InteractiveShell
        InteractiveShell.instance()
        import defines
        print(defines.x)
    """
    assert python(snippet) == "42\n"
