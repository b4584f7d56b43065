"""Objects of notebooks cross into child processes: by name, by mount, by path."""

import sys

import pytest

SHAPES = (
    "import math",
    """
    class Square:
        def __init__(self, side):
            self.side = side

        def __eq__(self, other):
            return type(other) is Square and other.side == self.side
    """,
    """
    def double(square):
        return Square(2 * square.side)

    class Squares:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            if index >= len(self):
                raise IndexError
            return float(double(Square(index + 1)).side)
    """,
)
# The same notebook by each kind of name that a module can have.
THREE = """
    import nbimport
    import shapes
    nbimport.mount("lab", "mounted")
    from lab import shapes as mounted
    loaded = nbimport.load("loaded/my shapes.ipynb")
    modules = [shapes, mounted, loaded]
    assert len({module.__name__ for module in modules}) == 3
"""
POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for module in modules:
            square = pool.submit(module.double, module.Square(3)).result()
            print(square == module.Square(6))
    with context.Pool(1) as pool:
        for module in modules:
            print(pool.map(module.double, [module.Square(3)]) == [module.Square(6)])
"""
GUARD = "if __name__ == '__main__':\n"


@pytest.fixture
def shapes(notebook):
    for path in ("shapes.ipynb", "mounted/shapes.ipynb", "loaded/my shapes.ipynb"):
        notebook(path, *SHAPES)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_pools_of_processes_from_a_script(shapes, script, python, method):
    path = script("program.py", GUARD + THREE + POOL)
    assert python(args=[str(path), method], hook=False) == "True\n" * 6


def test_child_processes_of_a_test_in_pytest(shapes, script, python, tmp_path):
    pytest.importorskip("distributed")
    script(
        "test_pools.py",
        """
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing
        import nbimport
        import pytest
        import shapes

        @pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
        def test_pool(method):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
                square = pool.submit(shapes.double, shapes.Square(3)).result()
            assert square == shapes.Square(6)

        def test_loky():
            import joblib
            double = joblib.delayed(shapes.double)
            squares = joblib.Parallel(2)(double(shapes.Square(3)) for _ in "ab")
            assert squares == [shapes.Square(6)] * 2

        def test_dask():
            from dask.distributed import Client, LocalCluster
            options = dict(n_workers=1, processes=True, dashboard_address=None, host="127.0.0.1")
            with LocalCluster(**options) as cluster, Client(cluster) as client:
                square = client.submit(shapes.double, shapes.Square(3)).result()
            assert square == shapes.Square(6)

        def test_data_loader():
            from torch.utils.data import DataLoader
            loader = DataLoader(shapes.Squares(), num_workers=1, multiprocessing_context="spawn")
            assert [batch.item() for batch in loader] == [2, 4]
        """,
    )
    said = python(args=["-m", "pytest", "-q", "-p", "no:cacheprovider"], hook=False)
    assert "6 passed" in said


@pytest.mark.parametrize("module", ["joblib", "loky"])
def test_loky(shapes, script, python, module):
    pytest.importorskip(module)
    call = {
        "joblib": "joblib.Parallel(2)(joblib.delayed(m.double)(m.Square(3)) for m in modules)",
        "loky": "list(loky.get_reusable_executor(2).map(lambda m, n: __import__('sys').modules[m]."
        "double(n), ['shapes'], [modules[0].Square(3)]))",
    }[module]
    text = f"""
    import {module}
    squares = {call}
    print([square == module.Square(6) for square, module in zip(squares, modules)])
    """
    path = script("program.py", GUARD + THREE + text)
    expected = [True] * (3 if module == "joblib" else 1)
    assert python(args=[str(path)], hook=False) == f"{expected}\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_data_loader_with_worker_processes(shapes, script, python, method):
    pytest.importorskip("torch")
    text = """
    import sys
    from torch.utils.data import ConcatDataset, DataLoader
    data = ConcatDataset([module.Squares() for module in modules])
    loader = DataLoader(data, num_workers=1, batch_size=6, multiprocessing_context=sys.argv[1])
    print([batch.tolist() for batch in loader])
    """
    path = script("program.py", GUARD + THREE + text)
    printed = python(args=[str(path), method], hook=False, quiet=False)
    assert printed == "[[2.0, 4.0, 2.0, 4.0, 2.0, 4.0]]\n"


def test_a_module_loaded_by_its_path_brings_the_hook_along_by_itself(shapes, python, tmp_path):
    """Any process with nbimport installed can unpickle it, without a line."""
    python(
        """
        import pickle
        loaded = nbimport.load("loaded/my shapes.ipynb")
        with open("pickled", "wb") as file:
            pickle.dump((loaded.double, loaded.Square(3)), file)
        """
    )
    snippet = """
        import pickle
        with open("pickled", "rb") as file:
            double, square = pickle.load(file)
        print(double(square).side)
    """
    assert python(snippet, hook=False) == "6\n"


def test_a_child_has_the_settings_of_its_parent(notebook, script, python):
    notebook("nb.ipynb", ("x = 'left out'", "mine"), "def x_of(_):\n    return globals().get('x')")
    text = """
    import multiprocessing, nbimport
    nbimport.install(nbimport.Config(skip_tags=["mine"]))
    import nb
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(nb.x_of(0), pool.map(nb.x_of, [0]))
    """
    path = script("program.py", GUARD + text)
    assert python(args=[str(path)], hook=False) == "None [None]\n"


def test_a_child_has_the_mounts_of_a_pyproject_that_only_the_notebook_sees(
    notebook, script, python, tmp_path
):
    """The program runs elsewhere, so the child, too, starts outside the project."""
    script("project/pyproject.toml", "[tool.nbimport]\nmounts = { lab = 'shared' }\n")
    notebook("project/shared/shapes.ipynb", *SHAPES)
    notebook("project/main.ipynb", "import lab.shapes as shapes")
    text = """
    import multiprocessing, nbimport
    shapes = nbimport.load("project/main.ipynb").shapes
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(shapes.__name__, pool.map(shapes.double, [shapes.Square(3)])[0].side)
    """
    path = script("program.py", GUARD + text)
    assert python(args=[str(path)], hook=False) == "lab.shapes 6\n"


def test_an_error_in_a_child_names_cell_and_line(notebook, script, python):
    notebook("nb.ipynb", "x = 1", "def divide(by):\n    return 1 / by")
    text = """
    import nbimport, nb
    from concurrent.futures import ProcessPoolExecutor
    import multiprocessing
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(nb.divide, 0).result()
    """
    path = script("program.py", GUARD + text)
    stderr = python(args=[str(path)], hook=False, fails=True)
    assert 'nb.ipynb cell 2", line 2, in divide\n    return 1 / by\n' in stderr
    assert stderr.endswith("ZeroDivisionError: division by zero\n")


WITHOUT_NBIMPORT = """
    import multiprocessing, os, sys, nbimport, nb
    sys.path.insert(0, os.path.abspath("hidden"))
    os.environ["PYTHONPATH"] = sys.path[0]  # first in the child, before nbimport's own place
    target = {"print": print, "nb.f": nb.f}[sys.argv[1]]
    child = multiprocessing.get_context("spawn").Process(target=target)
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


@pytest.fixture
def without(notebook, script, python):
    """Run a function in a child that can't import nbimport."""
    notebook("nb.ipynb", "def f():\n    print('ran')")
    script("hidden/nbimport/__init__.py", "raise ImportError('not for this process')")
    path = script("program.py", GUARD + WITHOUT_NBIMPORT)
    return lambda target, **options: python(args=[str(path), target], hook=False, **options)


def test_a_child_that_can_t_import_nbimport_runs_what_needs_no_notebook(without):
    assert without("print") == "\n"


def test_a_child_that_can_t_import_nbimport_says_so_where_it_misses_a_notebook(without):
    assert without("nb.f", fails=True).splitlines()[-1] == (
        "ModuleNotFoundError: 'nb' is a notebook, and this process can't import nbimport "
        f"(ImportError: not for this process); install nbimport for {sys.executable}"
    )


def test_cloudpickle_sends_by_value_what_it_is_told_to(shapes, python):
    pytest.importorskip("cloudpickle")
    python(
        THREE.replace("\n    ", "\n")
        + """
import cloudpickle
for module in modules:
    cloudpickle.register_pickle_by_value(module)
with open("pickled", "wb") as file:
    cloudpickle.dump([(module.double, module.Square(3)) for module in modules], file)
"""
    )
    snippet = """
        import pickle, sys
        sys.modules["nbimport"] = None  # as if it were not installed
        with open("pickled", "rb") as file:
            for double, square in pickle.load(file):
                print(double(square).side)
    """
    assert python(snippet, hook=False) == "6\n6\n6\n"


def test_uninstall_stops_it(shapes, python):
    pytest.importorskip("joblib")
    snippet = """
        import multiprocessing.spawn as before
        original = before.get_preparation_data
        import nbimport, joblib.externals.loky.backend.spawn as after
        assert before.get_preparation_data is not original
        assert "nbimport" in before.get_preparation_data("child")
        wrapped = after.get_preparation_data
        nbimport.uninstall()
        assert before.get_preparation_data is original
        assert after.get_preparation_data is not wrapped
        assert "nbimport" not in before.get_preparation_data("child")
        nbimport.install()
        assert "nbimport" in before.get_preparation_data("child")
        assert "nbimport" in after.get_preparation_data("child")
    """
    python(snippet, hook=False)


@pytest.mark.usefixtures("unmeasured")
def test_importing_nbimport_imports_nothing_of_it(python):
    snippet = """
        import sys
        print([name for name in ("multiprocessing", "nbimport.integrations.children", "pickle")
               if name in sys.modules])
    """
    assert python(snippet) == "[]\n"
