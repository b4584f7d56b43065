"""Folders that can't be written, full disks, and folders that others can write."""

import os
import subprocess
import sys

import pytest

OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import nb
print(nb.x, sum(name.endswith(".ipynb") for name in opened))
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes the user, which root may")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home" / ".cache"


@pytest.fixture
def env(home):
    return {"XDG_CACHE_HOME": str(home)}


def block(tmp_path):
    """Make a folder's __pycache__ unwritable even for root."""
    (tmp_path / "__pycache__").write_text("in the way")


def test_a_folder_that_cannot_be_written_leaves_its_bytecode_in_the_users_cache(
    notebook, python, tmp_path, home, env
):
    notebook("nb.ipynb", "x = 1")
    block(tmp_path)
    assert python(OPENED, env=env) == "1 1\n"
    (entry,) = [path for path in home.rglob("*") if path.is_file()]
    assert entry.parts[-len(tmp_path.parts) - 1 :][0] == tmp_path.parts[1]
    assert entry.stat().st_mode & 0o077 == 0
    assert python(OPENED, env=env) == "1 0\n"
    notebook("nb.ipynb", "x = 2")
    assert python(OPENED, env=env) == "2 1\n"
    assert (tmp_path / "__pycache__").read_text() == "in the way"


def test_without_xdg_the_users_cache_is_in_the_home_folder(notebook, python, tmp_path):
    notebook("nb.ipynb", "x = 1")
    block(tmp_path)
    env = {"XDG_CACHE_HOME": "", "HOME": str(tmp_path / "me")}
    python("import nb", env=env)
    assert list((tmp_path / "me/.cache/nbimport").rglob("nb.ipynb.*.pyc"))


def test_with_nowhere_to_write_the_import_works_all_the_same(notebook, python, tmp_path):
    notebook("nb.ipynb", "x = 1")
    block(tmp_path)
    for env in (
        {"XDG_CACHE_HOME": "/dev/null"},
        {"XDG_CACHE_HOME": "/proc/nowhere"},
        {"XDG_CACHE_HOME": "", "HOME": "/dev/null"},
    ):
        assert python(OPENED, env=env) == python(OPENED, env=env) == "1 1\n"


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_cache_folder_that_others_can_write_is_neither_read_nor_written(  # noqa: PLR0913, PLR0917 - fixtures
    notebook, python, tmp_path, home, env, mode
):
    notebook("nb.ipynb", "x = 1")
    block(tmp_path)
    python(OPENED, env=env)
    (home / "nbimport").chmod(mode)
    assert python(OPENED, env=env) == "1 1\n"
    (home / "nbimport").chmod(0o700)
    assert python(OPENED, env=env) == "1 0\n"


@needs_root
def test_the_cache_folder_of_another_user_is_neither_read_nor_written(
    notebook, python, tmp_path, home, env
):
    notebook("nb.ipynb", "x = 1")
    block(tmp_path)
    python(OPENED, env=env)
    os.chown(home / "nbimport", 12345, 12345)
    assert python(OPENED, env=env) == "1 1\n"


@needs_root
def test_a_read_only_folder_seen_by_an_ordinary_user(notebook, tmp_path, home):
    """The folder belongs to another user, and so does the bytecode that is there already."""
    notebook("nb.ipynb", "x = 1")
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    os.chown(own, 12345, 12345)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o755)
    # The interpreter may lie in a folder that only root can read: first import what it needs.
    needed = "nbimport.machinery.compiler, nbimport.machinery.project, nbimport.config, tomllib"
    code = f"import os, {needed}\nos.setgid(12345); os.setuid(12345)\n{OPENED}"

    def as_user():
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"XDG_CACHE_HOME": str(own), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert as_user() == "1 1\n"
    assert not (tmp_path / "__pycache__").exists()
    assert list(own.rglob("nb.ipynb.*.pyc"))
    assert as_user() == "1 0\n"


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("limit", [0, 1, 100, 500])
def test_a_limit_on_the_size_of_files_leaves_nothing_wrong_behind(
    notebook, python, tmp_path, env, limit
):
    notebook("nb.ipynb", "x = 1", *[f"y{n} = {n} * 'long'" for n in range(20)])
    snippet = f"""
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    """
    limited = "\n".join(line.strip() for line in snippet.splitlines()) + OPENED
    assert python(limited, env=env) == python(limited, env=env) == "1 1\n"
    assert [path for path in tmp_path.rglob("*.pyc*") if path.is_file()] == []
    assert python(OPENED, env=env) == "1 1\n"
    assert python(OPENED, env=env) == "1 0\n"


@pytest.fixture
def full_disk(tmp_path):
    """Return a folder on a file system of its own that is nearly full."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("file systems can't be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_nothing_wrong_behind(notebook, python, full_disk):
    notebook("disk/nb.ipynb", "x = 1", *[f"y{n} = {n} * 'long'" for n in range(60)])
    filler = full_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                if not file.write(bytes(4096)):
                    break
            except OSError:
                break
    (full_disk / "home").symlink_to("/dev/null")
    env = {"XDG_CACHE_HOME": str(full_disk / "home")}
    for _ in range(2):
        assert python(OPENED, cwd=full_disk, env=env) == "1 1\n"
    assert not list(full_disk.glob("__pycache__/*"))
    filler.unlink()
    assert python(OPENED, cwd=full_disk, env=env) == "1 1\n"
    assert python(OPENED, cwd=full_disk, env=env) == "1 0\n"
