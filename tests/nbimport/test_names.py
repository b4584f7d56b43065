"""What a notebook's file name may be, and which import names it answers to."""

import sys

import pytest


@pytest.mark.parametrize(
    "name", ["données", "数据", "x1", "_private", "Ünï_2", "1_first", "2024-05 report", "a&b,c"]
)
def test_any_name_imports_through_import_module_and_by_path(notebook, python, name):
    notebook(f"{name}.ipynb", "x = __name__")
    snippet = f"""
        import importlib
        module = importlib.import_module({name!r})
        assert nbimport.load({name + ".ipynb"!r}) is module
        assert importlib.import_module({name!r}) is module
        assert importlib.import_module(module.__name__) is module and module.x == module.__name__
        assert importlib.reload(module) is module
        if {name!r}.isidentifier():
            assert module.__name__ == {name!r}
    """
    assert python(snippet) == ""


def test_an_import_statement_finds_spaces_and_dashes_as_underscores(notebook, python):
    notebook("my notes-2.ipynb", "print('ran')")
    notebook("pkg/__init__.ipynb", "")
    notebook("pkg/some-part.ipynb", "x = 1")
    snippet = """
        import my_notes_2, importlib
        assert importlib.import_module("my notes-2") is my_notes_2
        assert nbimport.load("my notes-2.ipynb") is my_notes_2
        import pkg.some_part
        from pkg import some_part
        assert importlib.import_module("pkg.some-part") is some_part is pkg.some_part
        print(my_notes_2.__name__, some_part.__name__)
    """
    assert python(snippet) == "ran\nmy_notes_2 pkg.some_part\n"


def test_importing_the_spelt_name_first_gives_the_same_module(notebook, python):
    notebook("my notes.ipynb", "print('ran')")
    snippet = """
        import importlib
        module = importlib.import_module("my notes")
        import my_notes
        assert my_notes is module
    """
    assert python(snippet) == "ran\n"


def test_a_name_that_two_files_answer_to_is_refused_with_both(notebook, python, tmp_path):
    notebook("my notes.ipynb", "")
    notebook("my-notes.ipynb", "")
    notebook("main.ipynb", "import my_notes")
    snippet = """
        for name in "my_notes", "main":
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error, error.name)
        assert nbimport.load("my notes.ipynb") is not nbimport.load("my-notes.ipynb")
    """
    message = (
        f"{tmp_path}: 'my_notes' could mean 'my notes.ipynb', 'my-notes.ipynb'; "
        "rename one of them, or use nbimport.load() my_notes\n"
    )
    assert python(snippet) == message * 2


def test_the_exact_name_wins_over_one_that_only_answers_to_it(notebook, python):
    notebook("my_notes.ipynb", "x = 'exact'")
    notebook("my-notes.ipynb", "x = 'dash'")
    notebook("later/other_notes.ipynb", "x = 'exact, further down the path'")
    notebook("other notes.ipynb", "x = 'space'")
    snippet = """
        import sys; sys.path.append("later")
        import my_notes, other_notes
        print(my_notes.x, other_notes.x, sep="; ")
        print(nbimport.load("my-notes.ipynb").x, nbimport.load("other notes.ipynb").x)
    """
    assert python(snippet) == "exact; exact, further down the path\ndash space\n"


def test_a_renamed_file_is_not_confused_with_the_one_that_was_compiled_in(
    notebook, python, tmp_path
):
    notebook("far/my plot.ipynb", "x = 'space'")
    notebook("far/main.ipynb", "import my_plot\nprint(my_plot.x)")
    snippet = "nbimport.load('far/main.ipynb')"
    assert python(snippet) == "space\n"
    (tmp_path / "far/my plot.ipynb").rename(tmp_path / "far/my-plot.ipynb")
    assert python(snippet) == "space\n"


def test_case_matters_as_it_does_for_a_py_file(notebook, script, python):
    notebook("Analysis.ipynb", "x = 1")
    script("Module.py", "")
    snippet = """
        import os
        assert "PYTHONCASEOK" not in os.environ
        for name in "analysis", "module", "ANALYSIS":
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error)
        import Analysis, Module
    """
    assert python(snippet) == (
        "No module named 'analysis'\nNo module named 'module'\nNo module named 'ANALYSIS'\n"
    )


def test_a_dot_in_a_file_name_is_no_package(notebook, python):
    notebook("v1.2.ipynb", "x = __name__")
    notebook("report.final.ipynb", "x = 2")
    snippet = """
        try:
            import report.final
        except ModuleNotFoundError as error:
            print(error)
        first = nbimport.load("v1.2.ipynb")
        assert nbimport.load("v1.2") is first
        import importlib
        assert importlib.import_module(first.__name__) is first
        print(nbimport.load("report.final.ipynb").x)
    """
    assert python(snippet) == "No module named 'report'\n2\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize(
    "name", ["per%cent", "per%2Fcent", "hash#definitions", "quest?ion", 'quo"te', "a\\b", "tab\tx"]
)
def test_names_with_the_marks_of_our_own_naming_load_by_path(notebook, python, name):
    path = notebook(f"sub/{name}.ipynb", "def f(): return 1", "x = f()")
    snippet = f"""
        import importlib, pickle
        module = nbimport.load({str(path)!r})
        assert nbimport.load({str(path)!r}) is module is importlib.import_module(module.__name__)
        assert pickle.loads(pickle.dumps(module.f)) is module.f
        assert module.__file__ == {str(path)!r}
        part = nbimport.load({str(path)!r}, only="definitions")
        assert part is not module and not hasattr(part, "x") and part.f() == 1
    """
    assert python(snippet) == ""


def test_a_line_break_in_a_file_name_is_refused_with_the_reason(notebook, python, tmp_path):
    notebook("two\nlines.ipynb", "")
    snippet = """
        try:
            nbimport.load("two\\nlines.ipynb")
        except nbimport.NotebookFormatError as error:
            print(error)
    """
    assert python(snippet).endswith("a line break in the file's name; rename it\n")
