"""Nothing is disturbed: model, inputs, torch and interpreter are after a profile as before."""

import random
import warnings

import numpy as np
import pytest
import snapshot
import torch
from cases import CASES
from nets import CONV, SQUARE, Calls, frozen_norm, image, resnet18
from torch import nn
from torch.nn import functional

import magics

QUICK = {"budget": 0.01, "roofline": False}


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """Compiled and scripted models are on their way out, torch says; this is no test of that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch._dynamo.reset()


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if not isinstance(value, dict | list | tuple):
        return []
    return [t for item in (value.values() if isinstance(value, dict) else value)
            for t in tensors_of(item)]  # fmt: skip


def profiled(model, inputs, kwargs=None, **options):
    """Profile; what can't be (a backward of a number) must leave everything alone, too."""
    try:
        return magics.profile(model, *inputs, kwargs=kwargs or {}, **options)
    except magics.ConvProfileError:
        return None


@pytest.mark.parametrize(
    "options",
    [{"measure": False}, {**QUICK, "backward": True}, {"measure": False, "mode": "train"}],
    ids=["counts", "backward", "train"],
)
@pytest.mark.parametrize("name", CASES)
def test_a_model_is_left_as_it_was_found(name, options):
    case = CASES[name]
    model, inputs = case.build(), case.inputs()
    for parameter in model.parameters():
        if not torch.nn.parameter.is_lazy(parameter):
            parameter.grad = torch.full_like(parameter, 0.5)
    before = snapshot.of_model(model), snapshot.of_process()
    contents = [snapshot.tensor_facts(tensor) for tensor in tensors_of(inputs)]
    profiled(model, inputs, case.kwargs(), **options)
    profiled(model, inputs, case.kwargs(), measure=False)
    assert snapshot.of_model(model) == before[0]
    assert snapshot.of_process() == before[1]
    assert [snapshot.tensor_facts(tensor) for tensor in tensors_of(inputs)] == contents


def test_flags_of_a_frozen_batch_norm_stay():
    model = frozen_norm()
    flags = [module.training for module in model.modules()]
    for mode in ("as_is", "eval", "train"):
        magics.profile(model, *SQUARE(), mode=mode, measure=False)
        assert [module.training for module in model.modules()] == flags == [True, True, False, True]


def test_a_graph_built_before_can_still_go_backward():
    model, x = nn.Sequential(CONV(), nn.BatchNorm2d(4).eval(), nn.ReLU(inplace=True)), SQUARE()[0]
    loss = model(x.requires_grad_()).sum()
    for options in ({"measure": False, "mode": "train"}, {**QUICK, "backward": True}):
        magics.profile(model, x, **options)
    assert x.grad is None
    loss.backward()
    assert x.grad is not None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("call", [0, 1, 3])
@pytest.mark.parametrize("backward", [False, True])
def test_an_exception_in_the_middle_disturbs_nothing(error, call, backward):
    """Raise in the first run (counting), and in later ones (timing)."""
    calls = iter(range(100))

    def forward(model, x):
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002, the old generator
        x = model.norm(model.conv(x))
        if next(calls) == call:
            torch.set_grad_enabled(mode=False)
            raise error("in the middle")
        return model.conv(x)

    model = Calls(forward, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3)).train()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    before = snapshot.of_model(model), snapshot.of_process()
    expected = magics.ConvProfileError if error is ValueError else error
    with pytest.raises(expected):
        magics.profile(model, *SQUARE(), backward=backward, **QUICK)
    assert (snapshot.of_model(model), snapshot.of_process()) == before


def test_settings_that_the_model_changes_are_put_back():
    def forward(model, x):
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_default_dtype(torch.float64)
        torch.set_flush_denormal(True)
        torch.set_grad_enabled(mode=False)
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
        torch.use_deterministic_algorithms(mode=True)
        torch.set_autocast_enabled("cpu", not torch.is_autocast_enabled("cpu"))
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002, the old generator
        torch.manual_seed(1)
        return model.conv(x)

    model = Calls(forward, conv=CONV())
    before = snapshot.of_process()
    magics.profile(model, *SQUARE(), **QUICK)
    assert snapshot.of_process() == before


@pytest.mark.parametrize("flush", [False, True])
def test_flushing_of_subnormal_numbers_stays_on_or_off(flush):
    if not torch.set_flush_denormal(flush):
        pytest.skip("this processor can't")
    try:
        magics.profile(CONV(), *SQUARE(), **QUICK)
        assert snapshot.subnormals_vanish() is flush
    finally:
        torch.set_flush_denormal(False)


def test_hooks_run_as_always_and_stay():
    seen = []
    model = nn.Sequential(CONV(), nn.ReLU())
    model[0].register_forward_pre_hook(lambda *_: seen.append("pre"))
    model[0].register_forward_hook(lambda *_: seen.append("post"))
    before = snapshot.of_model(model)
    magics.profile(model, *SQUARE(), measure=False)
    assert seen == ["pre", "post"]
    assert snapshot.of_model(model) == before
    model(*SQUARE())
    assert len(seen) == 4


def test_a_forward_set_on_the_instance_stays():
    model = CONV()
    own = model.forward = lambda x: functional.relu(nn.Conv2d.forward(model, x))
    magics.profile(model, *SQUARE(), **QUICK)
    assert model.forward is own
    plain = CONV()
    magics.profile(plain, *SQUARE(), **QUICK)
    assert "forward" not in vars(plain)


@pytest.mark.parametrize(
    "options", [{"dtype": "float64"}, {"layout": "channels_last"}, {"device": "meta"}]
)
@pytest.mark.parametrize("fails", [False, True])
def test_conversion_is_undone_bit_by_bit(options, fails):
    def forward(model, x):
        x = model.conv(x)
        return x.no_such_method() if fails else x

    model = Calls(forward, conv=CONV()).train()
    model.norm = nn.BatchNorm2d(4)
    before = snapshot.of_model(model)
    profiled(model, ("1x3x8x8",), measure=False, **options)
    assert snapshot.of_model(model) == before


def test_calling_inside_inference_mode_works_and_leaves_it_on():
    with torch.inference_mode():
        model, x = nn.Sequential(CONV(), nn.BatchNorm2d(4)).train(), torch.randn(2, 3, 8, 8)
        before = snapshot.of_model(model)
        profile = magics.profile(model, x, measure=False)
        assert torch.is_inference_mode_enabled()
    assert profile.total.macs == 2 * 4 * 36 * 27
    assert snapshot.of_model(model) == before


def test_a_backward_of_a_model_made_in_inference_mode_is_refused_in_one_line():
    with torch.inference_mode():
        model = CONV()
    with pytest.raises(magics.ConvProfileError, match="backward: the model was made in inference"):
        magics.profile(model, *SQUARE(), backward=True)


def test_a_backward_with_an_input_made_in_inference_mode_works():
    with torch.inference_mode():
        x = torch.randn(1, 3, 8, 8)
    assert magics.profile(CONV(), x, backward=True, **QUICK).layers[0].backward is not None


def test_calling_under_autocast_keeps_it():
    with torch.autocast("cpu", torch.bfloat16):
        row = magics.profile(CONV(), *SQUARE(), measure=False).layers[0]
        assert torch.is_autocast_enabled("cpu")
    assert row.dtype == "bfloat16"


def test_no_copy_of_the_model_is_made(monkeypatch):
    def refuse(*_):
        raise AssertionError("copied")

    monkeypatch.setattr("copy.deepcopy", refuse)
    model = resnet18()
    monkeypatch.setattr(type(model), "__deepcopy__", refuse, raising=False)
    monkeypatch.setattr(type(model), "__reduce_ex__", refuse)
    assert magics.profile(model, "1x3x64x64", **QUICK).total.params == 11_689_512


def test_two_profiles_agree():
    model, x = resnet18(), image(1, 3, 64, 64)()[0]
    first, second = (magics.profile(model, x, measure=False) for _ in range(2))
    assert first.layers == second.layers
    assert first.total == second.total


def test_a_dropout_model_draws_the_numbers_it_would_have_drawn():
    model, x = nn.Sequential(CONV(), nn.Dropout(0.5)).train(), SQUARE()[0]
    torch.manual_seed(7)
    expected = model(x)
    torch.manual_seed(7)
    magics.profile(model, x, **QUICK)
    assert torch.equal(model(x), expected)
