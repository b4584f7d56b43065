"""Who asks for source gets the cell's, as from the same Python in a ``.py``."""

import subprocess
import sys

CELLS = (
    "import enum, dataclasses, typing, functools, asyncio",
    """
    # above
    def plain(x):
        '''Double x.

        >>> plain(2)
        4
        '''
        return 2 * x  # the end
    """,
    """
    @functools.lru_cache(maxsize=None)
    def cached(x):
        return x

    @functools.wraps(cached)
    def wrapper(x): return x
    twice = lambda x: 2 * x
    async def later(): return 1
    def generate(): yield 1
    """,
    """

    @functools.total_ordering
    class Plain:
        '''A class.

        >>> 1 + 1
        2
        '''
        a = 1

        class Inner:
            def deep(self):
                return "deep"

        def method(self, x):
            '''Doc.'''
            return x

        @property
        def value(self): return 1

        @classmethod
        def make(cls): return cls()

        def __lt__(self, other): return True
    """,
    """
    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        y: int = 2

    class Pair(typing.NamedTuple):
        '''A pair.'''
        a: int

    class Config(typing.TypedDict):
        a: int

    class Shape(typing.Protocol):
        def area(self) -> float: ...

    def outer():
        class Local:
            z = 1
        return Local
    """,
    "class Meta(type):\n    pass\n\nclass WithMeta(metaclass=Meta):\n    x = 1",
)
OBJECTS = """plain cached wrapper twice later generate Plain Plain.Inner Plain.Inner.deep
    Plain.method Plain.value.fget Plain.make Plain.__lt__ Colour Point Pair Config Shape outer
    outer() Meta WithMeta""".split()
SHOW = f"""
    import inspect, linecache, analysis
    from operator import attrgetter
    for name in {OBJECTS}:
        for clear in False, True:
            if clear:
                linecache.clearcache()
            thing = eval("analysis." + name)
            print(name, inspect.getsource(thing), inspect.getcomments(thing),
                  inspect.getdoc(thing))
"""


def as_python(script, folder):
    import textwrap

    cells = [textwrap.dedent(cell).strip("\n") for cell in CELLS]
    return script(f"{folder}/analysis.py", "\n\n".join(cells) + "\n")


def test_getsource_is_that_of_the_same_python_file(notebook, script, python):
    folder = as_python(script, "py").parent
    notebook("nb/analysis.ipynb", *CELLS)
    truth = python(SHOW, cwd=folder, hook=False)
    assert "the end" in truth
    for _ in range(2):  # the second time from the cache
        assert python(SHOW, cwd=script("nb/x", "").parent) == truth


def test_getsource_finds_classes_below_skipped_and_magic_cells(notebook, python):
    notebook(
        "analysis.ipynb",
        ("class A:\n    skipped = 1", "skip"),
        {"source": "\n\n%matplotlib inline\nx = 1\n\n"},
        "%%time\nclass B:\n    b = 1",
        {"source": "\n\nclass A:\n    a = '''\n\n# %% cell 9\n'''\n\n\n"},
        {"source": "class C:\n\n    %time y = 1\n    c = 1"},
    )
    snippet = """
        import inspect, analysis
        print(*(inspect.getsource(getattr(analysis, name)) for name in "ABC"), sep="--")
    """
    source = "class A:\n    a = '''\n\n# %% cell 9\n'''\n--class B:\n    b = 1\n--"
    assert python(snippet) == source + "class C:\n\n    y = 1\n    c = 1\n\n"


def test_the_source_of_a_module_is_the_python_that_ran(notebook, python):
    notebook("analysis.ipynb", "x = 1", ("y = 1", "skip"), "%env A=1", "z = 3\n")
    snippet = """
        import inspect, analysis
        source = inspect.getsource(analysis)
        print(source)
        assert analysis.__loader__.get_source("analysis") == source
        compile(source, "x", "exec")
    """
    assert python(snippet) == (
        "env: A=1\n # %% cell 1\n\nx = 1\n\n"
        " # %% cell 3\n\nget_ipython().run_line_magic('env', 'A=1')\n\n # %% cell 4\n\nz = 3\n\n"
    )


def test_help_says_what_it_says_about_the_python_file(notebook, script, python):
    folder = as_python(script, "py").parent
    notebook("nb/analysis.ipynb", *CELLS)
    snippet = """
        import pydoc, analysis
        text = pydoc.plain(pydoc.render_doc(analysis))
        print(text.replace(analysis.__file__, "FILE"))
    """
    truth = python(snippet, cwd=folder, hook=False)
    assert python(snippet, cwd=script("nb/x", "").parent) == truth


def test_doctest_runs_the_examples_and_reports_the_cell(notebook, python):
    path = notebook(
        "analysis.ipynb",
        "'''Module.\n\n>>> 1\n1\n'''",
        "x = 1",
        "y = 2\ndef wrong():\n    '''Doc.\n\n    >>> x\n    3\n    '''",
        """
        class A:
            '''
            >>> y
            4
            '''
            def m(self):
                '''>>> 5
                6
                '''
        """,
    )
    snippet = """
        import analysis, doctest, sys
        results = doctest.testmod(analysis)
        print(results.attempted, results.failed)
    """
    report = python(snippet)
    assert report.endswith("4 3\n")
    places = [line for line in report.splitlines() if line.startswith("File ")]
    assert places == [
        f'File "{path} cell 4", line 3, in analysis.A',
        f'File "{path} cell 4", line 7, in analysis.A.m',
        f'File "{path} cell 3", line 5, in analysis.wrong',
    ]


def debugged(tmp_path, program, commands):
    """Run a program under the debugger's commands and return what it printed."""
    (tmp_path / "program.py").write_text(program)
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        input="\n".join(commands),
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    ).stdout


def test_the_debugger_stops_where_it_is_told(notebook, tmp_path):
    path = notebook("lib/analysis.ipynb", "x = 1", "def f(n):\n    n += 1\n    return n\n")
    program = (
        "import sys, nbimport, pdb; sys.path.append('lib')\n"
        "import analysis\npdb.set_trace()\nprint(analysis.f(1))\n"
    )
    for place in f"{path} cell 2:3", "analysis.ipynb cell 2:3", "lib/analysis.ipynb cell 2:3":
        commands = [f"b {place}", "c", "p n", "l", "w", "cl 1", "c"]
        report = debugged(tmp_path, program, commands)
        assert f"Breakpoint 1 at {path} cell 2:3\n" in report
        assert f"> {path} cell 2(3)f()\n-> return n\n(Pdb) 2\n" in report
        assert "  3 B->\t    return n\n" in report
    report = debugged(tmp_path, program, ["b analysis.f", "c", "n", "p n", "c"])
    assert f"Breakpoint 1 at {path} cell 2:" in report
    report = debugged(tmp_path, program, ["b nowhere.ipynb cell 2:3", "c"])
    assert "'nowhere.ipynb cell 2' not found from sys.path" in report


def test_breakpoint_in_a_cell_shows_the_cell(notebook, tmp_path):
    path = notebook("analysis.ipynb", "def f(n):\n    breakpoint()\n    return n\n")
    report = debugged(tmp_path, "import nbimport, analysis\nanalysis.f(1)\n", ["l", "n", "w", "c"])
    assert f"> {path} cell 1(" in report
    assert "  1  \tdef f(n):\n" in report
    assert "-> return n\n" in report


def test_post_mortem_shows_the_cell(notebook, tmp_path):
    path = notebook("analysis.ipynb", "x = 1", "def f(n):\n    return n / 0\n")
    program = (
        "import nbimport, analysis, pdb\n"
        "try:\n    analysis.f(1)\nexcept ZeroDivisionError:\n    pdb.post_mortem()\n"
    )
    report = debugged(tmp_path, program, ["p n", "q"])
    assert f"> {path} cell 2(2)f()\n-> return n / 0\n(Pdb) 1\n" in report


def test_ipython_shows_source_and_documentation(notebook, python):
    notebook("analysis.ipynb", *CELLS)
    snippet = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance(colors="nocolor")
        shell.run_cell("import analysis")
        for name in "plain", "Plain", "Colour", "Plain.Inner.deep":
            info = shell.object_inspect("analysis." + name, detail_level=1)
            print(name, info["source"], info["docstring"], str(info["file"])[-21:])
    """
    report = python(snippet, quiet=False)
    for line in "return 2 * x  # the end", "class Inner:", "RED = 1", 'return "deep"':
        assert line in report
    assert "analysis.ipynb cell 2\n" in report


def test_an_edit_shows_after_checkcache_as_in_a_python_file(notebook, python):
    notebook("analysis.ipynb", "def f():\n    return 'old'")
    snippet = """
        import analysis, inspect, linecache, json, os
        print(inspect.getsource(analysis.f))
        with open("analysis.ipynb") as file:
            text = file.read()
        with open("analysis.ipynb", "w") as file:
            file.write(text.replace("old", "newer"))
        linecache.checkcache()
        print(inspect.getsource(analysis.f))
    """
    assert python(snippet) == "def f():\n    return 'old'\n\ndef f():\n    return 'newer'\n\n"
