"""Several processes at once, and processes that are killed: nobody ever reads anything wrong."""

import os
import random
import signal
import subprocess
import sys

import pytest

CELLS = ["x = 0"] + [f"def f{n}(a):\n    return a + {n}\nx += f{n}(1)" for n in range(40)]
RIGHT = f"{sum(n + 1 for n in range(40))}\n"


def environment(**extra):
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, **extra}


@pytest.mark.parametrize("number", [2, 8])
def test_processes_that_import_one_uncached_notebook_at_once_all_get_it(
    notebook, python, tmp_path, number
):
    notebook("nb.ipynb", *CELLS)
    code = "import sys, nbimport; print('ready', flush=True); sys.stdin.read(1); import nb\n"
    code += "print(nb.x, len(vars(nb)))"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("!")
        child.stdin.flush()
    said = {child.communicate(timeout=60) for child in children}
    assert len(said) == 1, said
    assert said.pop()[0].split()[0] + "\n" == RIGHT
    tag = sys.implementation.cache_tag
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == [f"nb.ipynb.{tag}.pyc"]
    assert python("import nb; print(nb.x)") == RIGHT


def test_a_process_may_write_the_notebook_while_others_import_it(notebook, tmp_path):
    """Each import sees one state of the file, whole: a save replaces the file."""
    states = []
    for number in (100, 200, 300):
        path = notebook(f"state{number}.ipynb", f"a = {number}", *CELLS, f"b = {number}")
        states.append(path.read_text())
    notebook("nb.ipynb", "a = b = 100")
    reader = """
        import nbimport, importlib, sys
        seen = set()
        while not seen or not __import__("os").path.exists("stop"):
            nb = importlib.import_module("nb")
            assert nb.a == nb.b, (nb.a, nb.b)
            seen.add(nb.a)
            del sys.modules["nb"]
        print(len(seen))
    """
    code = "\n".join(line[8:] for line in reader.splitlines())
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for number in range(200):
        (tmp_path / "saving").write_text(states[number % 3])
        (tmp_path / "saving").replace(tmp_path / "nb.ipynb")
    (tmp_path / "stop").touch()
    for child in children:
        assert int(child.communicate(timeout=60)[0]) >= 1
        assert child.returncode == 0


@pytest.mark.parametrize("call", ["open", "write", "close", "replace"])
@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_a_process_killed_while_it_writes_leaves_nothing_wrong(
    notebook, python, tmp_path, call, when
):
    notebook("nb.ipynb", *CELLS)
    snippet = f"""
        import os, signal, nbimport, nbimport.machinery.compiler, nbimport.notebook.reader
        real = os.{call}
        def deadly(*args, **options):
            mine = args and (not isinstance(args[0], str) or ".pyc." in args[0])
            if {call!r} == "close" or mine:
                if {when!r} == "half" and {call!r} == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                elif {when!r} != "before":
                    real(*args, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)
        from nbimport.machinery import cache
        cache.write_atomically.__globals__["os"] = type("os", (), {{**vars(os), {call!r}: deadly}})
        import nb
    """
    code = "\n".join(line[8:] for line in snippet.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    for _ in range(2):
        assert python("import nb; print(nb.x)") == RIGHT


@pytest.mark.slow
def test_processes_killed_at_any_moment_leave_nothing_wrong(notebook, python, tmp_path):
    notebook("nb.ipynb", *CELLS)
    dice = random.Random(0)
    code = """
import nbimport, sys, os, glob, importlib
print("ready", flush=True)
while True:
    for entry in glob.glob("__pycache__/nb*.pyc"):
        try:
            os.unlink(entry)
        except OSError:
            pass
    sys.modules.pop("nb", None)
    assert importlib.import_module("nb").x == 820
"""
    for _ in range(150):
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout.readline()
        for _ in range(dice.randrange(20_000)):
            pass
        child.kill()
        assert child.communicate()[1] == b""
        assert python("import nb; print(nb.x)") == RIGHT


def test_an_interrupt_while_writing_leaves_no_file_behind(notebook, python, tmp_path):
    notebook("nb.ipynb", "x = 1")
    snippet = """
        import os
        from nbimport.machinery import cache
        real = os.replace
        def interrupted(*args):
            raise KeyboardInterrupt
        os.replace = interrupted
        try:
            import nb
        except KeyboardInterrupt:
            print("interrupted")
        os.replace = real
        assert "nb" not in __import__("sys").modules
        print(os.listdir("__pycache__"))
        import nb
        print(nb.x)
    """
    assert python(snippet) == "interrupted\n[]\n1\n"
