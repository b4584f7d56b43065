"""Where packages are found: in several folders, beside data, as notebook or as .py."""


def test_namespace_packages_join_folders_and_hold_notebooks(notebook, script, python):
    notebook("one/ns/a.ipynb", "from .b import y\nimport ns.c\nx = 'a'")
    notebook("two/ns/b.ipynb", "from . import __path__ as p\ny = len(p)")
    script("two/ns/c.py", "from . import a")
    notebook("two/ns/deep/er/d.ipynb", "from ...a import x")
    snippet = """
        import sys
        sys.path[:0] = ["one", "two"]
        import ns.a, ns.deep.er.d as d
        assert ns.c.a is ns.a
        print(ns.a.y, d.x, d.__name__, ns.__file__ if hasattr(ns, "__file__") else None)
    """
    assert python(snippet) == "2 a ns.deep.er.d None\n"


def test_a_data_folder_of_the_same_name_does_not_hide_a_notebook(notebook, script, python):
    notebook("results.ipynb", "x = 'notebook'")
    script("results/table.csv", "1,2")
    notebook("far/results.ipynb", "x = 'far'")
    script("far/results/table.csv", "")
    notebook("far/main.ipynb", "import results\nfrom results import x")
    snippet = """
        import results
        print(results.x, nbimport.load("far/main.ipynb").x)
    """
    assert python(snippet) == "notebook far\n"


def test_a_package_of_notebooks_wins_over_a_notebook_of_its_name(notebook, python):
    notebook("thing.ipynb", "x = 'module'")
    notebook("thing/__init__.ipynb", "x = 'package'")
    assert python("import thing; print(thing.x)") == "package\n"


def test_an_init_py_wins_over_an_init_notebook(notebook, script, python):
    notebook("pkg/__init__.ipynb", "x = 'notebook'")
    script("pkg/__init__.py", "x = 'py'")
    notebook("pkg/both.ipynb", "x = 'notebook'")
    script("pkg/both.py", "x = 'py'")
    notebook("pkg/sub.ipynb", "from . import x")
    snippet = """
        import pkg.sub
        print(pkg.x, pkg.sub.x)
        print(nbimport.load("pkg/__init__.ipynb").x, nbimport.load("pkg/both.ipynb").x)
    """
    assert python(snippet) == "py py\nnotebook notebook\n"
