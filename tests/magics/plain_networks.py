"""Networks of usual layers, drawn at random, whose gradient is that of every element they read.

All weights are positive and random, so that contributions don't cancel; a max pool becomes an
average of the same windows while the gradient is probed, because its own gradient is that of
the largest element only.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, the name everybody knows

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CHANNELS = 4
LARGEST = 40


class PlainNetwork(nn.Module):
    """Draws its layers while it runs for the first time, and repeats them after that.

    A layer is drawn from LAYERS by the name of the method that makes and calls it.
    """

    LAYERS = (
        "conv conv conv transposed pool pool norm relu relu_ add cat pad crop grouped nearest"
    ).split()

    def __init__(self, draw, dims, steps):
        super().__init__()
        self.draw = draw
        self.dims = dims
        self.names = [draw.choice(self.LAYERS) for _ in range(steps)]
        if dims == 1:  # three dimensions are a signal only where a window slides
            self.names[0] = "conv"
        self.layers = nn.ModuleDict()
        self.drawn = {}
        self.probing = False
        self.ran = []
        self.here = 0

    def forward(self, x):
        maps = [x]
        self.ran = []
        for here, name in enumerate(self.names):
            self.here = here
            if self.drawn.get(("refused", self.here)):
                continue
            try:
                new = getattr(self, name)(maps)
            except (RuntimeError, ValueError, IndexError):
                if ("done",) in self.drawn:
                    raise
                self.drawn["refused", self.here] = True
                continue
            if new is None or not all(1 <= n <= LARGEST for n in new.shape[2:]):
                self.drawn["refused", self.here] = True
                continue
            self.ran.append(name)
            maps.append(new)
        self.drawn["done",] = True
        return maps[-1]

    def pick(self, key, make):
        """Return what was drawn under a key in this step, or draw it now."""
        return (
            self.drawn.setdefault((self.here, key), None)
            or self.drawn.__setitem__((self.here, key), make())
            or self.drawn[self.here, key]
        )

    def numbers(self, key, low, high):
        return self.pick(key, lambda: tuple(self.draw.randint(low, high) for _ in range(self.dims)))

    def number(self, key, low, high):
        return self.pick(key, lambda: (self.draw.randint(low, high),))[0]

    def layer(self, make):
        key = f"{self.here}"
        if key not in self.layers:
            layer = make().double().eval()
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.uniform_(0.5, 1.5)
                    if parameter.dim() > 1:
                        parameter.div_(parameter[0].numel())
            self.layers[key] = layer
        return self.layers[key]

    def some(self, maps):
        back = self.number("which", 0, 9)
        return maps[-1] if back < 7 else maps[(back * 7) % len(maps)]

    def conv(self, maps, groups=1, mode="zeros"):
        x = self.some(maps)
        stride = self.numbers("s", 1, 3) if self.number("strided", 0, 1) else 1
        kernel, padding = self.numbers("k", 1, 4), self.numbers("p", 0, 3)
        dilation = self.numbers("d", 1, 3)
        return self.layer(
            lambda: CONV[self.dims](
                x.shape[1],
                CHANNELS if groups == 1 else x.shape[1],
                kernel,
                stride,
                padding,
                dilation,
                groups,
                padding_mode=mode,
            )
        )(x)

    def grouped(self, maps):
        return self.conv(maps, groups=2)

    def transposed(self, maps):
        x = self.some(maps)
        window = [self.numbers(*a) for a in (("k", 1, 4), ("s", 1, 3), ("p", 0, 2), ("o", 0, 1))]
        dilation = self.numbers("d", 1, 3)
        return self.layer(
            lambda: TRANSPOSED[self.dims](x.shape[1], CHANNELS, *window, dilation=dilation)
        )(x)

    def pool(self, maps):
        x = self.some(maps)
        kernel = self.numbers("k", 1, 4)
        stride = self.numbers("s", 1, 3)
        padding = tuple(n * k // 4 for n, k in zip(self.numbers("p", 0, 2), kernel, strict=True))
        largest = self.number("max", 0, 1) and not self.probing
        pool = (MAX_POOL if largest else AVG_POOL)[self.dims]
        return pool(x, kernel, stride, padding, ceil_mode=bool(self.number("ceil", 0, 1)))

    def norm(self, maps):
        x = self.some(maps)
        return self.layer(lambda: NORM[self.dims](x.shape[1]))(x)

    def relu(self, maps):
        return F.relu(self.some(maps))

    def relu_(self, maps):
        return (self.some(maps) + 1).relu_()

    def common(self, first, second):
        sizes = tuple(map(min, first.shape[2:], second.shape[2:]))
        crop = (..., *(slice(0, n) for n in sizes))
        return first[crop], second[crop]

    def add(self, maps):
        first, second = self.common(self.some(maps), maps[-1])
        return first[:, :1] + second

    def cat(self, maps):
        dim = self.number("dim", 1, 1 + self.dims)
        first, second = self.common(self.some(maps), maps[-1])
        if first.shape[1] > 12 or (first.shape[1] != second.shape[1] and dim > 1):
            return None
        return torch.cat([first, second], dim)

    def pad(self, maps):
        x = self.some(maps)
        mode = ("constant", "circular", "reflect", "replicate")[self.number("mode", 0, 3)]
        low = -1 if mode == "constant" else 0
        amounts = self.numbers("a", low, 2) + self.numbers("b", low, 2)
        return F.pad(x, amounts, mode=mode)

    def crop(self, maps):
        slices = zip(self.numbers("a", 0, 2), self.numbers("s", 1, 2), strict=True)
        return self.some(maps)[(..., *(slice(a, None, s) for a, s in slices))]

    def nearest(self, maps):
        mode = "nearest" if self.number("exact", 0, 1) else "nearest-exact"
        if self.number("size", 0, 2):
            return F.interpolate(self.some(maps), scale_factor=self.numbers("f", 1, 2), mode=mode)
        return F.interpolate(self.some(maps), self.numbers("o", 1, 20), mode=mode)
