"""Config and ``[tool.nbimport]``: every setting works, every wrong value gets one clear error."""

import pytest

import nbimport


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"magics": "maybe"}, "magics: 'maybe' is none of 'run', 'skip', 'error'; use one of them"),
        ({"magics": None}, "magics: None is none of 'run', 'skip', 'error'; use one of them"),
        ({"magics": ["run"]}, "magics: ['run'] is none of 'run', 'skip', 'error'; use one of them"),
        ({"skip_tags": "skip"}, "skip_tags: 'skip' is not a list of strings; write ['skip']"),
        ({"skip_tags": None}, "skip_tags: None is not a list of strings; write [None]"),
        ({"skip_tags": [1]}, "skip_tags: [1] holds something that is not a string; quote it"),
        ({"skip_directives": 3}, "skip_directives: 3 is not a list of strings; write [3]"),
        (
            {"definitions_only": {"a": "b"}},
            "definitions_only: {'a': 'b'} is not a list of strings; write [{'a': 'b'}]",
        ),
        ({"mounts": ["lab"]}, "mounts: ['lab'] is no table; write { name = \"folder\" }"),
        ({"mounts": {"lab": 3}}, "mounts: the folder of 'lab' is 3; write it as a string"),
        (
            {"mounts": {"not a name": "x"}},
            "mounts: 'not a name' is not a name that can be imported; use a plain identifier",
        ),
        (
            {"mounts": {"for": "x"}},
            "mounts: 'for' is not a name that can be imported; use a plain identifier",
        ),
        (
            {"mounts": {3: "x"}},
            "mounts: 3 is not a name that can be imported; use a plain identifier",
        ),
        ({"root": 3}, "root: 3 is not a path; write it as a string"),
    ],
)
def test_a_wrong_setting_is_one_error_that_names_it(settings, message):
    with pytest.raises(nbimport.ConfigError) as caught:
        nbimport.Config(**settings)
    assert str(caught.value) == message


def test_configs_compare_by_their_settings_and_show_them():
    one, two = nbimport.Config(skip_tags=["a"]), nbimport.Config(skip_tags=("a",))
    assert one == two
    assert hash(one) == hash(two)
    assert one != nbimport.Config(skip_tags=["b"])
    assert one != "Config"
    assert "skip_tags=('a',)" in repr(one)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[tool.nbimport]\nskip-tag = []", "has no setting 'skip-tag'; did you mean 'skip-tags'?"),
        (
            "[tool.nbimport]\nskip_tags = []",
            "has no setting 'skip_tags'; did you mean 'skip-tags'?",
        ),
        ("[tool.nbimport]\nroot = 'x'", "has no setting 'root'; known are 'definitions-only', "),
        ("[tool.nbimport]\nmagics = 1", "magics: 1 is none of 'run', 'skip', 'error'; use one"),
        (
            "[tool.nbimport]\nskip-tags = 'x'",
            "skip-tags: 'x' is not a list of strings; write ['x']",
        ),
        ("[tool.nbimport]\nskip-tags = [1]", "skip-tags: [1] holds something that is not a string"),
        (
            "[tool.nbimport]\nskip-directives = true",
            "skip-directives: True is not a list of strings",
        ),
        (
            "[tool.nbimport]\ndefinitions-only = 1.5",
            "definitions-only: 1.5 is not a list of strings",
        ),
        ("[tool.nbimport]\nmounts = 'x'", "mounts: 'x' is no table; write { name = \"folder\" }"),
        (
            "[tool.nbimport.mounts]\nlab = 1979-05-27",
            "mounts: the folder of 'lab' is datetime.date(",
        ),
        ("[tool]\nnbimport = 'x'", "tool.nbimport is 'x'; make it a table, [tool.nbimport]"),
        ("[tool.nbimport]\nmagics = ", "not valid TOML ("),
        ('# nbimport\nx = "\xff"', "not valid TOML ("),
    ],
)
def test_a_wrong_setting_in_a_pyproject_is_one_error_that_names_file_and_key(
    notebook, python, tmp_path, toml, message
):
    notebook("nb.ipynb", "x = 1")
    (tmp_path / "pyproject.toml").write_bytes(toml.encode("latin-1"))
    snippet = """
        import sys
        for attempt in (lambda: nbimport.load("nb"), lambda: __import__("nb")):
            for _ in range(2):
                try:
                    attempt()
                except nbimport.ConfigError as error:
                    print(str(error).replace("\\n", " "), error.path, sep="|")
                assert "nb" not in sys.modules
        with nbimport.install(nbimport.Config()):    # takes the place of the file
            assert nbimport.load("nb").x == 1
    """
    path = str(tmp_path / "pyproject.toml")
    for _ in range(2):  # also where the parsed file has been kept
        lines = python(snippet).splitlines()
        assert len(lines) == 4
        for line in lines:
            assert line.startswith(f"{path}: ")
            assert message in line
            assert line.endswith(f"|{path}")


def test_a_wrong_pyproject_does_not_disturb_ordinary_imports(script, python):
    script("pyproject.toml", "[tool.nbimport]\nwrong = 1\n")
    script("plain.py", "x = 1")
    script("pkg/__init__.py", "from . import sub")
    script("pkg/sub.py", "import json")
    snippet = "import plain, pkg.sub, colorsys; print(plain.x)"
    assert python(snippet) == "1\n"


def test_every_key_of_a_pyproject_works(notebook, script, python):
    script(
        "project/pyproject.toml",
        """
        [tool.nbimport]
        skip-tags = ["mine"]
        skip-directives = ["no"]
        definitions-only = ["defs_*.ipynb", "sub/*"]
        magics = "skip"
        mounts = { lab = "../shared", "deeper" = "sub/deep" }
        """,
    )
    cells = [("a = 1", "mine"), ("b = 1", "skip"), "#| no\nc = 1", "#| hide\nd = 1", "e = print()"]
    for name in ("nb", "defs_1", "sub/x", "sub/deep/y"):
        notebook(f"project/{name}.ipynb", *cells, "!exit 3", "def f(): ...")
    notebook("shared/prep.ipynb", "x = 3")
    notebook("project/main.ipynb", "from lab.prep import x\nimport deeper.y as y")
    snippet = """
        def names(module):
            return "".join(name for name in "abcdef" if hasattr(module, name))
        print()
        for name in ("nb", "defs_1", "sub/x", "sub/deep/y"):
            print(name, names(nbimport.load(f"project/{name}")))
        print(nbimport.load("project/main").x)
    """
    expected = ["nb", "bdef", "defs_1", "bdf", "sub/x", "bdf", "sub/deep/y", "bdf", "3"]
    assert python(snippet).split() == python(snippet).split() == expected


def test_the_nearest_pyproject_holds_alone(notebook, script, python):
    script("pyproject.toml", "[tool.nbimport]\nskip-tags = ['outer']\n")
    script("inner/pyproject.toml", "[project]\nname = 'inner'\n")
    script("inner/set/pyproject.toml", "[tool.nbimport]\nskip-tags = ['set']\n")
    for folder in (".", "inner", "inner/set", "inner/set/deep/down", "sub"):
        notebook(f"{folder}/nb.ipynb", ("a = 1", "outer"), ("b = 1", "set"), ("c = 1", "skip"))
    snippet = """
        for folder in (".", "inner", "inner/set", "inner/set/deep/down", "sub"):
            module = nbimport.load(f"{folder}/nb")
            print("".join(name for name in "abc" if hasattr(module, name)), end=" ")
    """
    assert python(snippet).split() == ["bc", "ab", "ac", "ac", "bc"]


def test_an_edited_pyproject_is_seen_by_the_next_process_and_after_invalidate_caches(
    notebook, script, python, tmp_path
):
    notebook("nb.ipynb", ("x = 1", "mine"))
    snippet = """
        import importlib, sys
        def seen():
            sys.modules.pop("nb", None)
            return hasattr(importlib.import_module("nb"), "x")
        print(seen())
        with open("pyproject.toml", "w") as file:
            file.write(f"[tool.nbimport]\\nskip-tags = {['mine']}\\n")
        importlib.invalidate_caches()
        print(seen())
    """
    script("pyproject.toml", "[tool.nbimport]\nskip-tags = ['nice']\n")
    assert python(snippet) == "True\nFalse\n"
    assert python(snippet) == "False\nFalse\n"


@pytest.mark.usefixtures("unmeasured")
def test_a_pyproject_is_parsed_once(notebook, script, python, tmp_path):
    notebook("nb.ipynb", ("x = 1", "mine"), "y = 1")
    script("pyproject.toml", "[tool.nbimport]\nskip-tags = ['mine']\n")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    snippet = "import nb, sys; print(hasattr(nb, 'x'), nb.y, 'tomllib' in sys.modules)"
    assert python(snippet, env=env) == "False 1 True\n"
    assert python(snippet, env=env) == "False 1 False\n"
    for entry in (tmp_path / "cache").rglob("*.nbimport"):
        entry.write_bytes(entry.read_bytes()[:-1])
    assert python(snippet, env=env) == "False 1 True\n"


def test_a_config_s_relative_folders_count_from_its_root(notebook, python, tmp_path):
    notebook("shared/prep.ipynb", "x = 1")
    (tmp_path / "elsewhere").mkdir()
    snippet = f"""
        import os
        config = nbimport.Config(mounts={{"lab": "shared"}}, root={str(tmp_path)!r})
        here = nbimport.Config(mounts={{"lab": "../shared"}})
        assert config.mounts == here.mounts, (config.mounts, here.mounts)
        with nbimport.install(config):
            from lab.prep import x
            print(x)
    """
    assert python(snippet, cwd=tmp_path / "elsewhere") == "1\n"
