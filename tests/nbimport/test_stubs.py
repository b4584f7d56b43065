"""Stubs: mypy, pyright and jedi know a notebook's names and types as those of a .py file."""

import json
import re
import shutil
import subprocess
import sys

import pytest

CODE = '''
"""A module."""
from __future__ import annotations

import math
import os.path
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypedDict, TypeVar, overload

T = TypeVar("T")
# %%
LIMIT = 3
RATE: float = 0.5
FIXED: Final = 7
names = ["a", "b"]
table = {"a": 1, "b": 2}
here = Path(".") / "data"
pair = 1, "x"
first, second = 1, "x"
root = math.sqrt(LIMIT)
Number = int | float
square = lambda n: n * n
# %%
def area(radius: float, *, scale: int = 1) -> float:
    """Return an area."""
    return math.pi * radius**2 * scale

async def fetch(url: str, retries: int = 3) -> bytes:
    return b""

def numbers(n: int) -> Iterator[int]:
    yield from range(n)

@contextmanager
def opened(path: str) -> Iterator[list[str]]:
    yield [path]

@lru_cache(maxsize=None)
def cached(n: int) -> str:
    return str(n)

@overload
def twice(x: int) -> int: ...
@overload
def twice(x: str) -> str: ...
def twice(x):
    return x * 2

def apply(function: Callable[[int], T], *values: int) -> list[T]:
    return [function(value) for value in values]
# %%
class Color(Enum):
    RED = 1
    BLUE = 2

class Point(NamedTuple):
    x: int
    y: int = 0

class Options(TypedDict, total=False):
    name: str

@dataclass(frozen=True)
class Model:
    name: str
    layers: list[int] = field(default_factory=list)
    rate: float = 0.1

    @property
    def depth(self) -> int:
        return len(self.layers)

    @cached_property
    def title(self) -> str:
        return self.name.title()

    @staticmethod
    def default() -> Model:
        return Model("net")

    @classmethod
    def named(cls, name: str) -> Model:
        return cls(name)

class Stack(Generic[T]):
    size: int = 0

    def __init__(self, first: T, label: str = "") -> None:
        self.items = [first]
        self.label = label
        self.place = Path(label)

    def push(self, item: T) -> T:
        self.items.append(item)
        return item

    @property
    def top(self) -> T:
        return self.items[-1]

    @top.setter
    def top(self, value: T) -> None:
        self.items[-1] = value
# %%
model = Model("net")
stack = Stack(3)
result = area(2.0)
if LIMIT > 2:
    chosen = "big"
else:
    chosen = "small"
try:
    import json as encoder
except ImportError:
    encoder = None
temporary = 3
del temporary
if __name__ == "__main__":
    only_as_program = 1
'''.strip()
SHOWN = """
LIMIT RATE FIXED names table here pair first second root square area(1) fetch("a") numbers(3)
cached(3) twice(3) twice("a") apply(str,1) Color.RED Color.RED.value Point(1) Point(1).y model
model.depth model.title model.rate model.layers Model.default() Model.named("a") stack
stack.push(3) stack.top Stack("a").top stack.label stack.place stack.size result chosen area
fetch apply opened("a")
""".split()
WRONG = ['area("x")', "area(1, 2)", "model.nowhere", "stack.push('x')", "LIMIT.nowhere"]


@pytest.fixture
def stubs(python):
    """Run ``python -m nbimport stubs`` in the test's folder; return its lines, and end as told."""

    def run(*arguments, fails=False):
        text = python(args=["-m", "nbimport", "stubs", *arguments], fails=fails)
        return sorted(" ".join(line.split()) for line in text.splitlines())

    return run


@pytest.fixture
def both(notebook, script, stubs, tmp_path):
    """Two folders in which the same module lies: as .py, and as a notebook with its stub."""
    probe = ["import mod", "from mod import *"]
    probe += [f"reveal_type(mod.{shown})" for shown in SHOWN] + [f"mod.{wrong}" for wrong in WRONG]
    probe += ["mod.nowhere"]
    for folder in ("as_py", "as_stub"):
        script(f"{folder}/probe.py", "\n".join(probe))
    script("as_py/mod.py", CODE)
    path = notebook("as_stub/mod.ipynb", *CODE.split("# %%\n"))
    assert stubs("as_stub") == ["written as_stub/mod.pyi"]
    path.unlink()
    return tmp_path / "as_py", tmp_path / "as_stub"


def mypy(folder):
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--strict", "probe.py"],
        cwd=folder, capture_output=True, check=False, timeout=300, encoding="utf-8",
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_mypy_finds_the_types_and_the_mistakes_that_it_finds_in_a_py_file(both):
    as_py, as_stub = map(mypy, both)
    probed = [line for line in as_py if line.startswith("probe.py")]
    assert not [line for line in as_stub if not line.startswith("probe.py")]
    assert as_stub == probed
    assert len([line for line in probed if "Revealed type" in line]) == len(SHOWN)
    assert len([line for line in probed if ": error:" in line]) >= len(WRONG)
    # A lambda has no annotations, and a decorator's result is shown with a type of its own.
    shown = [line for line in probed if "Revealed" in line and "Any" not in line]
    assert len(shown) >= len(SHOWN) - 4


@pytest.fixture(scope="session")
def pyright(tmp_path_factory):
    """The path of pyright, installed by npm for this run."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not there, by which pyright is installed")
    place = tmp_path_factory.mktemp("pyright")
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "pyright@1.1.414"],
        cwd=place, capture_output=True, check=False, timeout=300, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm can't get pyright: {(done.stderr or done.stdout).strip()[-200:]}")
    return str(place / "node_modules" / ".bin" / "pyright")


def run_pyright(program, folder, checked="probe.py"):
    done = subprocess.run(
        [program, "--outputjson", "--pythonpath", sys.executable, checked],
        cwd=folder, capture_output=True, check=False, timeout=300, encoding="utf-8",
    )  # fmt: skip
    found = json.loads(done.stdout)["generalDiagnostics"]  # its warnings: a stub has no source
    return [
        (note["range"]["start"]["line"], note["severity"], note["message"])
        for note in found
        if note.get("rule") not in ("reportMissingModuleSource", "reportUnusedExpression")
    ]


def test_pyright_finds_the_types_and_the_mistakes_that_it_finds_in_a_py_file(both, pyright):
    as_py, as_stub = (run_pyright(pyright, folder) for folder in both)
    assert as_stub == as_py
    assert len([note for note in as_stub if note[1] == "information"]) == len(SHOWN)
    assert len([note for note in as_stub if note[1] == "error"]) >= len(WRONG)


def test_mistakes_in_a_notebook_are_not_told_of_its_stub(
    notebook, stubs, pyright, script, tmp_path
):
    notebook(
        "mod.ipynb",
        "import nowhere_at_all, math",
        "x = 1 + 'a'",
        "y = math.sqrt('2').no",
        "z: int = 'a'",
    )
    notebook("two.ipynb", "maybe = {'a': 1}.get('b') + 1\nmore = nowhere_at_all.f(maybe)[None]")
    script("probe.py", "import mod, two\nmod.x, two.maybe, mod.z")
    stubs()
    assert not mypy(tmp_path)
    found = run_pyright(pyright, tmp_path, ".")
    assert not [note for note in found if note[1] == "error"]


def test_pyright_finds_stubs_in_its_folder_of_typings(notebook, script, stubs, pyright, tmp_path):
    notebook("lib/my plot.ipynb", "def draw(n: int) -> str:\n    return ''")
    notebook("lib/__init__.ipynb", "version = '1'")
    script(
        "probe.py",
        "import lib\nfrom lib.my_plot import draw\nreveal_type(draw(3))\nlib.version + 1",
    )
    assert stubs("--out", "typings") == [
        "written typings/lib/__init__.pyi",
        "written typings/lib/my_plot.pyi",
    ]
    found = run_pyright(pyright, tmp_path)
    assert found[0] == (2, "information", 'Type of "draw(3)" is "str"')
    assert found[1][:2] == (3, "error")
    assert len(found) == 2


def test_jedi_completes_names_and_knows_types_and_docstrings(both):
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(both[1])

    def asked(code):
        return jedi.Script(code, path=both[1] / "probe.py", project=project)

    names = {name.name for name in asked("import mod\nmod.").complete(2, 4)}
    assert {"area", "Model", "Stack", "LIMIT", "names", "stack", "Color"} <= names
    assert not names & {"temporary", "only_as_program"}
    names = {name.name for name in asked("import mod\nmod.model.").complete(2, 10)}
    assert {"depth", "layers", "name", "named"} <= names
    (found,) = asked("import mod\nx = mod.area(1)\nx").infer(3, 0)
    assert found.name == "float"
    (signature,) = asked("import mod\nmod.area(").get_signatures(2, 9)
    assert signature.to_string() == "area(radius: float, *, scale: int=1) -> float"
    assert "Return an area." in signature.docstring()


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
