"""Run a package's own tests on it as it is and as notebooks, each in an environment of its own."""

import json
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

import nbimport

_HERE = Path(__file__).parent
_CONSTRAINTS = _HERE.parents[2] / "constraints.txt"
_UNWANTED = ("PYTHON", "COV", "PYTEST", "JPY_", "VIRTUAL_ENV")
_STYLES = ("py", "file", "statement")
_SLOWEST_S = 1800


def _pip(what, *arguments):
    """Run pip; say which package is missing if it can't be had."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        env={**_environment(), "PIP_CONSTRAINT": str(_CONSTRAINTS)},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        pytest.fail(
            f"{what}: pip can't get it, and without it there is nothing to test; check that pip "
            f"reaches a package index\n{done.stderr[-2000:]}",
            pytrace=False,
        )


def _environment():
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_UNWANTED)}
    return {**kept, "PYTHONHASHSEED": "0"}


@dataclass
class Suite:
    """The tests of one package, and what they find in each style.

    Attributes:
        cache: A folder that outlives the session, for what is downloaded.
        folder: An empty folder.
        name: The package's name on the index; its version is that of constraints.txt.
        modules: Its import packages and modules.
        tests: Files and folders of its source archive to run, and options for pytest.
        needs: Packages that the tests need and that may not be installed here.
        inside: The tests are installed with the package and named by pytest's ``--pyargs``.
        plugins: Plugins of pytest that the tests need.
        sparing: A slow test that passes in both styles is taken to pass as ``.py``, and not run.
    """

    cache: Path
    folder: Path
    name: str
    modules: Sequence[str]
    tests: Sequence[str]
    needs: Sequence[str] = ()
    inside: bool = False
    plugins: Sequence[str] = ()
    sparing: bool = False

    def results(self):
        """Return style -> what the inner pytest recorded (see record.py), two runs at a time."""
        options = ("install", "-q", "--no-deps", "--target", str(self._installed))
        _pip(self.name, *options, self.name, *self.needs)
        self._downloaded()
        with ThreadPoolExecutor(2) as threads:
            if not self.sparing:
                return dict(zip(_STYLES, threads.map(self._run, _STYLES), strict=True))
            found = dict(zip(_STYLES[1:], threads.map(self._run, _STYLES[1:]), strict=True))
        slow = set.intersection(*({*seen["slow"]} for seen in found.values()))
        return {"py": self._run("py", sorted(slow)), **found}

    @property
    def _installed(self):
        return self.folder / "installed"

    def _downloaded(self):
        """Return the source archive, which is downloaded once."""
        place = self.cache / self.name
        if not any(place.glob("*.tar.gz")):
            options = ("download", "-q", "--no-deps", "--no-binary", self.name)
            _pip(f"the source archive of {self.name}", *options, "-d", str(place), self.name)
        return next(place.glob("*.tar.gz"))

    def _run(self, style, spared=()):
        folder = self.folder / style
        site = self._site(folder / "venv")
        python = next((folder / "venv").glob("*/python"))
        if style != "py":
            script = str(_HERE / "as_notebooks.py")
            places = [self._place(site, module) for module in self.modules]
            subprocess.run([python, script, style, *places], check=True)
            (site / "zz_hook.pth").write_text("import nbimport\n", encoding="utf-8")
        with tarfile.open(self._downloaded()) as archive:
            archive.extractall(folder / "source", filter="data")
        source = next((folder / "source").iterdir())
        for module in self.modules:  # only what is installed may be found
            for path in [*source.glob(f"**/{module}/__init__.py"), *source.glob(f"**/{module}.py")]:
                path.unlink()
        (folder / "spared.json").write_text(json.dumps(spared), encoding="utf-8")
        return self._pytest(python, source, folder)

    def _pytest(self, python, source, folder):
        record = folder / "record.json"
        where = ["-o", "consider_namespace_packages=true", "--pyargs"] if self.inside else []
        plugins = [f"-p{plugin}" for plugin in ("record", "no:cacheprovider", *self.plugins)]
        options = ["-q", *plugins, *where, *self.tests]
        done = subprocess.run(
            [python, "-m", "pytest", *options],
            cwd=source,
            env={
                **_environment(),
                "PYTHONPATH": str(_HERE),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take longer than toolz's tests
                "RECORD": str(record),
                "SPARED": str(folder / "spared.json"),
                "PACKAGES": " ".join(self.modules),
                "HOME": str(folder),
            },
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=_SLOWEST_S,
        )
        assert record.exists(), f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return json.loads(record.read_text(encoding="utf-8"))

    def _site(self, folder):
        """Make an environment that has what this one has, and the package as it was downloaded."""
        venv.create(folder, symlinks=True)
        site = next(folder.glob("lib/python*/site-packages"))
        own = {entry.name for entry in self._installed.iterdir()}
        for entry in Path(metadata.distribution("pytest").locate_file("")).iterdir():
            if entry.name not in own and entry.suffix != ".pth":
                (site / entry.name).symlink_to(entry)
        ours = Path(nbimport.__file__).parent
        if not (site / ours.name).exists():
            (site / ours.name).symlink_to(ours)
        subprocess.run(["cp", "-R", f"{self._installed}/.", site], check=True)
        return site

    @staticmethod
    def _place(site, module):
        folder = site / module
        return folder if folder.is_dir() else site / f"{module}.py"


@pytest.fixture
def results(request, tmp_path):
    """Run the tests of a package in each style; arguments as `Suite` has them."""
    cache = getattr(request.config, "cache", None)
    kept = cache.mkdir("sources") if cache is not None else tmp_path / "sources"
    return lambda *args, **options: Suite(kept, tmp_path, *args, **options).results()


@pytest.fixture
def same_as_py():
    """Compare what was recorded as notebooks with what was recorded as ``.py``.

    Args:
        found: Style -> record.
        least: How many tests must have passed as ``.py``, or there is nothing to compare.
        allowed: Names of tests that insist on ``.py``.
        unlike: Names of modules whose doctests do.
    """

    def check(found, *, least, allowed=(), unlike=()):
        truth = found["py"]
        passed = {
            test for test, phases in truth["tests"].items() if "failed" not in phases.values()
        }
        assert len(passed) >= least
        assert truth["suffixes"] == [".py"]
        for style in _STYLES[1:]:
            seen = found[style]
            assert seen["suffixes"] == [".ipynb"]
            differing = [
                f"{test}: {truth['tests'].get(test)} as .py, {seen['tests'].get(test)}\n"
                f"{seen['details'].get(test, '')}"
                for test in sorted({*truth["tests"], *seen["tests"]} - set(allowed))
                if truth["tests"].get(test) != seen["tests"].get(test)
            ]
            assert not differing, f"one {style} per cell:\n" + "\n".join(differing)
            assert list(seen["modules"]) == list(truth["modules"])
            for name, module in truth["modules"].items():
                if name in unlike:
                    module["doctests"] = seen["modules"][name]["doctests"]
                assert seen["modules"][name] == module, f"one {style} per cell: {name}"

    return check
