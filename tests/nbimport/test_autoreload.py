"""%autoreload picks up saved notebooks as it picks up saved .py files, in IPython 8 and 9."""

import os
import re
import subprocess
import sys
import textwrap

import pytest
from jupyter_client.manager import KernelManager

# Saving sets a time of its own, one second later each time: nothing waits for a clock.
SESSION = """
import json, os, sys, traceback
from IPython.core.interactiveshell import InteractiveShell

suffix, clock = sys.argv[1], [1_700_000_000]
def save(*cells, name="mod", outputs=()):
    clock[0] += 1
    path = name + suffix
    if suffix == ".py":
        text = "\\n\\n".join(cells)
    else:
        raw = [dict(cell_type="code", metadata={}, source=cell, outputs=list(outputs),
                    execution_count=None) for cell in cells]
        text = json.dumps(dict(cells=raw, metadata={}, nbformat=4, nbformat_minor=5))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.utime(path, (clock[0], clock[0]))

shell = InteractiveShell.instance()
shell.displayhook.write_format_data = lambda *_: None
shell.displayhook.write_output_prompt = lambda: None
shell.displayhook.finish_displayhook = lambda: None
def run(cell):
    result = shell.run_cell(cell)
    result.raise_error()
    return result.result
sys.path.insert(0, os.getcwd())
"""
EDITS = """
save("print('ran')", "def f(): return 1", "class A:\\n    size = 1\\n    def m(self): return 1")
run("%load_ext autoreload")
run("%autoreload 2")
run("import nbimport, mod")
run("from mod import f, A")
run("import mod as other; a = A(); g = f; method = a.m")
for n in range(2, 6):
    save("print('ran')", f"def f(): return {n}",
         f"class A:\\n    size = {n}\\n    def m(self): return {n}\\n"
         f"    def m{n}(self): return {n}",
         f"def f{n}(): return {n}\\nconstant = {n}")
    print(run(f"(f(), g(), A().m(), a.m(), a.m{n}(), a.size, method(), mod.f{n}(), other.f())"))
    print(run("mod.constant, hasattr(mod, 'f3'), isinstance(a, mod.A), type(a) is mod.A"))
"""


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """A folder with IPython 8.39, which goes before the installed one; made by pip."""
    place = tmp_path_factory.mktemp("ipython8")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place)]
    done = subprocess.run(
        [*command, "ipython==8.39.0", "decorator"],
        capture_output=True, check=False, timeout=300, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"pip can't get IPython 8.39: {done.stderr.strip()[-200:]}")
    return place


@pytest.fixture(params=["8", "installed"])
def session(request, tmp_path, python):
    """Run a script in an IPython shell, on modules with a suffix; return all that it printed."""
    paths = [str(request.getfixturevalue("eight"))] if request.param == "8" else []

    def run(script, suffix=".ipynb"):
        folder = tmp_path / suffix[1:]
        folder.mkdir(exist_ok=True)
        (folder / "session.txt").write_text(SESSION + textwrap.dedent(script), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "session.txt", suffix],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "IPYTHONDIR": str(tmp_path / "ipython"),
                "NO_COLOR": "1",
            },
            capture_output=True,
            check=False,
            timeout=120,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        run.errors = done.stderr
        return done.stdout

    return run


def test_functions_classes_instances_and_from_imports_follow_each_save(session):
    expected = ["ran"]
    for n in range(2, 6):
        nine = ", ".join([str(n)] * 9)
        expected += ["ran", f"({nine})", f"({n}, {n == 3}, True, True)"]
    assert session(EDITS).splitlines() == expected


def test_a_save_that_is_no_python_says_so_and_keeps_the_old_module(session):
    script = """
        save("x = 1", "def f(): return 1")
        run("%load_ext autoreload")
        run("%autoreload 2")
        run("import nbimport, mod")
        save("x = 2", "def f(:")
        print(run("mod.f(), mod.x"), run("mod.f()"))
        save("x = 3", "1 / 0", "def f(): return 3")
        print(run("mod.f(), mod.x"))
        open("mod" + suffix, "w").write("{ no notebook")
        os.utime("mod" + suffix, (clock[0] + 9, clock[0] + 9))
        print(run("mod.f(), mod.x"))
        clock[0] += 20
        save("x = 4", "def f(): return 4")
        print(run("mod.f(), mod.x"))
    """
    printed = session(script)
    assert printed.splitlines() == ["(1, 1) 1", "(1, 1)", "(1, 1)", "(4, 4)"]
    said = session.errors
    assert 'mod.ipynb cell 2", line 1' in said
    assert "SyntaxError" in said
    assert 'mod.ipynb cell 2", line 1, in <module>' in said
    assert "ZeroDivisionError" in said
    assert "mod.ipynb: not valid JSON" in said
    assert said.count("[autoreload of mod failed") == 3


def test_each_mode_of_autoreload_does_what_it_says(session):
    script = """
        save("x = 1")
        save("x = 1", name="second")
        run("%load_ext autoreload")
        run("import nbimport, second")
        run("%autoreload 1")
        run("%aimport mod")
        save("x = 2")
        save("x = 2", name="second")
        print(run("mod.x, second.x"))
        run("%autoreload 0")
        save("x = 3")
        print(run("mod.x, second.x"))
        run("%autoreload")
        print(run("mod.x, second.x"))
        run("%autoreload off")
        save("x = 4")
        print(run("mod.x, second.x"))
        run("%autoreload 2")
        run("%aimport -second")
        print(run("mod.x, second.x"))
        save("x = 5")
        save("x = 5", name="second")
        print(run("mod.x, second.x"))
        run("%autoreload 3")
        save("x = 6", "added = 7")
        print(run("mod.x, mod.added"))
    """
    assert session(script) == session(script, ".py")


def test_a_save_of_outputs_alone_runs_nothing_again(session):
    script = """
        save("print('ran')", "x = 1")
        run("%load_ext autoreload")
        run("%autoreload 2")
        run("import nbimport, mod")
        output = dict(output_type="stream", name="stdout", text="new")
        save("print('ran')", "x = 1", outputs=[output])
        run("mod.x")
        save("print('ran')", "x = 2", outputs=[output])
        print(run("mod.x"))
    """
    assert session(script).splitlines() == ["ran", "ran", "2"]


def test_notebooks_by_path_in_packages_and_mounts_follow_too(session):
    script = """
        os.makedirs("pack/inner"); os.makedirs("away/lib")
        names = ["pack/__init__", "pack/inner/deep", "away/my notes", "away/lib/tools"]
        for name in names:
            save("x = 1\\ndef f(): return x", name=name)
        run("import nbimport")
        run("%load_ext autoreload")
        run("%autoreload 2")
        run("import nbimport, pack; from pack.inner import deep; nbimport.mount('lab', 'away/lib')")
        run("from lab import tools; notes = nbimport.load('away/my notes.ipynb')")
        run("fs = [module.f for module in (pack, deep, notes, tools)]")
        for n in (2, 3):
            for name in names:
                save(f"x = {n}\\ndef f(): return x", name=name)
            print(run("[pack.x, deep.x, notes.x, tools.x], [f() for f in fs]"))
    """
    assert session(script) == "([2, 2, 2, 2], [2, 2, 2, 2])\n([3, 3, 3, 3], [3, 3, 3, 3])\n"


def test_uninstalling_gives_ipython_its_own_reloader_back(session):
    script = """
        import IPython.extensions.autoreload as autoreload
        deduper = getattr(autoreload, "DeduperReloader", None)
        def methods():
            own = [autoreload.ModuleReloader.filename_and_mtime]
            return own + ([deduper.maybe_reload_module] if deduper else [])
        before = methods()
        import nbimport
        print(methods() != before)
        nbimport.uninstall()
        print(methods() == before)
        nbimport.install()
        save("x = 1")
        run("%load_ext autoreload")
        run("%autoreload 2")
        run("import mod")
        save("x = 2")
        print(run("mod.x"))
    """
    assert session(script) == "True\nTrue\n2\n"


def test_nothing_is_changed_where_nobody_reloads(python):
    snippet = """
        import sys
        import IPython
        print("nbimport.integrations.autoreload" in sys.modules)
    """
    assert python(snippet) == "False\n"


def test_in_a_kernel_a_save_is_picked_up_and_a_traceback_names_cell_and_line(notebook, tmp_path):
    def save(*cells, at):
        os.utime(notebook("mod.ipynb", *cells), (at, at))

    save("x = 1", "def f(n):\n    y = x\n    return y / n", at=1_700_000_000)
    manager = KernelManager()
    environment = {key: value for key, value in os.environ.items() if key != "JPY_SESSION_NAME"}
    manager.start_kernel(cwd=str(tmp_path), env={**environment, "NO_COLOR": "1"})
    client = manager.client()
    client.start_channels()
    seen = []

    def run(code):
        seen.clear()
        reply = client.execute_interactive(code, timeout=120, output_hook=seen.append)
        return reply["content"]

    def text():
        contents = [message["content"] for message in seen]
        return "".join(content.get("text", "") for content in contents)

    try:
        client.wait_for_ready(timeout=120)
        run("%load_ext autoreload\n%autoreload 2\nimport nbimport\nfrom mod import f")
        save("x = 10", "def f(n):\n    y = x\n    return y / n", at=1_700_000_001)
        run("print(f(2))")
        assert text() == "5.0\n"
        save("x = 10", "def f(n):\n    y = x\n\n    return y / n", at=1_700_000_002)
        content = run("f(0)")
        frames = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content["traceback"]))
        assert content["ename"] == "ZeroDivisionError"
        assert "mod.ipynb cell 2:4, in f(n)" in frames
        assert "----> 4     return y / n" in frames
        save("x = 10", "def f(:", at=1_700_000_003)
        run("print(f(4))")
        assert "mod.ipynb cell 2" in text()
        assert "2.5\n" in text()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
