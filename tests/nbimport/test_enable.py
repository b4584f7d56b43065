"""``python -m nbimport enable``: a .pth file for one environment, and its removal."""

import os
import pathlib
import subprocess
import sys

import pytest

import nbimport

REPOSITORY = pathlib.Path(nbimport.__file__).parents[1]


@pytest.fixture
def environment(tmp_path):
    """Make an environment that nbimport is installed in as in development; run its Python."""
    home = tmp_path / "env"
    make = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(home)]
    subprocess.run(make, check=True, timeout=120)
    python = home / "bin" / "python"
    (site,) = home.glob("lib/*/site-packages")
    installed = site / "_editable.pth"
    installed.write_text(f"{REPOSITORY}\n")
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*arguments):
        done = subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    return run, site, installed


USE = ("-c", "import nb; print(nb.x)")


def test_enable_and_disable_are_for_every_process_of_one_environment(environment, notebook):
    run, site, _ = environment
    notebook("nb.ipynb", "x = 1")
    assert run(*USE)[0] == 1
    pth = site / "zz_nbimport.pth"
    assert run("-m", "nbimport", "enable") == (0, f"enabled: {pth}\n", "")
    assert run(*USE) == (0, "1\n", "")
    written = pth.read_text()
    assert run("-m", "nbimport", "enable") == (0, f"enabled already: {pth}\n", "")
    assert pth.read_text() == written
    assert run("-m", "nbimport", "disable") == (0, f"disabled: {pth}\n", "")
    assert not pth.exists()
    assert run("-m", "nbimport", "disable") == (0, f"not enabled: {pth}\n", "")
    assert run(*USE)[0] == 1
    assert sorted(path.name for path in site.iterdir()) == ["_editable.pth"]


@pytest.mark.parametrize("way", ["gone", "broken"])
def test_python_starts_in_silence_where_nbimport_is_gone(environment, script, way):
    run, _, installed = environment
    run("-m", "nbimport", "enable")
    if way == "gone":
        installed.unlink()
    else:
        broken = script("broken/nbimport/__init__.py", "1 / 0")
        installed.write_text(f"{broken.parents[1]}\n")
    assert run("-c", "print('started')") == (0, "started\n", "")


def test_an_enabled_environment_starts_without_what_is_heavy(environment):
    run, _, _ = environment
    count = ("-c", "import sys; print(*sys.modules)")
    before = set(run(*count)[1].split())
    run("-m", "nbimport", "enable")
    added = set(run(*count)[1].split()) - before
    heavy = "argparse inspect json re typing tomllib traceback multiprocessing IPython nbformat"
    assert "nbimport" in added
    assert added.isdisjoint(heavy.split())


def test_enable_says_where_it_can_t_write(environment, script):
    run, site, _ = environment
    (site / "zz_nbimport.pth").mkdir()
    for command in "enable", "disable":
        code, printed, complained = run("-m", "nbimport", command)
        assert (code, printed) == (1, "")
        assert (
            complained == f"python -m nbimport {command}: {site}/zz_nbimport.pth: Is a directory\n"
        )


def test_enable_warns_where_nbimport_was_only_in_the_working_directory(environment, tmp_path):
    run, site, installed = environment
    installed.unlink()
    (tmp_path / "nbimport").symlink_to(REPOSITORY / "nbimport")
    code, printed, complained = run("-m", "nbimport", "enable")
    assert (code, printed) == (1, f"enabled: {site}/zz_nbimport.pth\n")
    assert "can't import nbimport in every folder; install it in this environment" in complained


def test_a_start_loads_nothing_for_what_is_nowhere(environment, script):
    run, _, _ = environment
    script("pyproject.toml", "[tool.nbimport]\nmagics = 'skip'")
    count = ("-c", "import sys; print(*sys.modules)")
    before = set(run(*count)[1].split())
    run("-m", "nbimport", "enable")
    added = set(run(*count)[1].split()) - before
    used = "cache finder folders loader"
    wanted = {"nbimport", "nbimport.hook", "nbimport.machinery", "__future__"}
    assert added == wanted | {f"nbimport.machinery.{name}" for name in used.split()}


def test_a_sitecustomize_of_the_environment_still_runs(environment):
    run, site, _ = environment
    (site / "sitecustomize.py").write_text("import builtins\nbuiltins.customized = 1\n")
    run("-m", "nbimport", "enable")
    assert run("-c", "print(customized)") == (0, "1\n", "")
