"""``pytest --nbval demo_notebooks``: what may differ from run to run is named in sanitize.cfg."""

from pathlib import Path


def pytest_configure(config):
    """Take the sanitizer of this folder, unless another one is asked for."""
    if getattr(config.option, "nbval", False) and not config.option.nbval_sanitize_with:
        config.option.nbval_sanitize_with = str(Path(__file__).with_name("sanitize.cfg"))
