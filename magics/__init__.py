"""Say what each convolution, pooling and batch-norm layer of a PyTorch model costs.

    import magics
    magics.profile(model, x)              # a Profile: counts, times, what bounds each layer
    %load_ext magics
    %convprofile model 8x3x224x224        # the same, inline

The public names are those listed here; everything below is free to change. They are loaded
when first used: importing magics reaches neither torch nor IPython.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from magics.errors import ConvProfileError
    from magics.records import (
        Advice,
        Comparison,
        LayerProfile,
        Measurement,
        Profile,
        Spread,
        Suggestion,
        Sweep,
        SweepPoint,
    )
    from magics.session import profile
    from magics.studies.advise import advise
    from magics.studies.compare import compare
    from magics.studies.sweep import sweep
    from magics.theory import Cost, Layer, register_formula

__version__ = "0.1.0"
__all__ = [
    "Advice",
    "Comparison",
    "ConvProfileError",
    "Cost",
    "Layer",
    "LayerProfile",
    "Measurement",
    "Profile",
    "Spread",
    "Suggestion",
    "Sweep",
    "SweepPoint",
    "advise",
    "compare",
    "load_ipython_extension",
    "profile",
    "register_formula",
    "sweep",
    "unload_ipython_extension",
]

_HOMES = {
    "Advice": "magics.records",
    "Comparison": "magics.records",
    "ConvProfileError": "magics.errors",
    "Cost": "magics.theory",
    "Layer": "magics.theory",
    "LayerProfile": "magics.records",
    "Measurement": "magics.records",
    "Profile": "magics.records",
    "Spread": "magics.records",
    "Suggestion": "magics.records",
    "Sweep": "magics.records",
    "SweepPoint": "magics.records",
    "advise": "magics.studies.advise",
    "compare": "magics.studies.compare",
    "profile": "magics.session",
    "register_formula": "magics.theory",
    "sweep": "magics.studies.sweep",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401, whatever the name stands for
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'magics' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make `%convprofile` known to IPython: ``%load_ext magics``."""
    from magics.magic import register  # noqa: PLC0415, IPython is loaded only for this

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Forget `%convprofile`: ``%unload_ext magics``."""
    from magics.magic import unregister  # noqa: PLC0415, IPython is loaded only for this

    unregister(shell)
