"""IPython syntax in cells: the truth is what a real `InteractiveShell` makes of the same cell."""

import json

import pytest

# Cells that leave behind in a module what they leave behind in a session.
AS_IN_A_SESSION = [
    "x = !echo hi",
    "v = 'a b'\nx = !echo {v} $v",
    "def f(v):\n    x = !echo {v}\n    return list(x)\ny = f('local')",
    "def f():\n    %cd -q .\n    return 1\ny = f()",
    "%cd -q /\nimport os\ny = os.getcwd()",
    "if True:\n    %env FOO_T=3\n    y = 1\n",
    "%env FOO_E=bar\nimport os\ny = os.environ['FOO_E']",
    "%%time\ny = 1\nclass A:\n    pass",
    "%%time  \ny = 1  ",
    "\n\n%%time\ny = 1",
    "%%time\n%%capture o\nprint(1)\ny = 3",
    "%%time\n!echo sub\ny = 1",
    "%%time\n\n# only a comment",
    "%%capture out\nprint('hello')\ny = out.stdout if 'out' in globals() else 2",
    "%%capture out --no-stderr\nprint('hello')\ny = 2",
    "%%capture --no-stdout out\nprint('hello')\ny = 2",
    "%%capture\nprint('hello')\ny = 2",
    "%%timeit -n1 -r1 z = 4\nq = z + 1",
    "q = []\n%timeit -n1 -r1 q.append(1)\ny = q[0]",
    "%%prun -q\ny = 1",
    "%time x = 1\ny = x + 1",
    "%time x = (1 + \\\n  2)\ny = x",
    "%time y = 'semi; colon'; z = 2",
    "%time\ny = 1",
    "for i in range(2):\n    %time q = i\ny = q",
    "def f(): return 5\nx = %time f()\ny = x",
    "%timeit -n1 -r1 sum([1])\ny = 3",
    "x = %timeit -n1 -r1 -q -o sum([1])\ny = type(x).__name__",
    "y = 1\ny?",
    "?print\ny = 1",
    "y = [1]\ny.append??\nz = 2",
    "import os\nos.path?",
    "y = '''\n%time in a string\n!ls\nwhat?\n'''\n%time x = 1",
    "y = f'''{1 % 2}\n%d'''\n%time z=1",
    "y = 10\nz = (y\n% 4)\n%time x = 1",
    "z = 10 \\\n% 4\n%time x = 1",
    "y = 7 %3\n%time z = 1",
    "!echo one \\\n two\ny = 1",
    "!!echo hi\ny = 1",
    "y = !ls /nonexistent\nz = len(y) > 0",
    "a, b = !printf 'x\\ny'\n",
    "x = {}\nx['k'] = !echo hi\ny = list(x['k'])",
    "x = [1]\nx[0] = %env HOME\ny = x[0]",
    "files = %sx echo a\ny = list(files)",
    "x = %system echo hi\ny=list(x)",
    "if 1:\n    !echo hi\nelse:\n    !echo ho\ny=1",
    "try:\n    !false\nfinally:\n    y = 1",
    "%%bash\necho hi > /dev/null",
    "%%script true\nwhatever ( [",
    "%%html\n<b>",
    "%%javascript\nalert(1)",
    "%%latex\n$x$",
    "%%python\nprint(1)",
    "%%writefile written.txt\nhello\n  there",
    "y = open('written.txt').read()",
    "%%sx\necho a",
    "%%!\necho hi",
    "get_ipython().run_line_magic('env', 'FOO_G=1')\nimport os\ny=os.environ['FOO_G']",
    "y = get_ipython() is not None\nget_ipython().user_ns['z'] = 3\nget_ipython().ex('w = z + 1')",
    "get_ipython().run_cell('q = 4')\ny = q",
    ">>> x = 1\n>>> y = x + 1",
    "In [1]: x = 1\n   ...: y = x",
    "  x = 1\n  y = 2",
    "/print 1\ny=1",
    ",print a b\ny=1",
    ";print a b\ny=1",
    "%alias_magic tt time\n%tt y = 3",
    "x = 5\n%run -i uses_x.py\ny = r",
    "%run sets_r.py\ny = r",
    "%reset -f\ny = 1",
    "async def f(): return 1\n%time x = 1\ny = await f()",
    "%time import asyncio\ny = await asyncio.sleep(0, 4)",
    "help?\ny=1",
    '#@title Form { run: "auto" }\nx = 3 #@param {type:"slider"}\n!echo {x}\ny = x',
    "%config InlineBackend.figure_format = 'retina'\ny = 1",
    "%precision 3\ny=1",
    "%xmode\ny=1",
    "%who\ny=1",
    "%macro m 1\ny = 1",
    "import os\ndef f(v):\n    %env FOO_L={v}\n    return os.environ['FOO_L']\ny = f('local')",
    "def f(v):\n    x = %sx echo {v}\n    return list(x)\ny = f('local')",
    "def f(v):\n    return get_ipython().getoutput(f'echo {v}')\ny = list(f('local'))",
    "class A:\n    x = !echo in a class\n    %time z = 1\ny = list(A.x), A.z",
    "x = !echo a \\\n b\ny = list(x)",
    "x = !echo 'a?' '%b' \"it's\"\ny = list(x)",
    "!exit 3\ny = _exit_code",
    "%%bash --out y\necho hi",
    "%%capture out\n%env FOO_C=1\n!echo sub\ny = 1",
    "%%capture out\n%%time\ny = 1",
    "%%file written2.txt\nhello",
    "%run sub.ipynb\ny = from_sub",
    "%run -i sub.ipynb",
    "z = 1\n%run -n sets_r.py",
    "x = 3\nx??\n?x\n??x\ny = 1",
    "%pinfo print\n%pdoc print\n%lsmagic\ny = 1",
    "%reload_ext autoreload\ny = 1",
    "%system echo hi\n%sx echo hi\ny = 1",
    "!!echo $HOME\n!echo {1 + 1} $$HOME\ny = 1",
    "x = [\n  1,  # why?\n]\n!echo {x[0]}\ny = x",
    "try:\n    x = %nosuch\nexcept BaseException:\n    y = 1",
    "y = 1\n%timeit -n1 -r1 pass\n\nclass A: pass\n\n%time z = 2\n",
    "if True:\n    for i in range(2):\n        if i:\n            %time y = i\n        else: !true",
    "async def f():\n    x = !echo async\n    return list(x)\ny = await f()",
    "y = get_ipython().user_ns is globals()",
    "%time y = (1,\\\n 2)",
    "%%time\ndef f():\n    %time return 3\n",
    "#!shebang\n!true\ny = 1",
    "y = 1 #!ls\n%time z = 1 # why? 50%",
    "x = 'a' if 1 else 'b?'\n%time y = f'{x!r:>4}'",
    "from __future__ import annotations\n%time y = 1",
    "%cd -q sub\n%cd -q -\nimport os\ny = os.path.basename(os.getcwd()) != 'sub'",
    # What is an error in a session is one in a module.
    "!ls\nx = = 1",
    "def f(:\n    %time",
    "f(?)",
    "@property\n%time\n",
    "a = 1; %time b = 2\n",
    "y = 1 if 1 else !x",
    "y = (\n!ls",
    "%run nowhere.py\ny = 1",
    "x = 1 +\n%time y = 1",
]

# Cells that are an error in a bare session and must not stop an import, and what they leave.
KINDER = {
    "%load_ext missing_thing\n%reload_ext missing_thing\ny = 1": {"y": 1},
    "%matplotlib inline\ny = 1": {"y": 1},
    "%matplotlib widget\n%config Nothing.x = 1\ny = 1": {"y": 1},
    "%autoreload 2\n%pdb on\n%gui qt\n%watermark\n%tensorboard --logdir x\ny = 1": {"y": 1},
    "%%memit x = 2\ny = x": {"x": 2, "y": 2},
    "%lprun -f print y = 1\n%snakeviz z = 2\n%memit w = 3": {"y": 1, "z": 2, "w": 3},
    "# a comment\n%%time\ny = 1": {"y": 1},
    "#@title A form\n%%capture\ny = 1": {"y": 1},
    "%%time\nimport asyncio\ny = await asyncio.sleep(0, 1)": {"y": 1},
    "%%time": {},
    "%%capture": {},
    "%%convprofile\ny = 1": {"y": 1},
    "get_ipython().run_line_magic('matplotlib', 'inline')\ny = 1": {"y": 1},
    "get_ipython().run_line_magic('config', 'A.b = 1')\ny = 1": {"y": 1},
    "def f():\n    %matplotlib nosuch\n    return 1\ny = f()": {"f": "function", "y": 1},
    "%matplotlib nosuch\n%gui nosuch\n%xmode nosuch\n%colors nosuch\ny = 1": {"y": 1},
    "%convprofile model 1x3x8x8\ny = 1": {"y": 1},
}

_CLEAN = """
import contextlib, importlib, io, json, os, sys, types

def clean(namespace, error):
    shown = {}
    for key, value in namespace.items():
        if key.startswith("_") or key in ("In", "Out", "exit", "quit", "get_ipython", "open",
                                          "display", "asyncio", "os"):
            continue
        plain = isinstance(value, (int, str, list, dict, bool))
        shown[key] = value if plain else type(value).__name__
    return shown, isinstance(error, BaseException)

@contextlib.contextmanager
def quiet():
    with open(os.devnull, "w") as nowhere:
        before = os.dup(1), os.dup(2)
        os.dup2(nowhere.fileno(), 1); os.dup2(nowhere.fileno(), 2)
        try:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield
        finally:
            os.dup2(before[0], 1); os.dup2(before[1], 2)

here = os.getcwd()
results = []
"""

_SESSION = (
    _CLEAN
    + """
from IPython.core.interactiveshell import InteractiveShell
for cell in json.load(open("cells.json")):
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    with quiet():
        result = shell.run_cell(cell)
    results.append(clean(shell.user_ns, result.error_in_exec or result.error_before_exec))
    os.chdir(here)
json.dump(results, open("results.json", "w"))
"""
)

_MODULES = (
    _CLEAN
    + """
if "inside" in sys.argv:
    from IPython.core.interactiveshell import InteractiveShell
    session = InteractiveShell.instance()
    names = set(session.user_ns)
sys.path.append(here)
for number in range(len(json.load(open("cells.json")))):
    module, error = types.SimpleNamespace(), None
    with quiet():
        try:
            module = importlib.import_module(f"cell_{number}")
        except Exception as caught:
            error = caught
    results.append(clean(vars(module), error))
    os.chdir(here)
json.dump(results, open("results.json", "w"))
if "inside" in sys.argv:
    assert set(session.user_ns) == names, set(session.user_ns) - names
    assert session.user_module.__name__ == "__main__" and session.user_ns is session.user_global_ns
else:
    assert "IPython" not in vars(sys.modules["builtins"]) and not hasattr(sys.modules["builtins"],
                                                                         "get_ipython")
    from IPython import get_ipython
    assert get_ipython() is None
"""
)


@pytest.fixture
def cells(notebook, script, tmp_path):
    def write(sources):
        for number, source in enumerate(sources):
            notebook(f"cell_{number}.ipynb", {"source": source})
        (tmp_path / "cells.json").write_text(json.dumps(sources))

    script("uses_x.py", "r = x + 1")
    script("sets_r.py", "r = 2")
    script("sub/x.txt", "")
    notebook("sub.ipynb", "from_sub = 4", "%env FROM_SUB=1")
    return write


@pytest.fixture
def results(tmp_path):
    return lambda: json.loads((tmp_path / "results.json").read_text())


@pytest.mark.parametrize("where", ["in plain Python", "inside IPython"])
def test_a_cell_leaves_in_a_module_what_it_leaves_in_a_session(cells, python, results, where):
    cells(AS_IN_A_SESSION)
    python(_SESSION, hook=False, quiet=False)
    truth = results()
    python("import sys; sys.argv.append('inside')\n" * ("inside" in where) + _MODULES, quiet=False)
    different = [
        (cell, expected, found)
        for cell, expected, found in zip(AS_IN_A_SESSION, truth, results(), strict=True)
        if expected[1] != found[1] or (not expected[1] and expected != found)
    ]
    assert not different


@pytest.mark.parametrize("where", ["in plain Python", "inside IPython"])
def test_display_and_reporting_magics_never_stop_an_import(cells, python, results, where):
    cells(list(KINDER))
    python("import sys; sys.argv.append('inside')\n" * ("inside" in where) + _MODULES, quiet=False)
    assert dict(zip(KINDER, results(), strict=True)) == {
        cell: [left, False] for cell, left in KINDER.items()
    }
