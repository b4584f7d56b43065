"""Threads that import at once: cells run once, and nobody waits for ever."""

import pytest

# Starts one thread for each statement, all at the same moment, and waits for them.
TOGETHER = """
import sys, threading
errors = []
def together(*statements):
    start = threading.Barrier(len(statements))
    spaces = [{} for _ in statements]
    def run(statement, space):
        start.wait()
        try:
            exec(statement, space)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=run, args=pair) for pair in zip(statements, spaces)]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "deadlock"
    if errors:
        raise errors[0]
    return spaces
"""
# Lets other threads run between any two of its steps.
EAGER = "sys.setswitchinterval(1e-6)\n"


def test_cells_run_once_however_many_threads_import(notebook, python):
    notebook("nb.ipynb", "import builtins", "builtins.runs = vars(builtins).get('runs', 0) + 1")
    python(
        TOGETHER
        + EAGER
        + "spaces = together(*['import nb'] * 16)\n"
        + "assert len({id(space['nb']) for space in spaces}) == 1\n"
        + "import builtins; assert builtins.runs == 1, builtins.runs"
    )


def test_a_thread_waits_until_the_module_is_whole(notebook, python):
    notebook(
        "nb.ipynb",
        "import __main__\n__main__.begun.set()\n__main__.go.wait(60)",
        "x = 1",
    )
    python(
        TOGETHER
        + "begun, go = threading.Event(), threading.Event()\n"
        + "late = 'import __main__; __main__.begun.wait(60); __main__.go.set(); import nb; nb.x'\n"
        + "together('import nb', late, late)"
    )


@pytest.mark.parametrize("where", ["on the path", "elsewhere", "in a package"])
def test_circular_imports_from_two_threads_do_not_deadlock(notebook, python, where):
    """As for ``.py`` files, one of the threads gets the other's unfinished module."""
    folder = {"on the path": "", "elsewhere": "far/", "in a package": "pkg/"}[where]
    dot = "from . " if where == "in a package" else ""
    if dot:
        notebook("pkg/__init__.ipynb", "")
    for name, other in ("ab", "ba"):
        notebook(
            f"{folder}{name}.ipynb",
            f"import __main__\n__main__.meet({name!r})",
            f"{dot}import {other}",
            "x = 1",
        )
    load = f"import nbimport; nbimport.load('{folder}%s.ipynb')"
    python(
        TOGETHER
        + "barrier = threading.Barrier(2)\n"
        + "def meet(name):\n"
        + "    try: barrier.wait(10)\n"
        + "    except threading.BrokenBarrierError: pass\n"
        + f"together({load % 'a'!r}, {load % 'b'!r})\n"
        + f"import nbimport; a = nbimport.load('{folder}a.ipynb')\n"
        + f"b = nbimport.load('{folder}b.ipynb')\n"
        + "assert (a.x, b.x, a.b, b.a) == (1, 1, b, a)"
    )


def test_circles_of_siblings_from_many_threads_do_not_deadlock(notebook, python):
    ring = 5
    for number in range(ring):
        following = (number + 1) % ring
        notebook(
            f"far/n{number}.ipynb",
            "import builtins",
            f"builtins.runs = [*vars(builtins).get('runs', []), {number}]",
            f"import n{following}\ndef f():\n    from n{following} import x\n    return x",
            f"x = {number}",
        )
    python(
        TOGETHER
        + EAGER
        + "load = \"import nbimport; m = nbimport.load('far/n%d.ipynb')\"\n"
        + "loads = [load % n for n in range(5)] * 3\n"
        + "import nbimport\n"
        + "spaces = together(*loads)\n"
        + "assert [space['m'].f() for space in spaces] == [1, 2, 3, 4, 0] * 3\n"
        + "import builtins; assert sorted(builtins.runs) == [0, 1, 2, 3, 4], builtins.runs\n"
        + "assert not [name for name in sys.modules if 'beside.' in name]"
    )


def test_threads_take_names_out_of_siblings_at_once(notebook, python):
    notebook("far/common.ipynb", "a, b = 1, 2")
    for number in range(8):
        notebook(
            f"far/user{number}.ipynb",
            "from common import a, b as c\nfrom common import *",
            "def f():\n    from common import a\n    return a",
        )
    python(
        TOGETHER
        + EAGER
        + "import nbimport\n"
        + "load = \"import nbimport; m = nbimport.load('far/user%d.ipynb')\"\n"
        + "loads = [load % n for n in range(8)]\n"
        + "modules = [space['m'] for space in together(*loads)]\n"
        + "assert {(m.a, m.b, m.c) for m in modules} == {(1, 2, 2)}\n"
        + "import __main__; __main__.modules = modules\n"
        + "late = 'import __main__\\nfor m in __main__.modules * 50: assert m.f() == 1'\n"
        + "together(*[late] * 8)\n"
        + "assert not [name for name in sys.modules if 'beside.' in name]"
    )


def test_an_import_that_fails_among_threads_can_be_repeated(notebook, python):
    """As in CPython, threads that wait for it may get the module that failed."""
    notebook("nb.ipynb", "import __main__\nif __main__.broken: 1 / 0", "x = 1")
    python(
        TOGETHER
        + EAGER
        + "broken = True\n"
        + "try: together(*['import nb'] * 8)\n"
        + "except ZeroDivisionError: pass\n"
        + "assert {type(e) for e in errors} == {ZeroDivisionError}, errors\n"
        + "assert 'nb' not in sys.modules\n"
        + "broken = False; errors.clear()\n"
        + "assert [s['nb'].x for s in together(*['import nb'] * 4)] == [1] * 4"
    )
