"""install(), uninstall() and what they leave untouched."""

import pytest

# What an importer could change. Taken before and after, it must be equal.
SNAPSHOT = """
import builtins, importlib, linecache, pkgutil, sys, threading, traceback, warnings
import importlib.machinery, importlib.util, inspect, pdb, doctest, runpy, os, io
def snapshot():
    modules = (
        builtins, importlib, importlib._bootstrap, importlib._bootstrap_external, linecache,
        pkgutil, threading, traceback, warnings, importlib.machinery, importlib.util, inspect, pdb,
        doctest, runpy, os, io,
    )
    kept = {m.__name__: dict(vars(m)) for m in modules}
    for cls in (importlib.machinery.FileFinder, importlib.machinery.PathFinder, pdb.Pdb):
        kept[cls] = dict(vars(cls))
    kept["sys"] = [
        list(sys.meta_path), list(sys.path_hooks), list(sys.path), sys.excepthook,
        sys.displayhook, sys.unraisablehook, sys.breakpointhook, list(sys.warnoptions),
        sys.gettrace(), sys.getprofile(), sys.getswitchinterval(), sys.getrecursionlimit(),
    ]
    kept["threading"] = {**kept["threading"], "hook": threading.excepthook}
    kept["pkgutil registry"] = dict(pkgutil.iter_importer_modules.registry)
    kept["warnings"] = {**kept["warnings"], "list": list(warnings.filters)}
    kept["warnings"].pop("_filters_version", None)
    kept["linecache"].pop("cache")
    return kept
before = snapshot()
def compare():
    after = snapshot()
    for place in before:
        if isinstance(before[place], dict):
            for name in before[place].keys() | after[place].keys():
                assert before[place].get(name) is after[place].get(name) or (
                    before[place].get(name) == after[place].get(name)
                ), (place, name)
        assert before[place] == after[place], place
"""


@pytest.fixture
def things(notebook, script):
    notebook("nb.ipynb", "x = 1\ndef f():\n    import helper\n    return helper.x")
    notebook("helper.ipynb", "x = 2")
    notebook("magic.ipynb", "%matplotlib inline\ny = get_ipython()")
    notebook("command.ipynb", "!exit 1")
    script("plain.py", "x = 3")


def test_uninstall_leaves_no_trace(things, python):
    snippet = """
        import nbimport, nb, inspect
        inspect.getsource(nb.f)
        nbimport.mount("lab", ".")
        import lab.helper
        nbimport.load("nb.ipynb", only="definitions")
        handle = nbimport.install(nbimport.Config(magics="skip"))
        nbimport.uninstall()
        compare()
        nbimport.uninstall()
        handle.uninstall()
        compare()
        try:
            import helper
        except ModuleNotFoundError:
            print("gone")
        import plain, nb
        print(nb.x)
        for name in [name for name in sys.modules if name.partition(".")[0] == "nbimport"]:
            del sys.modules[name]
        compare()
        import nbimport, helper
        print(nb.f())
        nbimport.uninstall()
        compare()
    """
    lines = SNAPSHOT + "\n".join(line[8:] for line in snippet.splitlines())
    assert python(lines, hook=False) == "gone\n1\n2\n"


def test_importing_nbimport_twice_changes_nothing(things, python):
    snippet = """
        import nbimport
        import sys, importlib
        from nbimport.machinery.finder import NotebookFinder
        once = snapshot()
        import nbimport as again
        importlib.import_module("nbimport")
        assert again is nbimport and snapshot() == once
        importlib.reload(nbimport)
        nbimport.install(); nbimport.install()
        assert snapshot() == once
        assert sum(isinstance(finder, NotebookFinder) for finder in sys.meta_path) == 1
        nbimport.uninstall()
        compare()
    """
    python(SNAPSHOT + "\n".join(line[8:] for line in snippet.splitlines()), hook=False)


def test_a_handle_takes_back_just_what_its_install_did(things, python):
    snippet = """
        import sys, nbimport
        with nbimport.install(nbimport.Config(magics="skip")) as hook:
            assert repr(hook) == "<nbimport.ImportHook on>"
            assert isinstance(hook, nbimport.ImportHook) and hook.config.magics == "skip"
        assert repr(hook) == "<nbimport.ImportHook off>"
        hook.uninstall()
        import nb                       # still on: `import nbimport` switched it on
        nbimport.uninstall()
        with nbimport.install() as hook:
            import helper
            with nbimport.install():
                pass
            del sys.modules["helper"]
            import helper               # the inner one had installed nothing
        try:
            import magic
        except ModuleNotFoundError:
            print("off")
        with nbimport.install():
            try:
                with nbimport.install(nbimport.Config(magics="error")):
                    import command
            except nbimport.MagicError:
                print("refused")
            with nbimport.install(nbimport.Config(magics="skip")):
                import command
    """
    assert python(snippet, hook=False) == "off\nrefused\n"


def test_settings_given_last_hold_and_end_in_any_order(notebook, python):
    notebook("nb.ipynb", ("a = 1", "one"), ("b = 1", "two"))
    snippet = """
        import sys
        def names():
            sys.modules.pop("nb", None)
            import nb
            return "".join(sorted({"a", "b"} & set(vars(nb))))
        one = nbimport.install(nbimport.Config(skip_tags=["one"]))
        two = nbimport.install(nbimport.Config(skip_tags=["two"]))
        print(names())
        one.uninstall()
        print(names())
        two.uninstall()
        print(names())
    """
    assert python(snippet) == "a\na\nab\n"


def test_importing_is_silent(notebook, script, python):
    notebook("nb.ipynb", "import plain\nfrom helper import x", "def f():\n    return x")
    notebook("helper.ipynb", "x = 2")
    script("plain.py", "x = 3")
    for options in ((), ("-W", "error"), ("-bb", "-W", "error", "-X", "dev"), ("-I",), ("-E",)):
        start = "import sys; sys.path.insert(0, '.'); import nbimport; "
        for _ in range(2):
            assert python(start + "import nb", hook=False, options=options) == ""


def test_a_verbose_import_names_the_notebook_as_it_names_py_files(notebook, script, python):
    notebook("nb.ipynb", "x = 1")
    script("plain.py", "x = 1")
    snippet = "import sys; sys.stderr = sys.stdout; import nb, plain"
    said = python(snippet, options=["-v"], quiet=False)
    assert "import 'nb' # <" in said
    assert "import 'plain' # <" in said


def test_builtins_and_py_modules_are_untouched(things, python):
    snippet = """
        import builtins
        before = dict(vars(builtins))
        import plain
        spec, loader = plain.__spec__, plain.__loader__
        import nbimport, nb, magic, sys
        assert dict(vars(builtins)) == before, set(vars(builtins)) ^ set(before)
        del sys.modules["plain"]
        import plain
        assert type(plain.__loader__) is type(loader)
        assert plain.__spec__ == spec and plain.__cached__ == spec.cached
        assert nb.__builtins__ is builtins.__dict__
    """
    python(snippet, hook=False)


def test_functions_of_imported_notebooks_work_on_after_uninstall(notebook, script, python):
    notebook("nb.ipynb", "import helper\ndef f():\n    import helper\n    return helper.x")
    notebook("helper.ipynb", "x = 2")
    assert python("import nb; nbimport.uninstall(); print(nb.f())") == "2\n"


@pytest.mark.usefixtures("unmeasured")
def test_import_nbimport_reaches_no_big_package(script, python):
    code = "import sys, nbimport; print(*{m.partition('.')[0] for m in sys.modules})"
    probe = script("probe.py", code)  # from 3.13 `-c` imports linecache, which is extended
    loaded = set(python(args=[str(probe)]).split())
    assert not loaded & {"IPython", "nbformat", "torch", "pytest", "json", "typing", "re", "ast"}


def test_the_public_names_that_come_late_are_there(python):
    snippet = """
        from nbimport import *
        assert Config and ConfigError and NotebookImportError
        assert set(nbimport.__all__) <= set(dir(nbimport))
        try:
            nbimport.nothing
        except AttributeError as error:
            print(error)
        try:
            from nbimport import nothing
        except ImportError as error:
            print(str(error).partition(" (")[0])
    """
    lines = "module 'nbimport' has no attribute 'nothing'\n"
    assert python(snippet) == lines + "cannot import name 'nothing' from 'nbimport'\n"
