"""The options of nbimport's pytest plugin, and nothing else until one of them is used.

pytest imports this in every run of an environment that has nbimport. It lies outside the package,
because importing the package lets notebooks be imported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pytest

PATTERNS = ("test_*.ipynb", "*_test.ipynb")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--nbimport`` and ``nbimport_files``; either switches the plugin on."""
    group = parser.getgroup("nbimport", "notebooks with tests")
    group.addoption(
        "--nbimport",
        action="store_true",
        help=f"collect tests in notebooks ({', '.join(PATTERNS)}) like those in .py files",
    )
    parser.addini(
        "nbimport_files",
        "file name patterns of notebooks to collect tests in; setting it switches --nbimport on",
        type="args",
        default=[],
    )


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Switch the plugin on where it was asked for, before conftest files import notebooks."""
    patterns = early_config.getini("nbimport_files")
    if early_config.known_args_namespace.nbimport or patterns:
        from nbimport.integrations import pytest_plugin  # noqa: PLC0415 - installs the hook

        plugin = pytest_plugin.NotebookTests(early_config, tuple(patterns) or PATTERNS)
        early_config.pluginmanager.register(plugin, "nbimport-notebooks")
