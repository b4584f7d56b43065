"""mount() and unmount(): a folder under a name."""


def test_a_mount_holds_notebooks_and_py_files_under_one_name(notebook, script, python):
    notebook("shared/prep.ipynb", "from . import plain\nfrom .sub import leaf\nx = plain.x")
    script("shared/plain.py", "from .sub import leaf; x = 1")
    notebook("shared/sub/leaf.ipynb", "from .. import plain")
    notebook("shared/my notes.ipynb", "x = 3")
    snippet = """
        import sys
        nbimport.mount("lab", "shared")
        from lab.prep import x
        import lab.prep, lab.sub.leaf, lab.my_notes
        import lab.plain as plain
        assert lab.prep.plain is plain and lab.sub.leaf.plain is plain
        assert nbimport.load("shared/prep.ipynb") is lab.prep
        print(x, lab.prep.__name__, lab.plain.__name__, lab.my_notes.x)
        import importlib
        assert importlib.reload(lab.prep) is lab.prep
        importlib.reload(lab)
        try:
            import lab.nothing
        except ModuleNotFoundError as error:
            print(error)
    """
    assert python(snippet) == "1 lab.prep lab.plain 3\nNo module named 'lab.nothing'\n"


def test_a_mounted_folder_with_an_init_is_a_package(notebook, script, python):
    for name in "py", "ipynb":
        (notebook if name == "ipynb" else script)(f"{name}/__init__.{name}", f"x = {name!r}")
        notebook(f"{name}/sub.ipynb", "from . import x")
    snippet = """
        nbimport.mount("one", "py")
        nbimport.mount("two", "ipynb")
        import one.sub, two.sub
        print(one.x, two.x, one.sub.x, two.sub.x, one.__name__, two.__spec__.name)
        assert nbimport.load("ipynb/__init__.ipynb").x == "ipynb"
    """
    assert python(snippet) == "py ipynb py ipynb one two\n"


def test_two_mounts_never_collide(notebook, script, python):
    for name in "ab":
        notebook(f"{name}/utils.ipynb", f"x = {name!r}")
        notebook(f"{name}/main.ipynb", "import utils\nimport helper\nx = utils.x + helper.x")
        script(f"{name}/helper.py", f"x = {name!r}")
        notebook(f"{name}/nested/utils.ipynb", f"x = 'nested {name}'")
        notebook(f"{name}/nested/inner.ipynb", "import utils\nfrom ..utils import x as up")
    snippet = """
        nbimport.mount("ma", "a"); nbimport.mount("mb", "b"); nbimport.mount("inner_a", "a/nested")
        import ma.main, mb.main, ma.nested.inner, mb.nested.inner, inner_a.utils
        print(ma.main.x, mb.main.x, ma.nested.inner.utils.x, mb.nested.inner.up)
        assert ma.main.utils is ma.utils is not mb.main.utils is mb.utils
        print(inner_a.utils.x, ma.main.helper.__name__)
    """
    assert python(snippet) == "aa bb nested a b\nnested a ma.helper\n"


def test_unmounting_forgets_the_modules_and_a_new_mount_starts_afresh(notebook, script, python):
    for name in "ab":
        notebook(f"{name}/utils.ipynb", f"print('ran {name}')\nx = {name!r}")
        notebook(
            f"{name}/main.ipynb", "import utils", "def f():\n    import utils\n    return utils.x"
        )
        script(f"{name}/plain.py", f"x = {name!r}")
    snippet = """
        import sys
        for folder in "aba":
            nbimport.mount("lab", folder)
            import lab.main, lab.plain
            print(lab.main.f(), lab.plain.x, sorted(n for n in sys.modules if n.startswith("lab")))
            nbimport.unmount("lab")
            assert not [name for name in sys.modules if name.partition(".")[0] == "lab"]
            try:
                import lab.main as again
            except ModuleNotFoundError as error:
                print(error)
        try:
            nbimport.unmount("lab")
        except nbimport.MountError as error:
            print(error)
    """
    lines = "['lab', 'lab.main', 'lab.plain', 'lab.utils']\nNo module named 'lab'\n"
    assert python(snippet) == (
        f"ran a\na a {lines}ran b\nb b {lines}ran a\na a {lines}"
        "unmount 'lab': not mounted (mounted: none); check the name\n"
    )


def test_a_mount_over_an_existing_name_is_refused_with_the_reason(
    notebook, script, python, tmp_path
):
    notebook("shared/x.ipynb", "")
    notebook("a notebook/x.ipynb", "")
    notebook("taken_nb.ipynb", "")
    script("taken_py.py", "")
    script("taken_folder/x.txt", "")
    snippet = """
        import types, sys
        sys.modules["taken_live"] = types.ModuleType("taken_live")
        nbimport.mount("lab", "shared")
        nbimport.mount("lab", "./shared/")
        for name, folder in [
            ("json", "shared"), ("winreg", "shared"), ("taken_nb", "shared"),
            ("taken_py", "shared"), ("taken_folder", "shared"), ("taken_live", "shared"),
            ("nbimport", "shared"), ("lab", "a notebook"), ("not a name", "shared"),
            ("for", "shared"), ("a.b", "shared"), ("new", "nowhere"), (3, "shared"),
        ]:
            try:
                nbimport.mount(name, folder)
            except nbimport.MountError as error:
                print(error)
            else:
                print("MOUNTED", name)
        import taken_py, json
        print(json.dumps(taken_py.__name__))
    """
    here = str(tmp_path)
    printed = python(snippet).replace(here, "HERE")
    assert printed.splitlines() == [
        "mount 'json': the name is taken by the standard library; choose another",
        "mount 'winreg': the name is taken by the standard library; choose another",
        "mount 'taken_nb': the name is taken by HERE/taken_nb.ipynb; choose another",
        "mount 'taken_py': the name is taken by HERE/taken_py.py; choose another",
        "mount 'taken_folder': the name is taken by a folder on sys.path; choose another",
        (
            "mount 'taken_live': the name is taken by a module that is imported already (None); "
            "choose another"
        ),
        (
            "mount 'nbimport': the name is taken by a module that is imported already "
            f"({__import__('nbimport').__file__}); choose another"
        ),
        "mount 'lab': the name is mounted on HERE/shared already; unmount it first",
        "mount 'not a name': not a name that can be imported; use a plain identifier",
        "mount 'for': not a name that can be imported; use a plain identifier",
        "mount 'a.b': not a name that can be imported; use a plain identifier",
        "mount 'new': there is no folder HERE/nowhere; check the path",
        "mount 3: not a name that can be imported; use a plain identifier",
        '"taken_py"',
    ]


def test_a_relative_mount_counts_from_the_notebook_that_mounts(notebook, python):
    notebook("shared/prep.ipynb", "x = 1")
    notebook(
        "deep/down/main.ipynb",
        "import nbimport\nnbimport.mount('lab', '../../shared')\nfrom lab.prep import x",
    )
    assert python("print(nbimport.load('deep/down/main.ipynb').x)") == "1\n"


def test_mounts_of_a_pyproject_serve_the_notebooks_of_that_project(notebook, script, python):
    for name in "ab":
        script(
            f"{name}/pyproject.toml",
            f'[tool.nbimport]\nmounts = {{ lab = "notes", "own_{name}" = "../shared" }}',
        )
        notebook(f"{name}/notes/prep.ipynb", f"x = {name!r}")
        notebook(f"{name}/sub/main.ipynb", f"from lab.prep import x\nimport own_{name}.common")
    notebook("shared/common.ipynb", "print('common')")
    snippet = """
        a = nbimport.load("a/sub/main.ipynb")
        print(a.x, a.own_a.common.__name__)
        try:
            import lab.prep as lab_of_none
        except ImportError:
            pass
    """
    assert python(snippet) == "common\na own_a.common\n"
    assert python("from lab.prep import x; print(x)", cwd=script("b/x", "").parent) == "b\n"


def test_a_mount_given_to_install_ends_with_the_block(notebook, python):
    notebook("shared/prep.ipynb", "x = 1")
    snippet = """
        import sys
        with nbimport.install(nbimport.Config(mounts={"lab": "shared"})):
            from lab.prep import x
        print(x)
        for name in [name for name in sys.modules if name.startswith("lab")]:
            del sys.modules[name]
        try:
            import lab
        except ModuleNotFoundError as error:
            print(error)
        with nbimport.install(nbimport.Config(mounts={"lab": "gone"})):
            try:
                import lab
            except ModuleNotFoundError as error:
                print(str(error).partition(": there")[0])
    """
    assert python(snippet) == "1\nNo module named 'lab'\nmount 'lab'\n"


def test_a_mounted_module_is_not_confused_with_the_same_file_on_the_path(notebook, python):
    notebook("shared/prep.ipynb", "print('ran', __name__)")
    snippet = """
        import sys; sys.path.insert(0, "shared")
        first = nbimport.load("shared/prep.ipynb")
        nbimport.mount("lab", "shared")
        assert nbimport.load("shared/prep.ipynb") is first
        import prep
        assert prep is first
    """
    assert python(snippet) == "ran prep\n"
