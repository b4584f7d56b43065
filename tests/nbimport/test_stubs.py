"""Stubs: mypy, pyright and jedi know a notebook's names and types as those of a .py file."""

import json
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
