"""load(): any path, any name, one module a file; and clear errors."""

import os

import pytest

NAMES = [
    "plain",
    "Data prep",
    "2024-05 résumé",
    "a.b.c",
    "semi;colon",
    "naïve_ß_数据",
    "with 'quotes' \"both\"",
    "100%",
    "#definitions",
    "[brackets]",
    "import",
    "json",
    "__init__",
    "__main__",
    "-dash",
    "~tilde",
    "trailing ",
    " leading",
    "tab\there",
    "back\\slash",
    "$HOME",
    "x" * 200,
    "emoji 🎉",
    "nfd e\u0301",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_loads_by_absolute_and_relative_path_with_and_without_suffix(
    notebook, python, name
):
    path = notebook(f"some where/{name}.ipynb", "x = __name__", "class C: pass")
    snippet = f"""
        import importlib, os, pathlib, pickle, sys
        path, name = {str(path)!r}, {name!r}
        module = nbimport.load(path)
        assert module.__file__ == path and module.x == module.__name__
        assert sys.modules[module.__name__] is module
        for way in (
            path.removesuffix(".ipynb"), pathlib.Path(path), f"some where/{{name}}.ipynb",
            f"./some where/{{name}}", pathlib.Path("some where") / f"{{name}}.ipynb",
            f"some where/../some where/{{name}}.ipynb", f"some where//{{name}}",
        ):
            assert nbimport.load(way) is module, way
        os.chdir("some where")
        assert nbimport.load(f"./{{name}}") is module
        assert importlib.import_module(module.__name__) is module
        assert pickle.loads(pickle.dumps(module.C)) is module.C
        os.chdir("..")
        assert importlib.reload(module) is module
    """
    python(snippet)


def test_paths_count_from_the_importing_notebook_then_from_the_working_directory(notebook, python):
    for folder in ("here", "there"):
        notebook(f"{folder}/helper.ipynb", f"x = {folder!r}")
    notebook("here/only here.ipynb", "x = 'only here'")
    notebook(
        "there/main.ipynb",
        """
        import nbimport
        x = nbimport.load("helper").x, nbimport.load("./helper.ipynb").x
        def late():
            return nbimport.load("helper").x, nbimport.load("../here/helper").x
        y = nbimport.load("only here").x
        """,
    )
    snippet = """
        import os; os.chdir("here")
        main = nbimport.load("../there/main.ipynb")
        print(main.x, main.late(), main.y, nbimport.load("helper").x)
    """
    assert python(snippet) == "('there', 'there') ('there', 'here') only here here\n"


def test_a_tilde_is_the_home_folder(notebook, python, tmp_path):
    notebook("home/nb.ipynb", "x = 1")
    env = {"HOME": str(tmp_path / "home")}
    assert python("print(nbimport.load('~/nb').x)", env=env) == "1\n"
    assert python("print(nbimport.load('~/nb.ipynb').__file__)", env=env) == (
        f"{tmp_path}/home/nb.ipynb\n"
    )


def test_only_definitions_runs_no_work_and_is_a_module_of_its_own(notebook, python):
    notebook(
        "nb.ipynb",
        "import math\nprint('work')\nLIMIT = 3",
        "def f():\n    return math.floor(LIMIT)",
        "class C:\n    pass\n\nresult = f()",
    )
    snippet = """
        part = nbimport.load("nb.ipynb", only="definitions")
        print(part.f(), part.LIMIT, part.C, hasattr(part, "result"))
        assert nbimport.load("nb", only="definitions") is part
        whole = nbimport.load("nb")
        assert whole is not part and whole.result == 3
        assert nbimport.load("nb", only="definitions") is part and nbimport.load("nb") is whole
        import pickle, importlib, sys
        assert pickle.loads(pickle.dumps(part.f)) is part.f
        assert importlib.reload(part) is part and not hasattr(part, "result")
        del sys.modules[part.__name__]
        assert importlib.import_module(part.__name__).f() == 3
    """
    printed = python(snippet)
    assert printed.splitlines()[1:] == ["work"]
    assert printed.startswith("3 3 <class ")


def test_a_module_that_was_deleted_is_loaded_anew(notebook, python):
    notebook("far/nb.ipynb", "x = []")
    snippet = """
        import sys
        first = nbimport.load("far/nb")
        del sys.modules[first.__name__]
        second = nbimport.load("far/nb")
        assert first is not second and nbimport.load("far/nb") is second
        assert second.__name__ == first.__name__
    """
    python(snippet)


def test_one_file_reached_by_links_is_found_under_each_path(notebook, python, tmp_path):
    """As with ``.py`` files: links are not resolved, so what lies beside the link is meant."""
    notebook("real/nb.ipynb", "x = 1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "nb link.ipynb").symlink_to(tmp_path / "real/nb.ipynb")
    snippet = """
        for path in ("real/nb.ipynb", "link/nb.ipynb", "nb link.ipynb"):
            module = nbimport.load(path)
            print(module.x, module.__file__.endswith(path))
    """
    assert python(snippet) == "1 True\n" * 3


def test_a_path_that_leads_nowhere_is_one_clear_error(notebook, script, python, tmp_path):
    notebook("Data prep.ipynb", "x = 1")
    script("plain.py", "")
    script("notes.txt", "")
    (tmp_path / "a folder.ipynb").mkdir()
    (tmp_path / "dangling.ipynb").symlink_to("nowhere")
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    os.mkfifo(tmp_path / "fifo.ipynb")
    snippet = """
        import sys
        before = {"nbimport.at", *sys.modules}
        for path in (
            "Data perp", "data prep.ipynb", "nothing like it", "no folder/nb", "plain.py",
            "notes.txt", "a folder", "a folder.ipynb", "dangling", "loop.ipynb", "fifo", ".", "",
        ):
            try:
                nbimport.load(path)
            except nbimport.NotebookImportError as error:
                print(type(error).__name__, error, error.path is not None, sep="|")
        assert nbimport.load(b"Data prep.ipynb").x == 1
        for wrong in (None, 3, ["nb"]):
            try:
                nbimport.load(wrong)
            except (TypeError, nbimport.NotebookImportError) as error:
                print(type(error).__name__, error)
        for only in ("everything", True, ""):
            try:
                nbimport.load("Data prep", only=only)
            except ValueError as error:
                print(error)
        left = [name for name in set(sys.modules) - before if "at." in name]
        assert not left, left
    """
    printed = python(snippet).replace(str(tmp_path), "HERE").splitlines()
    near = "(did you mean 'Data prep.ipynb'?)"
    missing, other = "NotebookNotFoundError", "NotebookImportError"
    assert printed == [
        f"{missing}|HERE/Data perp.ipynb: no such notebook {near}; check the path|True",
        f"{missing}|HERE/data prep.ipynb: no such notebook {near}; check the path|True",
        f"{missing}|HERE/nothing like it.ipynb: no such notebook; check the path|True",
        (
            f"{missing}|HERE/no folder/nb.ipynb: no such notebook (there is no folder "
            "HERE/no folder); "
            "check the path|True"
        ),
        f"{other}|HERE/plain.py: not a .ipynb file; give the path of a notebook|True",
        f"{other}|HERE/notes.txt: not a .ipynb file; give the path of a notebook|True",
        f"{other}|HERE/a folder.ipynb: a folder, not a notebook; give the notebook's own path|True",
        f"{other}|HERE/a folder.ipynb: a folder, not a notebook; give the notebook's own path|True",
        (
            f"{other}|HERE/dangling.ipynb: a link that leads nowhere (No such file or "
            "directory), "
            "not a notebook; give the notebook's own path|True"
        ),
        (
            f"{other}|HERE/loop.ipynb: a link that leads nowhere (Too many levels of "
            "symbolic links), "
            "not a notebook; give the notebook's own path|True"
        ),
        (
            f"{other}|HERE/fifo.ipynb: a pipe, socket or device, not a notebook; "
            "give the notebook's own path|True"
        ),
        f"{other}|HERE: a folder, not a notebook; give the notebook's own path|True",
        f"{other}|HERE: a folder, not a notebook; give the notebook's own path|True",
        *[
            "TypeError expected str, bytes or os.PathLike object, not " + kind
            for kind in ("NoneType", "int", "list")
        ],
        *[
            f'only: got {only!r}; leave it out, or write only="definitions"'
            for only in ("everything", True, "")
        ],
    ]


def test_load_after_uninstall_says_what_to_do(notebook, python):
    notebook("nb.ipynb", "")
    snippet = """
        nbimport.uninstall()
        try:
            nbimport.load("nb")
        except nbimport.NotebookImportError as error:
            print(error)
        with nbimport.install():
            nbimport.load("nb")
    """
    assert python(snippet) == "nbimport is uninstalled; call nbimport.install() first\n"
