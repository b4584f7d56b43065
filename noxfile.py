"""Run the tests of nbimport, which needs no torch, on every Python found: ``nox``."""

import nox

nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13"])
def nbimport(session: nox.Session) -> None:
    """Test nbimport alone."""
    session.install(
        "-c",
        "constraints.txt",
        "-e",
        ".",
        "pytest",
        "hypothesis",
        "ipykernel",
        "jupyter-client",
        "pytest-cov",
        "pytest-xdist",
        "mypy",
    )
    session.run("pytest", "tests/nbimport", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("ipython", ["8.39", "9.18"])
def sessions(session: nox.Session, ipython: str) -> None:
    """Test what touches IPython on its two living major versions."""
    session.install("-e", ".", f"ipython~={ipython}.0", "pytest", "hypothesis", "ipykernel")
    session.run("pytest", "tests/nbimport", *session.posargs)
