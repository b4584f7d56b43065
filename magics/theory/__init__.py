"""Arithmetic: shapes in, numbers out.

What lives here: the formulas of MACs, FLOPs and bytes (`formulas` and the families beside
it), sizes and windows (`geometry`), the receptive field over a whole graph
(`receptive_field`) and the roofline (`roofline`). What it must not know: torch, IPython,
a clock, or how a number is shown.
"""

from magics.theory.formulas import (
    Cost,
    Layer,
    UnknownKindError,
    backward_cost,
    cost,
    register_formula,
)

__all__ = [
    "Cost",
    "Layer",
    "UnknownKindError",
    "backward_cost",
    "cost",
    "register_formula",
]
