"""What stubs hold, where they lie, and which of them are stale."""

import re
import subprocess
import sys

import pytest


def test_check_finds_missing_stale_and_orphaned_stubs(notebook, stubs, tmp_path):
    path = notebook("mod.ipynb", "def f(n: int) -> int:\n    return n")
    notebook("sub/__init__.ipynb", "x = 1")
    gone = notebook("gone.ipynb", "x = 1")

    def check(*, fails):
        before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.pyi")}
        command = [sys.executable, "-m", "nbimport", "stubs", "--check"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, check=False, encoding="utf-8"
        )
        assert done.returncode == fails, done.stderr
        assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.pyi")} == before
        lines = (" ".join(line.split()) for line in done.stdout.splitlines())
        return sorted(line for line in lines if not line.startswith("current"))

    assert check(fails=True) == ["missing gone.pyi", "missing mod.pyi", "missing sub/__init__.pyi"]
    stubs()
    assert check(fails=False) == []
    notebook("mod.ipynb", "def f(n: int) -> int:\n    return n + 1  # no other signature")
    assert check(fails=False) == []
    notebook("mod.ipynb", "def f(n: int) -> str:\n    return str(n)")
    gone.unlink()
    assert check(fails=True) == ["orphaned gone.pyi", "stale mod.pyi"]
    assert stubs() == ["current sub/__init__.pyi", "removed gone.pyi", "written mod.pyi"]
    assert check(fails=False) == []
    assert path.exists()


def test_what_somebody_else_wrote_is_left_alone(notebook, script, tmp_path):
    notebook("mod.ipynb", "x = 1")
    hand = script("mod.pyi", "x: int\n")
    other = script("other.pyi", "y: int\n")
    command = [sys.executable, "-m", "nbimport", "stubs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 1
    assert "mod.pyi: not made by nbimport; move it away, or give another folder" in done.stdout
    assert hand.read_text() == "x: int\n"
    assert other.read_text() == "y: int\n"


def test_stubs_of_other_folders_stay_in_a_common_folder(notebook, stubs, tmp_path):
    notebook("one/a.ipynb", "x = 1")
    notebook("two/b.ipynb", "x = 1")
    stubs("one", "--out", "typings")
    stubs("two", "--out", "typings")
    assert {path.name for path in (tmp_path / "typings").iterdir()} == {"a.pyi", "b.pyi"}


def test_names_are_spelt_as_import_statements_spell_them(notebook, script, stubs, tmp_path):
    for name in ("my plot", "two-words", "clash 1", "clash-1", "01 intro", "taken", "dot.ted"):
        notebook(f"{name}.ipynb", "x = 1")
    notebook(".ipynb_checkpoints/my plot-checkpoint.ipynb", "x = 1")
    script("taken.py", "y = 1")
    assert stubs() == ["written my_plot.pyi", "written two_words.pyi"]


def test_ipython_syntax_and_left_out_cells_are_no_part_of_a_stub(notebook, stubs, tmp_path):
    notebook(
        "mod.ipynb",
        "%matplotlib inline\nimport math",
        "%time x = math.sqrt(2)",
        "files = !ls\nawait_me = 1",
        "import asyncio\ny = await asyncio.sleep(0, 3)",
        ("secret = 1", "skip"),
        "%%time\ndef f() -> int:\n    return 1",
    )
    stubs()
    text = (tmp_path / "mod.pyi").read_text()
    assert "x = math.sqrt(2)" in text
    assert "files: Incomplete" in text
    assert "y: Incomplete" in text
    assert "def f() -> int: ..." in text
    assert "secret" not in text
    assert "get_ipython" not in text


@pytest.mark.parametrize(
    ("code", "stub"),
    [
        ("def f(x):\n    print(x)", "def f(x) -> None: ..."),
        ("def f(x):\n    if x:\n        return 1\n    return 'a'", "def f(x) -> int | str: ..."),
        ("def f(x):\n    if x:\n        return 1", "def f(x) -> int | None: ..."),
        ("def f(x):\n    return x + 1", "def f(x): ..."),
        ("def f(x: int):\n    return x", "def f(x: int) -> int: ..."),
        ("def f(x: int):\n    x = 'a'\n    return x", "def f(x: int): ..."),
        ("def f(x):\n    def g():\n        return 1\n    return g", "def f(x): ..."),
        ("def f():\n    yield 1", "def f(): ..."),
        ("def f():\n    raise ValueError", "def f(): ..."),
        (
            "def f(a, /, b=[1], *c, d={}, **e): pass",
            "def f(a, /, b=..., *c, d=..., **e) -> None: ...",
        ),
        ("x = []", "x: list[Incomplete]"),
        ("x = None", "x: Incomplete | None"),
        ("x = list(range(1000))\nx = 3", "x = 3"),
        ("for i in range(3):\n    j = i", "i: Incomplete\nj = i"),
        ("def f() -> int: ...\ndef f() -> str: ...", "def f() -> str: ..."),
        ("with open('a') as file:\n    pass", "file: Incomplete"),
        ("x = '" + "a" * 500 + "'", "x: str"),
        ("__all__ = ['x']\nx = 1", "__all__ = ['x']\nx = 1"),
        ("@unknown(3)\ndef f() -> int: ...", "def f() -> int: ..."),
        ("from os import path", "from os import path as path"),
        ("import os\nos = 3", "os = 3"),
        (
            "class A:\n    def f(self, n: int):\n        self.n, self.m = n, 1",
            "class A:\n    def f(self, n: int) -> None: ...\n    n: Incomplete\n    m: Incomplete",
        ),
    ],
)
def test_a_stub_says_what_is_certain_and_no_more(code, stub):
    from nbimport.notebook import declarations

    lines = declarations.stub_of(code).split("\n")
    body = [line for line in lines if line and line != "from _typeshed import Incomplete"]
    assert "\n".join(body) == stub


def test_a_notebook_that_cannot_be_read_is_named_and_the_others_go_on(notebook, tmp_path):
    notebook("good.ipynb", "x = 1")
    notebook("syntax.ipynb", "x = = 1")
    (tmp_path / "broken.ipynb").write_text("{")
    command = [sys.executable, "-m", "nbimport", "stubs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 1
    assert not done.stderr
    assert re.search(r"failed +broken\.pyi: broken\.ipynb: not valid JSON", done.stdout)
    assert re.search(r"failed +syntax\.pyi: syntax\.ipynb: .*invalid syntax", done.stdout)
    assert re.search(r"written +good\.pyi", done.stdout)
