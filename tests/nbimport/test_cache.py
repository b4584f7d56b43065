"""Bytecode of notebooks: where it lies, when it is used, and when it is not."""

import importlib.util
import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

TRACE = """
import sys
opened, compiled = [], []
def hook(event, args):
    if event == "open" and str(args[0]).endswith(".ipynb"):
        opened.append(args[0])
    elif event == "compile" and ".ipynb" in str(args[1]):
        compiled.append(str(args[1]))
sys.addaudithook(hook)
"""


@pytest.fixture
def traced(python, tmp_path):
    """Import ``nb`` in a fresh process; return its x, and what was opened and compiled."""

    def run(name="nb", **options):
        while time.time_ns() - (tmp_path / "nb.ipynb").stat().st_ctime_ns < 10**8:
            pass  # a file just written might be written again within the clock's tick
        snippet = (
            TRACE
            + f"import {name}, json; print(json.dumps([{name}.x, len(opened), len(compiled)]))"
        )
        return json.loads(python(snippet, **options))

    return run


def entries(folder):
    return sorted(path.name for path in (folder / "__pycache__").iterdir())


@pytest.mark.parametrize(("options", "tag"), [((), ""), (("-O",), ".opt-1"), (("-OO",), ".opt-2")])
def test_the_bytecode_has_its_own_pyc_for_each_optimisation_level(  # noqa: PLR0913, PLR0917 - fixtures
    notebook, script, python, tmp_path, options, tag
):
    notebook("nb.ipynb", '"""Doc."""\ndef f():\n    """Doc of f."""\n    assert 0, "on"')
    script("plain.py", '"""Doc."""\ndef f():\n    """Doc of f."""\n    assert 0, "on"')
    snippet = """
        import nb, plain
        def ran(f):
            try:
                f()
            except AssertionError:
                return "asserts"
        for module in (nb, plain):
            assert module.__spec__.cached == module.__cached__, module
            print(module.__cached__, module.__doc__, module.f.__doc__, ran(module.f))
    """
    ours, theirs = python(snippet, options=options).splitlines()
    tag = sys.implementation.cache_tag + tag
    assert ours.split()[0] == str(tmp_path / f"__pycache__/nb.ipynb.{tag}.pyc")
    assert ours.split()[1:] == theirs.split()[1:]
    assert entries(tmp_path) == [f"nb.ipynb.{tag}.pyc", f"plain.{tag}.pyc"]
    assert python(snippet, options=options).splitlines() == [ours, theirs]


def test_the_entry_lies_where_importlib_would_put_a_file_of_that_name(notebook, python, tmp_path):
    path = notebook("a b.c.ipynb", "x = 1")
    printed = python("print(nbimport.load('a b.c.ipynb').__cached__)")
    assert printed.strip() == importlib.util.cache_from_source(f"{path}.py")
    assert Path(printed.strip()).exists()


def test_a_notebook_and_a_py_file_of_one_name_never_share_bytecode(
    notebook, script, python, tmp_path
):
    path = notebook("twin.ipynb", "x = 'notebook'")
    python("import twin; assert twin.x == 'notebook'")
    status = path.stat()
    text = "x = 'script'".ljust(status.st_size, "#")
    twin = script("twin.py", text)
    os.utime(twin, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert twin.stat().st_size == status.st_size
    for hook in (False, True):
        assert python("import twin; print(twin.x)", hook=hook) == "script\n"
    twin.unlink()
    assert python("import twin; print(twin.x)") == "notebook\n"


def test_a_second_import_in_a_fresh_process_does_not_open_the_notebook(notebook, traced):
    notebook("nb.ipynb", "x = 1", "def f():\n    return 2")
    assert traced() == [1, 1, 2]
    assert traced() == [1, 0, 0]


@pytest.mark.usefixtures("unmeasured")
def test_a_warm_import_touches_only_what_it_needs(notebook, script, python):
    notebook("nb.ipynb", "import os", "x = 1")
    snippet = """
        import sys
        before = set(sys.modules)
        import nbimport, nb
        new = set(sys.modules) - before - {"__future__", "nb"}
        print(*sorted(new))
    """
    python("import nb")
    probe = script("probe.py", snippet)  # from 3.13 `-c` imports linecache, which is extended
    parts = ("cache", "finder", "folders", "loader")
    expected = ["nbimport", "nbimport.hook", "nbimport.machinery"]
    expected += [f"nbimport.machinery.{part}" for part in parts]
    assert python(args=[str(probe)]).split() == expected


@pytest.mark.parametrize("how", ["-B", "PYTHONDONTWRITEBYTECODE", "sys.dont_write_bytecode"])
def test_nothing_is_written_when_python_writes_no_bytecode(notebook, python, traced, tmp_path, how):
    notebook("nb.ipynb", "x = 1")
    options = {
        "-B": {"options": ["-B"]},
        "PYTHONDONTWRITEBYTECODE": {"env": {"PYTHONDONTWRITEBYTECODE": "1"}},
        "sys.dont_write_bytecode": {},
    }[how]
    home = tmp_path / "cache"
    env = {"XDG_CACHE_HOME": str(home), **options.pop("env", {})}
    begin = "import sys; sys.dont_write_bytecode = True\n" if how.startswith("sys") else ""
    assert python(begin + "import nb; print(nb.x)", env=env, **options) == "1\n"
    assert not (tmp_path / "__pycache__").exists()
    assert not home.exists()
    traced()  # writes
    assert traced(env=env, **options) == [1, 0, 0]  # what is there is read


@pytest.mark.parametrize("how", ["-X", "PYTHONPYCACHEPREFIX", "sys.pycache_prefix"])
def test_a_pycache_prefix_is_honoured(notebook, python, tmp_path, how):
    path = notebook("nb.ipynb", "x = 1")
    prefix = tmp_path / "else where"
    options = {
        "-X": {"options": ["-X", f"pycache_prefix={prefix}"]},
        "PYTHONPYCACHEPREFIX": {"env": {"PYTHONPYCACHEPREFIX": str(prefix)}},
        "sys.pycache_prefix": {},
    }[how]
    begin = f"import sys; sys.pycache_prefix = {str(prefix)!r}\n" if how.startswith("sys") else ""
    snippet = begin + TRACE + "import nb; print(nb.__cached__, len(opened), sep='|')"
    cached, opened = python(snippet, **options).strip().split("|")
    assert (opened, Path(cached).exists()) == ("1", True)
    tag = sys.implementation.cache_tag
    assert cached == f"{prefix}{path.parent}/nb.ipynb.{tag}.pyc"
    assert python(snippet, **options).strip() == f"{cached}|0"
    assert not (tmp_path / "__pycache__").exists()


def test_without_a_cache_tag_nothing_is_cached(notebook, python, tmp_path):
    notebook("nb.ipynb", "x = 1")
    snippet = """
        import sys; sys.implementation.cache_tag = None
        import nb; print(nb.x, nb.__spec__.cached)
    """
    assert python(snippet) == "1 None\n"
    assert not (tmp_path / "__pycache__").exists()


def test_every_edit_is_seen_also_of_the_same_size_within_one_tick_of_the_clock(notebook, python):
    notebook("nb.ipynb", "x = 100")
    snippet = """
        import importlib, os, sys, nb
        text = open("nb.ipynb").read()
        seen = []
        for number in range(100, 300):
            status = os.stat("nb.ipynb")
            with open("nb.ipynb", "w") as file:
                file.write(text.replace("100", str(number)))
            if number % 3:
                os.utime("nb.ipynb", ns=(status.st_atime_ns, status.st_mtime_ns))
            sys.modules.pop("nb")
            seen.append(importlib.import_module("nb").x)
            seen.append(importlib.reload(sys.modules["nb"]).x)
        assert seen == [number for number in range(100, 300) for _ in "ab"], seen
    """
    python(snippet)


def test_an_edit_with_size_and_time_restored_is_seen_in_a_fresh_process(notebook, traced):
    path = notebook("nb.ipynb", "x = 1")
    old = path.stat().st_mtime_ns - 10**12
    os.utime(path, ns=(old, old))
    assert traced()[0] == traced()[0] == 1
    path.write_text(path.read_text().replace("x = 1", "x = 2"))
    os.utime(path, ns=(old, old))
    assert path.stat().st_mtime_ns == old
    assert traced() == [2, 1, 1]


def test_a_replaced_file_of_equal_size_and_time_is_seen(notebook, traced, tmp_path):
    path = notebook("nb.ipynb", "x = 1")
    other = notebook("other.ipynb", "x = 2")
    for file in (path, other):
        os.utime(file, ns=(10**18, 10**18))
    assert traced()[0] == 1
    other.replace(path)
    assert traced()[0] == 2


def test_a_save_of_outputs_alone_keeps_the_bytecode(notebook, traced, tmp_path):
    path = notebook("nb.ipynb", "x = 1", "def f():\n    return 2")
    traced()
    (entry,) = (tmp_path / "__pycache__").iterdir()
    document = json.loads(path.read_text())
    for cell in document["cells"]:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "new"}]
        cell["execution_count"] = 7
    document["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path.write_text(json.dumps(document))
    old = path.stat().st_mtime_ns - 10**12
    os.utime(path, ns=(old, old))
    assert traced()[1:] == [1, 0]  # read, but not compiled
    assert entries(tmp_path) == [entry.name]
    assert traced()[1:] == [0, 0]


def test_a_change_of_code_tags_or_title_is_no_save_of_outputs(notebook, markdown, python):
    snippet = "import nb; print(nb.__doc__, vars(nb).get('x'))"
    for title, tags, printed in [
        ("One.", (), "One. 1"),
        ("Two.", (), "Two. 1"),
        ("Two.", ("skip",), "Two. None"),
        ("Two.", ("other",), "Two. 1"),
    ]:
        notebook("nb.ipynb", markdown(title), ("x = 1", *tags))
        assert python(snippet) == printed + "\n"


def test_settings_that_shape_the_code_have_entries_that_do_not_serve_each_other(
    notebook, script, python
):
    notebook("nb.ipynb", ("x = 1", "mine"), "y = 2")
    snippet = "import nb; print(sorted(set(vars(nb)) & {'x', 'y'}))"
    for setting, printed in [
        ("", "['x', 'y']"),
        ("skip-tags = ['mine']", "['y']"),
        ("skip-tags = []", "['x', 'y']"),
        ("definitions-only = ['*']", "['x', 'y']"),
    ]:
        script("pyproject.toml", f"[tool.nbimport]\n{setting}\n")
        assert python(snippet).strip() == printed
    notebook("nb.ipynb", "x = print('work')", "def f(): ...")
    script("pyproject.toml", "")
    snippet = """
        whole = nbimport.load("nb.ipynb")
        part = nbimport.load("nb.ipynb", only="definitions")
        print(hasattr(whole, "x"), hasattr(part, "x"), whole.__cached__ == part.__cached__)
    """
    assert python(snippet) == python(snippet) == "work\nTrue False False\n"


def test_a_moved_notebook_shows_its_new_place(notebook, python, tmp_path):
    notebook("old/nb.ipynb", "def f():\n    return f.__code__.co_filename")
    snippet = "import nb; print(nb.f())"
    python(snippet, cwd=tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert python(snippet, cwd=tmp_path / "new") == f"{tmp_path}/new/nb.ipynb cell 1\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444, 0o664])
def test_the_entry_is_never_open_wider_than_the_notebook(notebook, python, tmp_path, mode):
    notebook("nb.ipynb", "x = 1").chmod(mode)
    python("import os; os.umask(0); import nb")
    (entry,) = (tmp_path / "__pycache__").iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == mode | stat.S_IWUSR


def test_the_bytecode_of_another_python_or_another_notebook_is_ignored_and_replaced(
    notebook, script, python, traced, tmp_path
):
    notebook("nb.ipynb", "x = 1")
    notebook("sub/nb.ipynb", "x = 2")
    script("plain.py", "x = 3")
    python("import nb, sub.nb, plain")
    entry = tmp_path / "__pycache__" / f"nb.ipynb.{sys.implementation.cache_tag}.pyc"
    good = entry.read_bytes()
    stale = (tmp_path / "sub" / "__pycache__" / entry.name).read_bytes()
    plain = Path(importlib.util.cache_from_source(str(tmp_path / "plain.py"))).read_bytes()
    for foreign in (stale, plain, b"", b"\0" * 1000, b"\xff\x0d\r\n" + good[4:], good + b"x"):
        entry.write_bytes(foreign)
        assert traced() == [1, 1, 1]
        assert traced() == [1, 0, 0]
        assert entry.read_bytes() != foreign


def test_an_orphaned_entry_is_not_imported(notebook, python, tmp_path):
    path = notebook("nb.ipynb", "x = 1")
    python("import nb")
    path.unlink()
    assert "ModuleNotFoundError: No module named 'nb'" in python("import nb", fails=True)
    shutil.rmtree(tmp_path / "__pycache__")
