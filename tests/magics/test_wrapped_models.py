"""Models in other guises: compiled, scripted, quantised, parallel; rows, or a plain statement."""

import copy
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from nets import CONV, CONV_MACS, SQUARE, Calls, resnet18
from torch import nn

import magics


def counted(model, *inputs, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting and eager quantisation are on their way out
        return magics.profile(model, *inputs, measure=False, receptive_field=False, **options)


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        CONV(), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    ).eval()


MACS = CONV_MACS + 720


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_rows_of_a_compiled_model_are_those_of_the_eager_one(backend):
    model = net()
    compiled = torch.compile(model, backend=backend)
    profile = counted(compiled, *SQUARE())
    assert profile.total.macs == MACS
    assert [row.name for row in profile.layers] == ["0", "1", "2", "3", "4"]
    assert profile.warnings[0].startswith("The model is compiled: rows are of the eager model")
    assert profile.layers == counted(model, *SQUARE()).layers
    torch._dynamo.reset()


def test_a_model_compiled_in_place_has_rows_and_stays_compiled():
    model = net()
    model.compile(backend="eager")
    before = model._compiled_call_impl
    assert counted(model, *SQUARE()).total.macs == MACS
    assert model._compiled_call_impl is before
    torch._dynamo.reset()


@pytest.mark.parametrize("how", ["script", "trace", "freeze"])
def test_layers_of_a_scripted_model_have_rows_without_times(how):
    if how == "trace":
        model = quietly(torch.jit.trace, net(), SQUARE())
    else:
        model = quietly(torch.jit.script, net())
        model = quietly(torch.jit.freeze, model) if how == "freeze" else model
    profile = counted(model, *SQUARE())
    assert profile.total.macs == MACS
    assert profile.uncounted == ()
    noted = [row for row in profile.layers if row.kind == "conv2d"]
    assert [row.note for row in noted] == ["runs inside one call, without a time of its own"]


def test_a_scripted_part_of_a_model_is_counted():
    model = nn.Sequential(quietly(torch.jit.script, CONV()), nn.Conv2d(4, 4, 3))
    assert counted(model, *SQUARE()).total.macs == CONV_MACS + 4 * 16 * 36


def test_dynamically_quantised_layers_are_counted():
    floats = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.ReLU())
    model = quietly(torch.ao.quantization.quantize_dynamic, floats, {nn.Linear}, torch.qint8)
    profile = counted(model, *SQUARE())
    assert profile.total.macs == 192 * 5
    assert profile.uncounted == ()
    assert [row.kind for row in profile.layers] == ["other", "linear", "other"]


def test_statically_quantised_layers_are_counted():
    quantization = torch.ao.quantization
    engines = torch.backends.quantized.supported_engines
    model = nn.Sequential(
        quantization.QuantStub(), nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 5), quantization.DeQuantStub(),
    ).eval()  # fmt: skip
    plain = counted(copy.deepcopy(model), *SQUARE())
    model.qconfig = quantization.get_default_qconfig("x86" if "x86" in engines else engines[-1])
    quietly(quantization.prepare, model, inplace=True)
    model(*SQUARE())
    quietly(quantization.convert, model, inplace=True)
    profile = counted(model, *SQUARE())
    assert profile.total.macs == plain.total.macs == 4 * 16 * 27 + 80
    assert profile.uncounted == ()
    conv = next(row for row in profile.layers if row.kind == "conv2d")
    assert (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (2, 2), ((1, 1), (1, 1)))
    assert conv.output_bytes == 4 * 16  # one byte each


def test_data_parallel_models_are_those_inside():
    model = net()
    profile = counted(nn.DataParallel(model), *SQUARE())
    assert profile.layers == counted(model, *SQUARE()).layers
    assert profile.warnings[0].startswith("The model came in DataParallel: rows are of the model")


def test_distributed_data_parallel_models_are_those_inside(tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(net())
        profile = counted(model, *SQUARE())
    finally:
        torch.distributed.destroy_process_group()
    assert profile.total.macs == MACS
    assert [row.name for row in profile.layers] == ["0", "1", "2", "3", "4"]
    assert profile.warnings[0].startswith("The model came in DistributedDataParallel")


def test_exported_and_traced_graphs_are_counted():
    assert counted(torch.fx.symbolic_trace(net()), *SQUARE()).total.macs == MACS
    exported = torch.export.export(net(), SQUARE()).module()
    profile = counted(exported, *SQUARE())
    assert profile.total.macs == MACS
    assert profile.total.params == sum(p.numel() for p in exported.parameters())


def test_functions_that_call_models_are_profiled_with_their_names():
    model = net()

    def predict(x):
        return model(x).softmax(1)

    profile = counted(predict, *SQUARE())
    assert profile.total.macs == MACS
    assert profile.total.params == sum(p.numel() for p in model.parameters())
    assert profile.layers[0].name == "model.0"


def test_methods_and_partial_functions_are_profiled():
    class Trainer:
        def __init__(self):
            self.net = net()

        def predict(self, x):
            return self.net(x)

    assert counted(Trainer().predict, *SQUARE()).total.macs == MACS


def test_models_that_work_in_threads_are_counted():
    pool = ThreadPoolExecutor(1)
    with pool:
        model = Calls(
            lambda m, x: pool.submit(m.second, pool.submit(m.first, x).result()).result(),
            first=CONV(), second=nn.Conv2d(4, 4, 3),
        )  # fmt: skip
        profile = counted(model, *SQUARE())
    assert profile.total.macs == CONV_MACS + 4 * 16 * 36
    assert [row.name for row in profile.layers] == ["first", "second"]


def test_a_model_that_catches_an_exception_keeps_its_places():
    def forward(model, x):
        try:
            model.wrong(x)
        except RuntimeError:
            x = model.right(x)
        return model.last(x)

    model = Calls(forward, wrong=nn.Conv2d(5, 4, 3), right=CONV(), last=nn.Conv2d(4, 4, 3))
    profile = counted(model, *SQUARE())
    rows = {row.name: row.macs for row in profile.layers}
    assert rows["right"] == CONV_MACS
    assert rows["last"] == 4 * 16 * 36


def test_branches_of_torch_cond_are_counted():
    model = Calls(
        lambda m, x: torch.cond(x.sum() > 1e9, lambda y: y * 1, m.conv, (x,)),
        conv=nn.Conv2d(3, 3, 1),
    )
    assert counted(model, *SQUARE()).total.macs == 3 * 64 * 3
    torch._dynamo.reset()


def test_ragged_batches_are_counted():
    rows = [torch.randn(3, 5), torch.randn(2, 5)]
    model = Calls(
        lambda m, *x: m.linear(torch.nested.nested_tensor(list(x), layout=torch.jagged)).values(),
        linear=nn.Linear(5, 7),
    )
    assert counted(model, *rows).total.macs == 5 * 35


def test_a_profile_doesn_t_load_the_compiler():
    code = (
        "import sys, torch, magics; magics.profile(torch.nn.Conv2d(3, 4, 3), '1x3x8x8', "
        "measure=False); print('torch._dynamo' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_names_are_those_of_the_demo_network():
    names = [row.name for row in counted(resnet18(), "1x3x64x64").layers]
    assert names[:4] == ["stem.0", "stem.1", "stem.2", "stem.3"]
    assert names[-1] == "classifier"
