"""The tables of operators use the names that operators are looked up by."""

import pytest
import torch

import magics
from magics.measurement.calling import aten

TABLES = ["PER_OUTPUT", "PER_INPUT", "PER_LAST_INPUT", "VIEWS", "MOVES"]


@pytest.mark.parametrize("table", TABLES)
def test_names_in_tables_are_without_an_in_place_mark(table):
    names = getattr(aten, table)
    assert [name for name in names if aten.base_name(f"aten::{name}") != name] == []
    assert names


class Rebound(torch.nn.Module):
    def forward(self, x):
        y = torch.empty(0)
        y.set_(x * 2)
        return y


def test_setting_the_memory_of_a_tensor_is_a_move():
    profile = magics.profile(Rebound(), torch.rand(3, 3), measure=False)
    assert profile.uncounted == ()
