"""From where a notebook is found: folders on the search path, the importing notebook, paths."""

import sys

import pytest


def test_a_notebook_in_the_current_folder_imports(notebook, python):
    notebook("analysis.ipynb", "x = 6 * 7")
    assert python("import analysis; print(analysis.x, analysis.__name__)") == "42 analysis\n"


def test_a_notebook_in_a_folder_appended_later_imports(notebook, python):
    notebook("later/found.ipynb", "x = 1")
    snippet = """
        import sys
        try:
            import found
        except ModuleNotFoundError as error:
            print(error)
        sys.path.append("later")
        import found
        print(found.x)
    """
    assert python(snippet) == "No module named 'found'\n1\n"


def test_a_relative_and_a_missing_entry_of_the_search_path_do_no_harm(notebook, python):
    notebook("sub/found.ipynb", "x = 1")
    snippet = """
        import sys, pathlib
        sys.path[:0] = ["missing", "sub", 3, pathlib.Path("sub"), "~", "found.ipynb"]
        import found
        print(found.x, found.__spec__.origin == found.__file__)
    """
    assert python(snippet) == "1 True\n"


def test_a_notebook_written_after_a_failed_import_is_found(notebook, python, tmp_path):
    notebook("stored/late.ipynb", "x = 1")
    snippet = """
        import importlib, os, shutil
        for name in ("late", "late2"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                shutil.copy("stored/late.ipynb", name + ".ipynb")
                importlib.invalidate_caches()
                print(importlib.import_module(name).x)
    """
    assert python(snippet) == "1\n1\n"


def test_a_notebook_imports_its_neighbour_when_the_working_directory_is_elsewhere(notebook, python):
    notebook("far/away/helper.ipynb", "x = 'beside'")
    notebook(
        "far/away/main notebook.ipynb",
        "import helper",
        """
        def late():
            import helper as again
            from helper import x
            import importlib
            return again is helper is importlib.import_module("helper"), x
        """,
    )
    snippet = """
        module = nbimport.load("far/away/main notebook.ipynb")
        print(module.helper.x, module.late())
    """
    assert python(snippet) == "beside (True, 'beside')\n"


def test_a_py_file_and_a_folder_beside_the_importing_notebook_are_found_too(
    notebook, script, python
):
    script("far/plain.py", "x = 'py'")
    script("far/pkg/__init__.py", "")
    script("far/pkg/mod.py", "from . import other; x = 'mod'")
    script("far/pkg/other.py", "")
    script("far/loose/inner.py", "x = 'inner'")
    notebook("far/mixed/deep.ipynb", "x = 'deep'")
    notebook(
        "far/main.ipynb",
        """
        import plain
        import pkg.mod
        import pkg.mod as mod
        from pkg import other
        from loose.inner import x
        import loose.inner
        from mixed import deep
        import mixed.deep
        """,
        """
        def names():
            import sys
            import pkg.mod as again
            assert again is mod is pkg.mod and pkg.other is other
            return sorted(
                name for name in sys.modules
                if name in ("plain", "pkg", "pkg.mod", "loose", "mixed", "mixed.deep")
            )
        """,
    )
    snippet = """
        import sys
        main = nbimport.load("far/main.ipynb")
        print(main.plain.x, main.mod.x, main.x, main.deep.x, main.loose.inner.x, main.names())
    """
    assert python(snippet) == "py mod inner deep inner []\n"


def test_an_installed_package_wins_over_a_folder_or_py_file_beside_the_notebook(
    notebook, script, python
):
    script("installed/taken/__init__.py", "x = 'installed'")
    script("installed/taken/sub.py", "x = 'installed sub'")
    script("far/taken/sub.py", "x = 'beside'")
    script("far/json.py", "x = 'beside'")
    notebook("far/main.ipynb", "import taken.sub, json\nfrom taken import x\nprint(x, taken.sub.x)")
    snippet = "import sys; sys.path.append('installed'); m = nbimport.load('far/main.ipynb')"
    snippet += "\nimport taken; print(m.taken is taken, m.json.dumps(1))"
    assert python(snippet) == "installed installed sub\nTrue 1\n"


def test_a_folder_beside_the_notebook_and_on_the_search_path_is_one_package(
    notebook, script, python
):
    script("loose/inner.py", "print('ran')")
    notebook("main.ipynb", "import loose.inner\nfrom loose import inner")
    assert python("import main, loose.inner; print(loose.inner is main.inner)") == "ran\nTrue\n"


@pytest.mark.parametrize(
    "spelling",
    ["data/Data prep (2).ipynb", "./data/Data prep (2)", "data/../data/Data prep (2).ipynb", "abs"],
)
def test_a_notebook_loads_by_any_path_and_any_name(notebook, python, spelling):
    path = notebook("data/Data prep (2).ipynb", "x = 1")
    given = str(path) if spelling == "abs" else spelling
    assert python(f"print(nbimport.load({given!r}).x)") == "1\n"


def test_the_same_file_is_the_same_module_by_every_spelling(notebook, python):
    path = notebook("sub/one.ipynb", "print('ran')")
    snippet = f"""
        import os, pathlib, sys
        first = nbimport.load("sub/one.ipynb")
        spellings = [
            "sub/one", "./sub//one.ipynb", "sub/../sub/one.ipynb", {str(path)!r},
            pathlib.Path("sub/one.ipynb"), pathlib.Path("sub").resolve() / "one.ipynb",
        ]
        assert all(nbimport.load(spelling) is first for spelling in spellings)
        os.chdir("sub")
        assert nbimport.load("one.ipynb") is first
        sys.path.insert(0, os.getcwd())
        assert nbimport.load("one.ipynb") is first
        import importlib
        assert importlib.import_module(first.__name__) is first
    """
    assert python(snippet) == "ran\n"


def test_a_module_imported_by_name_is_the_one_that_load_returns(notebook, python):
    notebook("lib/one.ipynb", "print('one')")
    notebook("lib/pkg/__init__.ipynb", "print('pkg')")
    notebook("lib/pkg/sub.ipynb", "print('sub')")
    snippet = """
        import sys
        sys.path.insert(0, "lib")
        import one, pkg.sub
        for path, module in ("one", one), ("pkg/__init__", pkg), ("pkg/sub", pkg.sub):
            assert nbimport.load(f"lib/{path}.ipynb") is module, path
    """
    assert python(snippet) == "one\npkg\nsub\n"


def test_load_before_import_gives_the_name_that_import_uses(notebook, python):
    notebook("one.ipynb", "print('one')")
    notebook("pkg/__init__.ipynb", "print('pkg')")
    notebook("pkg/deep/sub.ipynb", "print('sub')")
    snippet = """
        one, sub = nbimport.load("one.ipynb"), nbimport.load("pkg/deep/sub.ipynb")
        print(one.__name__)
        import one as again, pkg.deep.sub
        assert again is one and pkg.deep.sub is sub
    """
    assert python(snippet) == "one\nsub\none\npkg\n"


def test_a_path_in_a_notebook_counts_from_that_notebook(notebook, python):
    notebook("shared/prep.ipynb", "x = 'shared'")
    notebook("topic/main.ipynb", "import nbimport\nprep = nbimport.load('../shared/prep.ipynb')")
    assert python("print(nbimport.load('topic/main.ipynb').prep.x)") == "shared\n"


def test_a_missing_path_says_where_it_looked_and_what_is_near(notebook, python, tmp_path):
    notebook("Data prep.ipynb", "")
    snippet = """
        for path in "Data prp.ipynb", "nowhere/x.ipynb", ".":
            try:
                nbimport.load(path)
            except nbimport.NotebookImportError as error:
                print(error)
        try:
            nbimport.load("Data prep.ipynb", only="everything")
        except ValueError as error:
            print(error)
    """
    assert python(snippet) == (
        f"{tmp_path}/Data prp.ipynb: no such notebook (did you mean 'Data prep.ipynb'?); "
        "check the path\n"
        f"{tmp_path}/nowhere/x.ipynb: no such notebook (there is no folder {tmp_path}/nowhere); "
        "check the path\n"
        f"{tmp_path}: a folder, not a notebook; give the notebook's own path\n"
        "only: got 'everything'; leave it out, or write only=\"definitions\"\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_linked_notebook_keeps_the_name_of_the_link_as_a_py_file_does(notebook, python, script):
    notebook("real/target.ipynb", "x = __file__")
    script("real/target_py.py", "x = __file__")
    (notebook("marker.ipynb").parent / "link.ipynb").symlink_to("real/target.ipynb")
    (notebook("marker.ipynb").parent / "link_py.py").symlink_to("real/target_py.py")
    (notebook("marker.ipynb").parent / "linked_folder").symlink_to("real")
    snippet = """
        import sys, link, link_py
        sys.path.append("linked_folder")
        import target, target_py
        for a, b in (link, link_py), (target, target_py):
            assert a.x.replace(".ipynb", "") == b.x.replace("_py.py", ""), (a.x, b.x)
    """
    assert python(snippet) == ""


def test_the_current_folder_may_be_gone(python, script, notebook):
    notebook("elsewhere/fine.ipynb", "x = 1")
    folder = script("gone/x", "").parent
    snippet = f"""
        import os, shutil, sys
        shutil.rmtree({str(folder)!r})
        import json.tool
        try:
            import nothing_there
        except ModuleNotFoundError:
            pass
        sys.path.append({str(folder.parent / "elsewhere")!r})
        import fine
        print(fine.x, nbimport.load({str(folder.parent / "elsewhere/fine.ipynb")!r}) is fine)
    """
    assert python(snippet, cwd=folder) == "1 True\n"
