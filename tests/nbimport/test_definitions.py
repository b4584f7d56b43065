"""`only="definitions"`: the names a notebook defines, and none of its work."""

import ast
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbimport.notebook.definitions import base_names, edited, only_definitions

# What a cell leaves: source -> names kept. Whatever would do work raises if it is run.
KEPT = {
    "import os, sys as system\nfrom json import dumps": {"os", "system", "dumps"},
    "RATE = 0.1\nNAMES = 'a b'.split()\nlow, high = 1, 2\nboth = also = (1, 2)": {
        *"RATE NAMES low high both also".split()
    },
    "LIMITS: dict[str, int] = {'a': 1}\nnothing: int": {"LIMITS"},
    "RATE = 1\nRATE += 1\nHALF = RATE / 2": {"RATE", "HALF"},
    "SQUARES = [n * n for n in range(4)]": {"SQUARES"},
    "numbers = [work(n) for n in range(4)]\ntotal = sum(n for n in numbers)": set(),
    "import re, logging, pathlib, os\nWORD = re.compile(r'\\w+')\n"
    "log = logging.getLogger(__name__)\n"
    "HERE = pathlib.Path('.').resolve()\nDATA = os.path.join('a', 'b')\n"
    "HOST = os.environ.get('NO_SUCH', 'x')": {
        *"re logging pathlib os WORD log HERE DATA HOST".split()
    },
    "result = work()\nalso = result + 1\nitem = result[0]": set(),
    "result = work()\nresult = 3\nalso = result": {"result", "also"},
    "work()\nprint('no')\nassert False\nraise SystemExit\ndel x": set(),
    "for i in work(): pass\nwhile work(): pass\nwith open('no') as f: text = f.read()": set(),
    "f = lambda: work()\ndef g(): return work()\nasync def h(): return await work()": set("fgh"),
    "import functools\n@functools.lru_cache(maxsize=None)\ndef f(x): return x\nassert work()": {
        "functools",
        "f",
    },
    "def twice(f):\n    return lambda x: f(f(x))\n@twice\ndef add(x): return x + 1": {
        "twice",
        "add",
    },
    "class Registry(dict):\n    def add(self, f): self[f.__name__] = f; return f\n"
    "registry = Registry()\n@registry.add\ndef f(): pass": {"Registry", "registry", "f"},
    "def make_base(): return object\nBase = make_base()\nclass Row(Base): x = 1": {"make_base"},
    "frame = work()\ndef f(x=frame): pass\nclass A(frame.B): pass\n@frame.c\ndef g(): pass": set(),
    "frame = work()\ndef f(x=1):\n    return frame\nclass A:\n    def m(self): return frame": set(
        "fA"
    ),
    "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 1\n"
    "    class Q:\n        y = 2": {
        "dataclasses",
        "P",
    },
    "import enum, typing, collections\nT = typing.TypeVar('T')\n"
    "C = enum.Enum('C', 'RED')\nP = collections.namedtuple('P', 'x')": {
        *"enum typing collections T C P".split()
    },
    "try:\n    import no_such_thing as t\nexcept ImportError:\n    t = None": {"t"},
    "try:\n    import json\nexcept ImportError:\n    work()\n"
    "else:\n    X = 1\nfinally:\n    work()": {
        "json",
        "X",
    },
    "try:\n    work()\nexcept ImportError:\n    y = 1": set(),
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no_such_thing": {
        "TYPE_CHECKING"
    },
    "import sys\nif sys.version_info >= (3, 11):\n    import tomllib\nelse:\n    import no_such": {
        "sys",
        "tomllib",
    },
    "import sys\nif sys.version_info < (3, 1):\n    work(); import no_such\n"
    "elif sys.platform == 'no':\n"
    "    work()\nelif work():\n    work()\n"
    "else:\n    FAST = True; work(\n        1); SLOW = False": {"sys"},
    "import sys\nif sys.platform == 'no':\n    raise RuntimeError\n"
    "else:\n    X = 1; work(\n 1); Y = 2": {*"sys X Y".split()},
    "import importlib.util\nif importlib.util.find_spec('no_such') is None:\n    HAS = False": {
        "importlib",
        "HAS",
    },
    "if __name__ == '__main__':\n    work()\nif work():\n    X = 1": set(),
    "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n"
    "    import json": {"warnings", "json"},
    "import sys\nsys.path.append('no_such_folder')": {"sys"},
    "%matplotlib inline\n%env NO=1\nfiles = !ls\nX = 1": {"X"},
    "%%time\nX = 1\nwork()": {"X"},
    "%%capture out\nX = 1\nwork()": {"X"},
    "text = out.stdout": set(),
    "import asyncio\ny = await asyncio.sleep(0, 1)\nX = 2": {"asyncio", "X"},
    "x = 1; work(); z = 2; work()": {"x", "z"},
    "π = 3.14; work('é'); τ = 2 * π  # ünï": {"π", "τ"},
}


def test_only_definitions_are_run(notebook, python):
    # One notebook each, and all in one, where nothing may come from another cell by accident.
    for number, cell in enumerate(KEPT):
        notebook(
            f"cell_{number}.ipynb", "%%capture out\nwork()" * (cell == "text = out.stdout"), cell
        )
    snippet = f"""
        import nbimport.config
        for number in range({len(KEPT)}):
            module = nbimport.load(f"cell_{{number}}.ipynb", only="definitions")
            print(number, sorted(name for name in vars(module) if name[0] != "_"))
    """
    expected = [f"{number} {sorted(names)}" for number, names in enumerate(KEPT.values())]
    assert python(snippet).splitlines() == expected


def test_definitions_work_as_in_the_whole_notebook(notebook, python):
    notebook(
        "analysis.ipynb",
        "from __future__ import annotations\nimport functools, asyncio\nSCALE = 3",
        "big = [scale(0)] * 2",
        """
        def scale(x: NoSuchName) -> int:
            '''Scale.'''
            return SCALE * x

        class Model:
            factor = SCALE
            @functools.cached_property
            def value(self):
                return scale(self.factor)

        async def later():
            return Model().value
        """,
        "print(scale(2))",
    )
    snippet = """
        import asyncio
        m = nbimport.load("analysis.ipynb", only="definitions")
        print(m.scale(2), m.Model().value, asyncio.run(m.later()), m.scale.__doc__)
        print(hasattr(m, "big"))
    """
    assert python(snippet) == "6 9 9 Scale.\nFalse\n"


def test_source_and_lines_are_those_of_the_cell(notebook, python):
    notebook(
        "analysis.ipynb",
        "work(\n  1)\n\nimport enum",
        """
        work()
        # why
        if True:
            work()
            class A(enum.Enum):
                # kept
                RED = 1

            def f():
                # also kept
                return 1 / 0
        """,
    )
    snippet = """
        import inspect, traceback
        m = nbimport.load("analysis.ipynb", only="definitions")
        print(inspect.getsource(m.A), inspect.getsource(m.f), inspect.getsource(m), sep="---\\n")
        try:
            m.f()
        except ZeroDivisionError as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            print(last.lineno, last.line)
    """
    assert python(snippet) == (
        "    class A(enum.Enum):\n        # kept\n        RED = 1\n---\n"
        "    def f():\n        # also kept\n        return 1 / 0\n---\n"
        " # %% cell 1\n\n\n\n\nimport enum\n\n # %% cell 2\n\n\n# why\nif True:\n    pass\n"
        "    class A(enum.Enum):\n        # kept\n        RED = 1\n\n"
        "    def f():\n        # also kept\n        return 1 / 0\n\n11 return 1 / 0\n"
    )


def test_settings_name_notebooks_of_which_only_definitions_are_run(notebook, python, script):
    script("pyproject.toml", "[tool.nbimport]\ndefinitions-only = ['lib/*', 'x.ipynb']\n")
    for name in "lib/a.ipynb", "x.ipynb", "b.ipynb":
        notebook(name, "X = 1\nresult = [1].copy()[0:].index(1)")
    assert (
        python("""
        import x, b
        a = nbimport.load("lib/a.ipynb")
        print(*(hasattr(module, "result") for module in (a, x, b)))
    """)
        == "False False True\n"
    )


_EXPRESSION = st.sampled_from(["1", "work()", "x", "'é'", "(1,\n 2)", "f'{x}'", "'''a\nb'''"])
_LINE = st.one_of(
    st.tuples(st.sampled_from("xyzé"), _EXPRESSION).map(" = ".join),
    _EXPRESSION,
    st.sampled_from(["pass", "import os", "raise", "def f(): pass", "lambda: 0"]),
)
_SIMPLE = st.lists(_LINE, min_size=1, max_size=3).map(
    lambda lines: "\n".join(lines) if any("def" in line for line in lines) else "; ".join(lines)
)


def _indented(head):
    return lambda body: head + "\n" + textwrap.indent(body, "    ", lambda _: True)


_BLOCK = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("\n".join),
        st.tuples(inner.map(_indented("if x:")), inner.map(_indented("elif 1:"))).map("\n".join),
        st.tuples(inner.map(_indented("if 1:")), inner.map(_indented("else:"))).map("\n".join),
        st.tuples(inner.map(_indented("try:")), inner.map(_indented("except E:"))).map("\n".join),
        inner.map(_indented("with a as b:")),
        inner.map(_indented("@d\nclass A:")),
        inner.map(_indented("for i in x:")),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(_BLOCK)
def test_the_text_of_what_is_kept_says_what_is_run(source):
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return  # an indented triple quote
    edits = only_definitions(tree, set(), base_names(tree))
    text = edited(source, edits)
    assert text.count("\n") == source.count("\n")

    def plain(tree):  # without what only fills a gap
        return ast.dump(
            ast.Module([node for node in tree.body if not isinstance(node, ast.Pass)], [])
        )

    assert plain(ast.parse(text)) == plain(tree)


def test_definitions_of_a_cell_that_is_nested_too_deeply_are_a_syntax_error(notebook, python):
    chain = "if a == 0:\n    x = 0\n" + "".join(
        f"elif a == {n}:\n    x = {n}\n" for n in range(1, 900)
    )
    path = notebook("deep.ipynb", "a = 3", {"source": chain})
    notebook("long.ipynb", {"source": "x = " + " + ".join(["1"] * 900)})
    snippet = """
        print(nbimport.load("long.ipynb", only="definitions").x)
        try:
            print(nbimport.load("deep.ipynb", only="definitions").x)
        except SyntaxError as error:
            print(error.filename, "nested too deeply" in str(error))
    """
    assert python(snippet) == f"900\n{path} cell 2 True\n"


pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")  # "1; 'a'; 1" is what we ask for
