"""``trust = "signed"``: only what Jupyter's own signature store trusts is imported."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest

SIGNED = '[tool.nbimport]\ntrust = "signed"\n'
TRY = """
try:
    import nb
    print(nb.x)
except nbimport.NotebookImportError as error:
    print(type(error).__name__, str(error).partition(";")[0], error.path)
"""


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """Give the test a signature store of its own; return ``jupyter trust``."""
    for name in ("data", "config", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def trust(*arguments):
        command = [sys.executable, "-m", "nbformat.sign", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    return trust


@pytest.fixture
def python(jupyter, python):
    """Run snippets with that store."""
    return python


@pytest.fixture
def nb(notebook):
    """Write ``nb.ipynb`` in a format whose cells need no ids."""
    return lambda *cells: notebook("nb.ipynb", *cells, nbformat_minor=4)


def refused(path):
    said = f'{path}: not signed, and the settings say trust = "signed"'
    return f"NotebookImportError {said} {path}\n"


def test_only_a_signed_notebook_is_imported(nb, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    assert python(TRY) == refused(path)
    jupyter(path)
    assert python(TRY) == "1\n"
    assert python(TRY) == "1\n"


def test_the_default_asks_nobody(nb, python, jupyter):
    nb("x = 1")
    assert python(TRY + "import sys; print('nbformat' in sys.modules)") == "1\nFalse\n"


def test_the_refusal_says_how_to_sign_and_nothing_has_run(nb, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    path = nb("open('ran', 'w')", "x = 1")
    message = python("import nb", fails=True).splitlines()[-1]
    assert message == (
        f'nbimport.NotebookImportError: {path}: not signed, and the settings say trust = "signed"; '
        f"if you trust it, run `jupyter trust {path}`"
    )
    assert not (path.parent / "ran").exists()
    jupyter(*message.rpartition("jupyter trust ")[2].rstrip("`").split())
    assert python(TRY) == "1\n"


def test_bytecode_of_an_import_without_the_setting_is_not_believed(nb, script, python, jupyter):
    path = nb("x = 1")
    assert python(TRY) == "1\n"  # writes bytecode
    script("pyproject.toml", SIGNED)
    assert python(TRY) == refused(path)


def test_bytecode_beside_a_notebook_is_not_believed(nb, script, python, jupyter, tmp_path):
    """Whoever can write the notebook can write an entry beside it, with the right key and stamp."""
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    jupyter(path)
    assert python(TRY) == "1\n"
    (own,) = (tmp_path / "cache").rglob("nb.ipynb*.pyc")
    beside = tmp_path / "__pycache__" / own.name
    assert not beside.exists()
    beside.parent.mkdir(exist_ok=True)
    shutil.move(own, beside)
    jupyter("--reset")
    assert python(TRY) == refused(path)


@pytest.mark.parametrize("what", ["code", "output", "another file"])
def test_an_edit_of_a_signed_notebook_is_noticed(nb, script, python, jupyter, what):
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    jupyter(path)
    assert python(TRY) == "1\n"
    raw = json.loads(path.read_text())
    if what == "code":
        raw["cells"][0]["source"] = "x = 2"
    elif what == "output":
        raw["cells"][0]["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": "<script>"}
        ]
    else:
        path.unlink()
        raw["metadata"]["title"] = "another"
    path.write_text(json.dumps(raw))
    assert python(TRY) == refused(path)
    jupyter(path)
    assert python(TRY) == ("2\n" if what == "code" else "1\n")


def test_trust_that_is_taken_back_is_noticed(nb, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    jupyter(path)
    assert python(TRY) == python(TRY) == "1\n"
    snippet = f"""
        import nbformat
        from nbformat.sign import NotebookNotary
        with NotebookNotary() as notary:
            notary.unsign(nbformat.read({str(path)!r}, nbformat.NO_CONVERT))
    """
    python(snippet, hook=False)
    assert python(TRY) == refused(path)
    jupyter(path)
    assert python(TRY) == python(TRY) == "1\n"
    jupyter("--reset")
    assert python(TRY) == refused(path)


def test_a_warm_import_needs_no_nbformat(nb, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    jupyter(nb("x = 1"))
    snippet = TRY + "import sys; print('nbformat' in sys.modules)"
    assert python(snippet) == "1\nTrue\n"
    assert python(snippet) == "1\nFalse\n"


def test_the_signature_store_of_jupyter_s_own_configuration_is_asked(
    nb, script, python, jupyter, tmp_path
):
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    jupyter(path)
    settings = {"NotebookNotary": {"db_file": str(tmp_path / "other.db")}}
    (tmp_path / "config" / "jupyter_notebook_config.json").write_text(json.dumps(settings))
    assert python(TRY) == refused(path)
    jupyter(path)
    assert python(TRY) == python(TRY) == "1\n"


@pytest.mark.parametrize(
    "statement",
    [
        "nbimport.load('nb.ipynb')",
        "nbimport.load('nb.ipynb', only='definitions')",
        "nbimport.mount('lab', '.'); import lab.nb",
        "import runpy; runpy.run_module('nb')",
        "import sys; sys.path.insert(0, 'lib.zip'); import inside",
        "import importlib.util as u; s = u.find_spec('nb'); s.loader.get_code('nb')",
    ],
)
def test_no_way_of_importing_goes_round_it(nb, script, python, tmp_path, statement):
    script("pyproject.toml", SIGNED)
    path = nb("open('ran', 'w')")
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.write(path, "inside.ipynb")
    stderr = python(statement, fails=True)
    assert "not signed" in stderr.splitlines()[-1]
    assert not (tmp_path / "ran").exists()


def test_a_config_for_the_whole_process_asks_for_signatures(nb, python, jupyter):
    path = nb("x = 1")
    snippet = "nbimport.install(nbimport.Config(trust='signed'))\n"
    assert python(snippet + TRY) == refused(path)


def test_a_child_process_asks_for_signatures(nb, notebook, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    jupyter(nb("def use(name):\n    return __import__(name).x"))
    unsigned = notebook("unsigned.ipynb", "open('ran', 'w')\nx = 1", nbformat_minor=4)
    program = script(
        "program.py",
        """
        import multiprocessing, nbimport
        if __name__ == "__main__":
            import nb
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                try:
                    pool.map(nb.use, ["unsigned"])
                except nbimport.NotebookImportError as error:
                    print(error.path)
        """,
    )
    assert python(args=[str(program)], hook=False) == f"{unsigned}\n"
    assert not (unsigned.parent / "ran").exists()


def test_a_child_process_asks_where_only_the_program_said_so(nb, notebook, script, python, jupyter):
    jupyter(nb("def use(name):\n    return __import__(name).x"))
    unsigned = notebook("unsigned.ipynb", "x = 1", nbformat_minor=4)
    program = script(
        "program.py",
        """
        import multiprocessing, nbimport
        if __name__ == "__main__":
            nbimport.install(nbimport.Config(trust="signed"))
            import nb
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                try:
                    pool.map(nb.use, ["unsigned"])
                except nbimport.NotebookImportError as error:
                    print(error.path)
        """,
    )
    assert python(args=[str(program)], hook=False) == f"{unsigned}\n"


def test_cells_without_the_ids_they_should_have_can_t_be_signed(notebook, script, python, jupyter):
    script("pyproject.toml", SIGNED)
    path = notebook("nb.ipynb", "x = 1")  # format 4.5
    jupyter(path)
    message = python("import nb", fails=True).splitlines()[-1]
    assert "save it from Jupyter, for its cells lack the ids of format 4.5" in message


def test_a_store_that_can_t_be_asked_trusts_nothing(nb, script, python, jupyter, tmp_path):
    script("pyproject.toml", SIGNED)
    path = nb("x = 1")
    jupyter(path)
    assert python(TRY) == "1\n"
    (tmp_path / "data" / "nbsignatures.db").write_text("no database")
    assert "not signed" in python("import nb", fails=True, quiet=False).splitlines()[-1]


def test_a_word_that_trust_can_t_be_is_refused(nb, script, python):
    nb("x = 1")
    for value in ('"always"', "true", '["signed"]'):
        script("pyproject.toml", f"[tool.nbimport]\ntrust = {value}\n")
        message = python("import nb", fails=True).splitlines()[-1]
        assert "[tool.nbimport] trust: " in message
        assert "is none of 'any', 'signed'; use one of them" in message
