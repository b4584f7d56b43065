"""Models of the literature, against their published figures.

The table names models of pytorchcv, with two kinds of published figure: 'multiply-adds' of
papers, rounded, and 'all operations', half the operations of every layer, batch norm,
activations and pools included. The last column but one was counted by two other programs,
convolutions and matrix products only.
"""

import csv
import importlib
from pathlib import Path

import pytest
import torch
from nets import mobilenet_v2, resnet18
from torch.utils.flop_counter import FlopCounterMode

import magics

TABLE = Path(__file__).with_name("published_models.csv")
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))


def build(row):
    """Return a model without weights. pytorchcv's own index imports a torchvision of its own."""
    module = importlib.import_module(f"pytorchcv.models.{row['module']}")
    with torch.device("meta"):
        return getattr(module, row["function"])(pretrained=False).eval()


def counts(model, *inputs):
    return magics.profile(model, *inputs, measure=False, receptive_field=False)


@pytest.mark.parametrize("row", ROWS, ids=[row["title"] for row in ROWS])
def test_a_published_model_has_its_published_counts(row):
    model = build(row)
    profile = counts(model, row["input"])
    total, published = profile.total, 1e9 * float(row["published_gmacs"])
    assert total.macs == int(row["conv_matmul_macs"])
    assert total.flops == 2 * total.macs
    assert profile.uncounted == ()
    if row["counts"] == "multiply-adds":
        # Rounded in the papers: to tenths of a million parameters, to 1.5 % of the MACs.
        assert total.params == pytest.approx(int(row["published_params"]), rel=0.07)
        assert total.macs == pytest.approx(published, rel=0.016)
    else:
        assert total.params == int(row["published_params"])
        # What is more than the MACs is elementwise work, which is listed apart here.
        assert total.macs <= published <= total.macs + total.elementwise_flops


@pytest.mark.parametrize("row", ROWS[::3], ids=[row["title"] for row in ROWS[::3]])
def test_torch_counts_the_same_in_forward(row):
    model = build(row)
    shape = tuple(map(int, row["input"].split("x")))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(shape, device="meta"))
    assert counts(model, row["input"]).total.flops == counter.get_total_flops()


@pytest.mark.parametrize(
    ("build", "params", "macs"),
    [(resnet18, 11_689_512, 1_814_073_344), (mobilenet_v2, 3_504_872, 300_774_272)],
)
def test_the_demo_networks_have_their_published_counts(build, params, macs):
    profile = counts(build(), "1x3x224x224")
    assert profile.total.params == params == sum(row.params for row in profile.rows)
    assert profile.total.macs == macs == sum(row.macs for row in profile.layers)
    assert profile.uncounted == ()


def test_batch_size_multiplies_work_and_not_parameters():
    model = resnet18()
    one, four = counts(model, "1x3x64x64"), counts(model, "4x3x64x64")
    assert four.total.macs == 4 * one.total.macs
    assert four.total.elementwise_flops == 4 * one.total.elementwise_flops
    assert four.total.params == one.total.params


def test_the_option_batch_is_the_batch_of_a_shape():
    model = resnet18()
    assert counts(model, "4x3x64x64").total.macs == (
        magics.profile(model, "1x3x64x64", batch=4, measure=False).total.macs
    )


def test_meta_tensors_give_the_counts_of_real_ones():
    model = mobilenet_v2()
    real = counts(model, "1x3x96x96")
    meta = magics.profile(model, "1x3x96x96", device="meta", measure=False, receptive_field=False)
    assert [row.macs for row in meta.rows] == [row.macs for row in real.rows]
    assert [row.bytes_moved for row in meta.rows] == [row.bytes_moved for row in real.rows]
    assert meta.total.params == real.total.params
    assert next(model.parameters()).device.type == "cpu"
