"""``python -m nbimport``: help, wrong arguments, and what the commands print."""

import json
import os
import pathlib
import pty
import subprocess
import sys

import pytest

COMMANDS = ["run", "source", "check", "stubs", "cache", "enable", "disable", "mounts"]


@pytest.fixture
def nbimport(tmp_path):
    """Run a command; return its exit code and what it printed and complained of."""

    def run(*arguments, cwd=tmp_path, options=(), **variables):
        unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
        kept = {key: value for key, value in os.environ.items() if key not in unwanted}
        done = subprocess.run(
            [sys.executable, *options, "-m", "nbimport", *map(str, arguments)],
            cwd=cwd,
            env={**kept, "XDG_CACHE_HOME": str(tmp_path / ".cache"), "COLUMNS": "100", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_without_a_command_the_help_lists_all(nbimport):
    code, printed, complained = nbimport()
    assert (code, complained) == (0, "")
    assert nbimport("--help") == (0, printed, "")
    listed = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
    assert listed[1:] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(nbimport, command):
    code, printed, complained = nbimport(command, "--help")
    assert (code, complained) == (0, "")
    assert printed.startswith(f"usage: python -m nbimport {command} [-h]")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "no command 'chek': did you mean 'check'?"),
        (["frobnicate"], "no command 'frobnicate': known are run, source, "),
        (["--colour"], "unrecognized arguments: --colour"),
        (["run"], "the following arguments are required: NOTEBOOK"),
        (["run", "--fast", "nb.ipynb"], "the following arguments are required: NOTEBOOK"),
        (["run", "nbb.ipynb"], "nbb.ipynb: no such notebook (did you mean 'nb.ipynb'?)"),
        (["run", "plain.py"], "plain.py: not a .ipynb file"),
        (["source", "nb.ipynb", "nb.ipynb"], "unrecognized arguments: nb.ipynb"),
        (["source", "."], ": a folder, not a notebook"),
        (["check", "nowhere"], "nowhere: no such folder or notebook"),
        (
            ["check", "--timeout", "soon"],
            "argument --timeout: 'soon' is no number of seconds above 0",
        ),
        (["check", "--timeout", "-1"], "argument --timeout: '-1' is no number of seconds above 0"),
        (["stubs", "nowhere"], "nowhere: no such notebook or folder"),
        (["cache", "burn"], "argument ACTION: invalid choice: 'burn'"),
        (["cache", "show", "nowhere"], "nowhere: no such folder"),
        (["enable", "now"], "unrecognized arguments: now"),
        (["mounts", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(notebook, script, nbimport, arguments, said):
    notebook("nb.ipynb", "x = 1")
    script("plain.py", "x = 1")
    code, printed, complained = nbimport(*arguments)
    assert (code, printed) == (2, "")
    assert complained.startswith("python -m nbimport")
    assert complained.count("\n") == 1
    assert said in complained


def test_source_is_the_python_that_is_executed(notebook, nbimport, python, tmp_path):
    path = notebook(
        "nb.ipynb",
        "from math import pi\n\n\ndef area(r):\n    return pi * r**2\n",
        ("left = out", "skip"),
        "if __name__ == 'never':\n    %env HERE=1",
        "text = '''\n # %% cell 7\n'''",
    )
    code, printed, complained = nbimport("source", path.name)
    assert (code, complained) == (0, "")
    marks = [line for line in printed.splitlines() if line.startswith("# %% cell")]
    assert marks == ["# %% cell 1", "# %% cell 3", "# %% cell 4"]
    (tmp_path / "written.py").write_text(printed)
    assert "    get_ipython().run_line_magic('env', 'HERE=1')\n" in printed
    shown = "print(m.area(2), repr(m.text))"
    truth = python(f"import nb as m; {shown}")
    assert python(f"import written as m; {shown}") == truth


def test_source_of_what_is_no_python_says_where(notebook, script, nbimport):
    path = notebook("nb.ipynb", "x = 1", "def f(:")
    code, printed, complained = nbimport("source", path)
    assert (code, printed) == (1, "")
    assert complained.count("\n") == 1
    assert "cell 2" in complained
    path = script("junk.ipynb", "{}")
    code, printed, complained = nbimport("source", path)
    assert (code, printed) == (1, "")
    assert f"{path}: not a notebook" in complained


@pytest.fixture
def folder(notebook, script):
    notebook("good.ipynb", "import helper", "from . import helper as same\nassert helper is same")
    notebook("helper.ipynb", "x = 1\nprint('noise')")
    notebook("deep/er/also good.ipynb", "import sys; sys.stderr.write('noise')")
    notebook("fails.ipynb", "x = 1", "def f():\n    return 1 / 0", "y = 2\nf()")
    notebook("syntax.ipynb", "x = 1", "y = 2\ndef f(:")
    notebook("leaves.ipynb", "import sys\nsys.exit(7)")
    notebook("dies.ipynb", "import os\nos._exit(9)")
    notebook("asks.ipynb", "input()")
    script("junk.ipynb", "{]")
    script(".ipynb_checkpoints/old.ipynb", "{]")
    script(".venv/site-packages/sample.ipynb", "{]")


# Path -> type, cell and line of what keeps it from loading.
EXPECTED = {
    "asks.ipynb": ("EOFError", 1, 1),
    "deep/er/also good.ipynb": None,
    "dies.ipynb": ("ProcessEnded", None, None),
    "fails.ipynb": ("ZeroDivisionError", 2, 2),
    "good.ipynb": None,
    "helper.ipynb": None,
    "junk.ipynb": ("NotebookFormatError", None, None),
    "leaves.ipynb": ("SystemExit", 1, 2),
    "syntax.ipynb": ("SyntaxError", 2, 2),
}


def test_check_says_which_notebooks_load_and_why_not(folder, nbimport, tmp_path):
    code, printed, complained = nbimport("check", "--json", tmp_path, cwd=tmp_path / "deep")
    assert (code, complained) == (1, "")
    report = json.loads(printed)
    found = {}
    for one in report["notebooks"]:
        error = one["error"]
        assert one["loads"] == (error is None)
        place = os.path.relpath(one["path"], tmp_path)
        found[place] = error and (error["type"], error["cell"], error["line"])
    assert found == EXPECTED
    assert report["failed"] == 6

    code, printed, complained = nbimport("check")
    assert (code, complained) == (1, "")
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines[:-1]].count("ok") == 3
    assert "FAIL  fails.ipynb cell 2, line 2: ZeroDivisionError: division by zero" in lines
    assert "FAIL  dies.ipynb: ProcessEnded: ended its process with exit code 9" in lines
    assert "FAIL  leaves.ipynb cell 1, line 2: SystemExit: 7" in lines
    assert lines[-1] == "9 notebooks; 6 of them do not load"


def test_check_can_compile_without_running(folder, notebook, nbimport, tmp_path):
    notebook("writes.ipynb", "open('ran', 'w')")
    code, printed, _ = nbimport("check", "--no-run")
    failed = [line.split()[1].rstrip(":") for line in printed.splitlines() if "FAIL" in line]
    assert (code, failed) == (1, ["junk.ipynb", "syntax.ipynb"])
    assert not (tmp_path / "ran").exists()
    assert nbimport("check", "writes.ipynb") == (0, "ok    writes.ipynb\n1 notebook\n", "")
    assert (tmp_path / "ran").exists()


def test_check_gives_up_on_what_takes_too_long(notebook, nbimport):
    notebook("waits.ipynb", "import threading\nthreading.Event().wait()")
    code, printed, _ = nbimport("check", "--timeout", "0.5")
    assert code == 1
    assert printed.splitlines()[0] == "FAIL  waits.ipynb: TimeoutExpired: still running after 0.5 s"


def test_check_finds_packages_of_the_working_directory(notebook, script, nbimport):
    notebook("pkg/__init__.ipynb", "")
    notebook("pkg/a.ipynb", "import pkg.b, pkg.c\nfrom . import b as same\nassert pkg.c.x == 1")
    notebook("pkg/b.ipynb", "x = 1")
    script("pkg/c.py", "x = 1")
    code, printed, complained = nbimport("check", "pkg")
    assert (code, complained) == (0, ""), printed


def test_check_shows_a_bar_on_a_terminal_and_leaves_nothing_of_it(notebook, tmp_path):
    for number in range(3):
        notebook(f"nb{number}.ipynb", "x = 1")
    here, there = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "nbimport", "check"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=there,
        text=True,
    )
    os.close(there)
    seen = b""
    while True:
        try:
            data = os.read(here, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not data:
            break
        seen += data
    os.close(here)
    assert child.communicate(timeout=60)[0].endswith("3 notebooks\n")
    assert child.returncode == 0
    bars = seen.decode().split("\r\x1b[K")
    assert [bar.partition("] ")[2] for bar in bars if bar] == [
        "0/3 nb0.ipynb",
        "1/3 nb1.ipynb",
        "2/3 nb2.ipynb",
    ]
    assert bars[-1] == ""


def entries(folder):
    return sorted(path.name for path in folder.rglob("*.pyc") if ".ipynb" in path.name)


def test_cache_shows_and_clears_what_an_import_left(notebook, script, python, nbimport, tmp_path):
    notebook("nb.ipynb", "import plain")
    notebook("sub/other.ipynb", "x = 1")
    script("plain.py", "x = 1")
    python("import nb; nbimport.load('sub/other.ipynb', only='definitions')")
    tag = sys.implementation.cache_tag
    names = [f"nb.ipynb.{tag}.pyc", f"other.ipynb-definitions.{tag}.pyc"]
    assert entries(tmp_path) == names
    code, printed, complained = nbimport("cache")
    assert (code, complained) == (0, "")
    lines = printed.splitlines()
    sizes = {}
    for line in lines[:-1]:
        size, unit, path = line.split(None, 2)
        assert unit in ("B", "KiB")
        sizes[pathlib.Path(path).name] = float(size) * (1024 if unit == "KiB" else 1)
    assert sorted(sizes) == names
    for name, size in sizes.items():
        (path,) = tmp_path.rglob(name)
        assert abs(path.stat().st_size - size) <= 52  # a tenth of a KiB
    assert lines[-1].startswith("2 entries, ")
    assert nbimport("cache", "show")[1] == printed

    code, printed, _ = nbimport("cache", "clear", "sub")
    assert (code, printed.startswith("removed 1 entry, ")) == (0, True)
    assert entries(tmp_path) == names[:1]
    nbimport("cache", "clear")
    assert entries(tmp_path) == []
    assert (tmp_path / "__pycache__" / f"plain.{tag}.pyc").exists()
    assert nbimport("cache", "show") == (0, "0 entries, 0 B\n", "")
    python("import nb")
    assert entries(tmp_path) == names[:1]


def test_cache_covers_the_user_s_folder(notebook, script, python, nbimport, tmp_path):
    notebook("nb.ipynb", "x = 1")
    script("__pycache__", "a file, so that the bytecode goes to the user's folder")
    python("import nb", env={"XDG_CACHE_HOME": str(tmp_path / ".cache")})
    own = tmp_path / ".cache" / "nbimport" / "bytecode"
    assert len(entries(own)) == 1
    assert f"{own} (1 entry)\n" in nbimport("cache", "show")[1]
    assert f"{own}{tmp_path} (1 entry)\n" in nbimport("cache", "show", tmp_path)[1]
    (tmp_path / "elsewhere").mkdir()
    assert nbimport("cache", "clear", "elsewhere")[1] == "removed 0 entries, 0 B\n"
    assert len(entries(own)) == 1
    assert nbimport("cache", "clear", cwd=tmp_path / "elsewhere")[1].startswith("removed 1 entry")
    assert entries(own) == []


def test_mounts_are_listed_with_the_file_that_sets_them(script, nbimport, tmp_path):
    assert nbimport("mounts")[1].startswith("no mounts: ")
    pyproject = script("pyproject.toml", "[tool.nbimport]\nmounts = { lab = 'shared', b = '..' }\n")
    (tmp_path / "deep" / "shared").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    expected = (
        f"b    {tmp_path.parent}  (from {pyproject})\nlab  {tmp_path}/shared  (from {pyproject})\n"
    )
    assert nbimport("mounts") == (0, expected, "")
    assert nbimport("mounts", "deep/shared") == (0, expected, "")
    (tmp_path / "shared").rmdir()
    code, printed, _ = nbimport("mounts")
    assert code == 1
    assert f"lab  {tmp_path}/shared: no such folder  (from {pyproject})\n" in printed
    script("pyproject.toml", "[tool.nbimport]\nmount = {}\n")
    code, printed, complained = nbimport("mounts")
    assert (code, printed, complained.count("\n")) == (1, "", 1)
    assert "did you mean 'mounts'?" in complained
