"""Which cells run, and how: the truth is CPython on the same text in a ``.py``, or IPython."""

import random

import pytest


def test_cells_are_left_out_by_tag(notebook, python):
    cells = [(f"x{number} = 1", tag) for number, tag in enumerate(["skip", "skip-import", "kept"])]
    notebook("analysis.ipynb", *cells, ("x3 = 1", "remove-cell"), ("x4 = 1", "a", "skip"), "x5 = 1")
    snippet = """
        import analysis, importlib
        def left():
            return [name for name in vars(analysis) if name[0] == "x"]
        print(left())
        nbimport.install(nbimport.Config(skip_tags=["kept"]))
        importlib.reload(analysis)
        print(left())
    """
    assert python(snippet) == "['x2', 'x5']\n['x2', 'x5', 'x0', 'x1', 'x3', 'x4']\n"


@pytest.mark.parametrize(
    ("directive", "is_left_out"),
    [
        ("#| eval: false", True),
        ("#|eval:false", True),
        ("# | eval: false", True),
        ("#| hide", True),
        ("#|hide", True),
        ("# a comment\n\n#| export\n#| hide", True),
        ("%%time\n#| hide", True),
        ("#| eval: true", False),
        ("#| export", False),
        ("#| hide_input", False),
        ("# hide", False),
        ("y = 1\n#| hide", False),
        ("y = '''\n#| hide\n'''", False),
    ],
)
def test_cells_are_left_out_by_directive(notebook, python, directive, is_left_out):
    notebook("analysis.ipynb", f"{directive}\nx = 1")
    assert python("import analysis; print(hasattr(analysis, 'x'))") == f"{not is_left_out}\n"


def test_directives_can_be_set(notebook, python, script):
    script(
        "pyproject.toml", "[tool.nbimport]\nskip-directives = ['label: slow']\nskip-tags = ['no']"
    )
    notebook("analysis.ipynb", "#| label:  slow\nx = 1", "#| hide\ny = 1", ("z = 1", "no"))
    assert python("import analysis; print([n for n in 'xyz' if hasattr(analysis, n)])") == "['y']\n"


def test_the_main_guard_runs_only_as_a_program(notebook, python):
    notebook("program.ipynb", "print(__name__)", "if __name__ == '__main__':\n    print('main')")
    assert python("import program") == "program\n"
    assert python("import runpy; runpy.run_module('program', run_name='__main__')") == (
        "__main__\nmain\n"
    )


def test_future_imports_reach_later_cells_and_no_earlier_ones(notebook, python):
    notebook(
        "analysis.ipynb",
        "def early(x: int): pass",
        "import os\nx = 1\nfrom __future__ import annotations\ny = x + 1",
        "def late(x: NoSuchName): pass",
        "class A:\n    def m(self, x: NoSuchName): pass",
        "%time def timed(x: NoSuchName): pass",
    )
    snippet = """
        import analysis as a
        print(a.early.__annotations__, a.late.__annotations__, a.A.m.__annotations__, a.y)
        print(a.timed.__annotations__)
    """
    expected = (
        "{'x': <class 'int'>} {'x': 'NoSuchName'} {'x': 'NoSuchName'} 2\n{'x': 'NoSuchName'}\n"
    )
    assert python(snippet) == expected
    assert python(snippet) == expected  # from the cache


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["#title", "x = 1"], "title"),
        (["#title", "'code'\nx = 1"], "code"),
        (["'code'", "#title"], "code"),
        (["# only a comment", "'''code'''"], "code"),
        (["#title", "x = 1", "'not the first statement'"], "title"),
        (["x = 1", "'not the first statement'\ny = 1"], None),
        (["x = 1", "('not the first statement')"], None),
        (["x = 1", "# comment\nr'not the first statement'"], None),
        (["f'not constant'"], None),
        (["from __future__ import annotations\nx = 1"], None),
        (["'code'\nx = 1\nfrom __future__ import annotations"], "code"),
        (["%matplotlib inline", "#title"], "title"),
        (["#title", "#another"], "title"),
        ([], None),
    ],
)
def test_the_docstring_is_the_modules_first_string_or_markdown(
    notebook, python, markdown, cells, expected
):
    made = [markdown(c[1:]) if c.startswith("#") and " " not in c else c for c in cells]
    notebook("analysis.ipynb", *made)
    assert python("import analysis; print(repr(analysis.__doc__))") == f"{expected!r}\n"
    assert python("import analysis; print(repr(analysis.__doc__))", options=["-OO"]) == "None\n"


@pytest.mark.parametrize(
    "cells",
    [
        ["x = (1,", "2)"],
        ["x = '''a", "b'''"],
        ["if True:", "    x = 1"],
        ["x = 1 + \\", "2"],
        ["@property", "def f(self): pass"],
        ["try:\n    x = 1", "except E:\n    pass"],
        ["x = 1", "else:\n    y = 2"],
    ],
)
def test_a_statement_never_straddles_two_cells(notebook, python, cells):
    notebook("halves.ipynb", *({"source": cell} for cell in cells))
    snippet = """
        try:
            import halves
        except SyntaxError as error:
            import sys
            print(error.filename[-19:-2], "halves" in sys.modules)
    """
    assert python(snippet) == "halves.ipynb cell False\n"


TRAPS = [
    "# -*- coding: latin-1 -*-\nx = 'é'",
    "# coding: no-such-codec\nx = 'é'",
    "x = 'a\u2028b\x0cc\x1cd\x85e'\ny = len(x)",
    "x = 1\n\x0c\ny = 2\n\x0cz = 3",
    "if 1:\n\tx = 1\n\ty = 2",
    "x = '%d' % 1\ny = 7 % 3\nz = 10 \\\n% 4",
    "x = '''\n%time\n!ls\nwhat?\n'''",
    "x = 'a?'; y = 1 if x != 'b' else 2",
    "x = f'{1!r:>5}'",
    "x = b'a' == b'a'\ny = rb'\\d'",
    "π, 名 = 3, 4\nx = π + 名",
    "x = '\U0001f600'\ny = len(x)",
    "def f():\n    global g\n    g = 5\nf()\ny = g",
    "x = [i for i in range(3)]\ny = [x for i in range(2)]",
    "class A:\n    x = 1\n    y = [x for _ in range(1)] if 0 else x",
    "x = locals() is globals()\ny = __name__",
    "exec('x = 1')\ny = eval('x + 1')",
    "import sys as _sys\nx = _sys.modules[__name__].__dict__ is globals()",
    "x: int = 3\ny = __annotations__",
    "x = 1\ndel x\ny = 2",
    "match 3:\n    case int(n):\n        x = n",
    "x = 1;\ny = 2;",
    "lst = [1,\n\n2,\n\n# comment\n3]",
    "globals = 3\nx = globals",
    "async def f():\n    return [x async for x in g()]\nx = f.__name__",
    "x = " + " + ".join(["1"] * 900),
    "x = " + "(" * 90 + "1" + ")" * 90,
    "x = 0\nif x == 0:\n    y = 0\n" + "".join(f"elif x == {n}: y = {n}\n" for n in range(300)),
]

_COMPARE = """
    import importlib
    def plain(module):
        return {name: value if isinstance(value, (int, str, list, tuple, dict, bool)) else
                type(value).__name__ for name, value in vars(module).items()
                if name[:2] != "__" or name == "__annotations__"}
    for number in range(COUNT):
        print(number, ascii(plain(importlib.import_module(f"m{number}"))))
"""


@pytest.mark.parametrize("options", [(), ("-bb", "-W", "error"), ("-X", "utf8=0")])
def test_a_cell_means_what_the_same_python_file_means(notebook, script, python, options):
    for number, source in enumerate(TRAPS):
        notebook(f"nb/m{number}.ipynb", {"source": source})
        path = script(f"py/m{number}.py", "")
        # A cookie is about bytes. A cell has none: its text is as given.
        path.write_text(source.replace("coding", "c0ding"), encoding="utf-8", newline="")
    compare = _COMPARE.replace("COUNT", str(len(TRAPS)))
    env = {"LC_ALL": "C", "LANG": "C"} if "utf8=0" in options else {}
    truth = python(compare, cwd=script("py/x", "").parent, hook=False, options=options, env=env)
    here = script("nb/x", "").parent
    assert python(compare, cwd=here, options=options, env=env).splitlines() == truth.splitlines()
    assert python(compare, cwd=here, options=options, env=env).splitlines() == truth.splitlines()


def _statement(rng, depth=0):
    """Return a random statement over a few names; all of them are defined before."""
    name, other = rng.choice("abc"), rng.choice("abc")
    simple = [
        f"{name} = {rng.randrange(9)} % {rng.randrange(1, 9)}",
        f"{name} = [{other}, '%{rng.randrange(9)}?', \"!ls\"]",
        f"{name} = f'{{{other}!r}}%'",
        f"{name} = '''\n%magic {rng.randrange(9)}\n!{other}?\n'''",
        f"{name}, {other} = ({other},\n  {name})",
        f"{name} = lambda x={rng.randrange(9)}: x\n{name} = {name}()",
        f"{name} = {{'k': {other}, # comment?\n 'l': 1}}",
        f"{name} = len(str({other})) \\\n  % 7",
        f"def f(x):\n    '''Doc.\n    %no\n    '''\n    return x\n{name} = f({other})",
        f"class K_{name}:\n    v = {rng.randrange(9)}\n{name} = K_{name}.v",
        f"import math as {name}\n{name} = {name}.floor(2.5)",
    ]
    if depth > 2 or rng.random() < 0.6:
        return rng.choice(simple)
    body = "\n".join(_statement(rng, depth + 1) for _ in range(rng.randrange(1, 3)))
    # Triple-quoted strings keep their text whatever the indentation of their lines is.
    body = "\n".join("    " + line for line in body.split("\n"))
    head = rng.choice(
        [
            "for i in range(2):",
            f"if {name}:",
            "try:",
            "with __import__('contextlib').nullcontext():",
        ]
    )
    end = "\nexcept TypeError:\n    pass" if head == "try:" else ""
    return f"{head}\n{body}{end}"


def test_random_cells_mean_what_the_same_python_means(notebook, python, script):
    rng = random.Random(7)
    sources = []
    for number in range(200):
        cells = ["a = b = c = 1"]
        cells += [
            "\n".join(_statement(rng) for _ in range(rng.randrange(1, 4)))
            for _ in range(rng.randrange(1, 4))
        ]
        sources.append("\n".join(cells))
        notebook(f"nb/m{number}.ipynb", *({"source": cell} for cell in cells))
        path = script(f"py/m{number}.py", "")
        path.write_text(sources[-1] + "\n", encoding="utf-8")
    compare = _COMPARE.replace("COUNT", str(len(sources))).replace(
        'print(number, ascii(plain(importlib.import_module(f"m{number}"))))',
        'try: print(number, ascii(plain(importlib.import_module(f"m{number}"))))\n'
        "        except Exception as error: print(number, repr(error))",
    )
    truth = python(compare, cwd=script("py/x", "").parent, hook=False)
    assert truth.count("Error") < 20
    assert python(compare, cwd=script("nb/x", "").parent).splitlines() == truth.splitlines()


def test_each_warning_about_the_code_is_given_once(notebook, python, script):
    cells = [
        r"x = '\d'",
        r"class A:" + "\n" + r"    y = '\d'",
        "import beside",
        "z = 1 is 1",
        r"def f():" + "\n" + r"    import beside; return '\w'",
        "x = 1",
        r"'\q'",
    ]
    notebook("loud.ipynb", *({"source": cell} for cell in cells))
    notebook("beside.ipynb", "x = 1")
    snippet = """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import loud
        print([warning.filename[-6:] for warning in caught])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loud.__loader__.get_source("loud")
        print(caught)
    """
    assert python(snippet, quiet=False) == f"{[f'cell {n}' for n in (1, 2, 4, 5, 7)]}\n[]\n"


def test_importing_is_silent_and_leaves_only_the_cells_names(notebook, python):
    notebook("analysis.ipynb", "x = 1\nx\n'shown in a session'", "%matplotlib inline\nx?", "x;")
    snippet = """
        import analysis
        print(sorted(name for name in vars(analysis) if name[:2] != "__"))
    """
    assert python(snippet) == "['x']\n"
