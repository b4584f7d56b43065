"""Where an error is shown to be, in every world that shows errors."""

import subprocess
import sys

import pytest

ANALYSIS = ("x = 1", "import json\n\ndef half(n):\n    # why\n    return n / 0  # here")
AT_IMPORT = (*ANALYSIS, "y = 2\nhalf(3)")
CARETS = "           ~~^~~\n"


def frames(report):
    """Return "cell, line, text" of the frames of a printed traceback that are in cells."""
    lines = report.splitlines()
    found = []
    for number, line in enumerate(lines):
        if ".ipynb cell " in line and line.startswith("  File "):
            place = line.partition(".ipynb ")[2].replace('"', "")
            found.append(f"{place}: {lines[number + 1].strip()}")
    return found


def test_an_uncaught_error_at_import_goes_from_the_import_straight_to_the_cell(notebook, python):
    path = notebook("analysis.ipynb", *AT_IMPORT)
    expected = f"""\
Traceback (most recent call last):
  File "/prog.py", line 1, in <module>
    import nbimport, analysis
  File "{path} cell 3", line 2, in <module>
    half(3)
  File "{path} cell 2", line 5, in half
    return n / 0  # here
{CARETS}ZeroDivisionError: division by zero
"""
    program = notebook("x.ipynb").with_name("prog.py")
    program.write_text("import nbimport, analysis\n")
    for _ in range(2):  # the second time from the cache
        report = python(args=[str(program)], fails=True).replace(str(program), "/prog.py")
        if sys.version_info >= (3, 13):  # marks calls differently
            report = report.replace("    ~~~~^^^\n", "")
        assert report == expected


def test_an_uncaught_error_in_a_function_called_later_shows_the_cell(notebook, python):
    notebook("analysis.ipynb", *ANALYSIS)
    report = python("import analysis\nanalysis.half(3)", fails=True)
    assert frames(report) == ["cell 2, line 5, in half: return n / 0  # here"]
    assert "\n" + CARETS in report


def test_an_error_behind_another_shows_the_cell(notebook, python):
    notebook("analysis.ipynb", *ANALYSIS)
    snippet = """
        import analysis
        try:
            analysis.half(3)
        except ZeroDivisionError as error:
            raise RuntimeError from error
    """
    assert frames(python(snippet, fails=True)) == ["cell 2, line 5, in half: return n / 0  # here"]


def test_an_error_that_ends_a_thread_shows_the_cell(notebook, python):
    notebook("analysis.ipynb", *ANALYSIS)
    snippet = """
        import analysis, threading, sys
        thread = threading.Thread(target=analysis.half, args=[3], name="worker")
        thread.start()
        thread.join()
        sys.exit(1)
    """
    report = python(snippet, fails=True)
    assert report.startswith("Exception in thread worker:\nTraceback (most recent call last):\n")
    assert frames(report) == ["cell 2, line 5, in half: return n / 0  # here"]
    snippet = """
        import analysis, threading
        nbimport.uninstall()
        assert threading.excepthook is threading.__excepthook__
    """
    assert python(snippet) == ""


@pytest.mark.parametrize("cell", ["await asyncio.sleep(0)\nhalf(3)", "await later()", "half(3)"])
def test_an_error_in_a_notebook_that_awaits_shows_no_frames_of_asyncio(notebook, python, cell):
    later = "import asyncio\nasync def later():\n    half(3)\nawait asyncio.sleep(0)"
    notebook("analysis.ipynb", *ANALYSIS, later, cell)
    report = python("import analysis", fails=True)
    assert report.count("  File ") == 3 + ("later" in cell)
    assert frames(report)[-1] == "cell 2, line 5, in half: return n / 0  # here"


def test_a_warning_shows_the_cell(notebook, python):
    path = notebook("analysis.ipynb", "x = 1", "import warnings\n\nwarnings.warn('look')  # here")
    report = python("import analysis, sys; sys.exit(1)", fails=True)
    assert report == f"{path} cell 2:3: UserWarning: look\n  warnings.warn('look')  # here\n"


@pytest.mark.parametrize(
    ("cell", "line", "text", "caret"),
    [
        ("y = 2\ndef f(:\n    pass", 2, "def f(:", 7),
        ("print 'x'", 1, "print 'x'", 1),
        ("x = (1,\ny = 2", 1, "x = (1,", 5),
        ("%matplotlib inline\ny = = 2", 2, "y = = 2", 5),
        ("%time y = = 2", 1, "%time y = = 2", 11),
        ("if 1:\n    %time y = = 2", 2, "    %time y = = 2", 15),
        ("%%time\n\ny = = 2", 3, "y = = 2", 5),
        ("x = 1\nreturn x", 2, "return x", 1),
        ("class A:\n    break", 2, "    break", 5),
        ("def f():\n  x\n y", 3, " y", 3),
        ("x = '\u00e9\u00e9'; y = = 1", 1, "x = '\u00e9\u00e9'; y = = 1", 15),
        ("!ls\nx = 1 +", 2, "x = 1 +", 8),
        ("x = 'open", 1, "x = 'open", 5),
    ],
)
def test_a_syntax_error_has_its_caret_in_the_right_cell(  # noqa: PLR0913, PLR0917 - one case a row
    notebook, python, cell, line, text, caret
):
    path = notebook("analysis.ipynb", "x = 1", {"source": cell})
    snippet = """
        try:
            import analysis
        except SyntaxError as error:
            print(error.filename, error.lineno, error.offset, ascii(error.text.rstrip()))
    """
    assert python(snippet) == f"{path} cell 2 {line} {caret} {text!a}\n"
    report = python("import analysis", fails=True, env={"PYTHONIOENCODING": "utf-8"}).splitlines()
    at = report.index(f'  File "{path} cell 2", line {line}')
    assert report[at + 1].strip() == text.strip()
    start = report[at + 1].index(text.strip()) - (len(text) - len(text.lstrip()))
    assert report[at + 2].index("^") == start + caret - 1
    assert len([entry for entry in report if entry.startswith("  File ")]) == 2


def test_ipython_shows_the_cell(notebook, python):
    notebook("analysis.ipynb", *ANALYSIS)
    notebook("fails.ipynb", *AT_IMPORT)
    notebook("wrong.ipynb", "x = 1", "y = = 2")
    snippet = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance(colors="nocolor")
        for cell in "import analysis", "analysis.half(3)", "import fails", "import wrong":
            shell.run_cell(cell)
            print("-" * 9, "end of", cell)
    """
    report = python(snippet, quiet=False)
    _, later, at_import, syntax, _ = report.split("--------- end of")
    for part in later, at_import:
        assert ".ipynb cell 2:5, in half(n)" in part
        assert "----> 5     return n / 0  # here" in part
    assert ".ipynb cell 3:2" in at_import
    assert "----> 2 half(3)" in at_import
    assert "nbimport/" not in report.replace("import nbimport", "")
    assert "wrong.ipynb cell 2:1" in syntax
    assert "    y = = 2\n        ^\n" in syntax


def test_a_kernel_shows_the_cell(notebook, tmp_path):
    manager = pytest.importorskip("jupyter_client.manager")
    notebook("analysis.ipynb", *ANALYSIS)
    kernel, client = manager.start_new_kernel(cwd=str(tmp_path))
    try:
        cell = "import nbimport, analysis\n%xmode Plain\nanalysis.half(3)"
        found = []
        client.execute_interactive(cell, timeout=60, allow_stdin=False, output_hook=found.append)
        error = next(m["content"] for m in found if m["msg_type"] == "error")
        report = "\n".join(error["traceback"])
        assert "cell 2" in report
        assert "return n / " in report
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_pytest_shows_the_cell(notebook, script, python, tmp_path):
    notebook("analysis.ipynb", *ANALYSIS)
    script(
        "test_it.py",
        """
        import nbimport, analysis

        def test_half():
            assert analysis.half(3) == 1.5
        """,
    )
    args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(
        [sys.executable, *args], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    shown = "\n    def half(n):\n        # why\n>       return n / 0  # here\n"
    assert shown in done.stdout
    assert "analysis.ipynb cell 2:5: ZeroDivisionError" in done.stdout


def test_logging_knows_the_cell_and_the_line(notebook, python):
    path = notebook("analysis.ipynb", "import logging", "def f():\n    logging.warning('look')")
    snippet = """
        import logging, sys
        form = "%(pathname)s:%(lineno)d %(module)s %(funcName)s %(message)s"
        logging.basicConfig(format=form, stream=sys.stdout)
        import analysis
        analysis.f()
    """
    assert python(snippet) == f"{path} cell 2:2 analysis f look\n"
