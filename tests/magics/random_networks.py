"""Networks drawn at random from usual layers and from everything else that moves elements."""

import torch
from plain_networks import CHANNELS, PlainNetwork
from torch.nn import functional as F  # noqa: N812, the name everybody knows

ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def calm(x):
    """Return x scaled so that a softmax of it leaves no element out."""
    return x / max(float(x.detach().abs().max()), 1e-9)


class RandomNetwork(PlainNetwork):
    """Draws from all layers."""

    LAYERS = (
        *PlainNetwork.LAYERS,
        *"""modes linear cubic adaptive excite flip roll split shuffle unshuffle write add_
        interleave comb permute tokens layer_norm softmax attention unfold stack halves mean_axis
        repeat columns index channels cumsum group_norm detour volume restack passthrough
        reorder""".split(),
    )

    def modes(self, maps):
        mode = ("circular", "reflect", "replicate")[self.number("mode", 0, 2)]
        return self.conv(maps, mode=mode)

    def adaptive(self, maps):
        sizes = self.numbers("o", 1, 7)
        largest = self.number("max", 0, 1) and not self.probing
        return (ADAPTIVE_MAX if largest else ADAPTIVE_AVG)[self.dims](self.some(maps), sizes)

    def add_(self, maps):
        first, second = self.common(self.some(maps), maps[-1])
        total = first * 2
        total += second[:, :1]
        return total

    def linear(self, maps):
        corners = bool(self.number("corners", 0, 1))
        how = {"mode": LINEAR[self.dims], "align_corners": corners}
        if self.number("size", 0, 1):
            return F.interpolate(self.some(maps), self.numbers("o", 1, 20), **how)
        return F.interpolate(self.some(maps), scale_factor=self.numbers("f", 1, 2), **how)

    def cubic(self, maps):
        if self.dims != 2:
            return None
        narrow = bool(self.number("aa", 0, 1))
        sizes = self.numbers("o", 1, 20)
        mode = "bicubic" if self.number("cubic", 0, 1) else "bilinear"
        return F.interpolate(self.some(maps), sizes, mode=mode, antialias=narrow)

    def excite(self, maps):
        x = self.some(maps)
        return (x + 1) * x.mean(tuple(range(2, 2 + self.dims)), keepdim=True)

    def mean_axis(self, maps):
        x = self.some(maps)
        return (x + 1) * x.mean(2 + self.number("axis", 0, self.dims - 1), keepdim=True)

    def flip(self, maps):
        return self.some(maps).flip(2 + self.number("axis", 0, self.dims - 1))

    def roll(self, maps):
        return self.some(maps).roll(self.number("n", -3, 3), 2 + self.number("a", 0, self.dims - 1))

    def split(self, maps):
        x = self.some(maps)
        parts = x.chunk(2, 1)
        return parts[self.number("part", 0, len(parts) - 1)]

    def halves(self, maps):
        """Let one half of the channels pass, as ShuffleNet does, and swap them."""
        first, second = self.some(maps).chunk(2, 1)
        here = F.avg_pool2d(second, 3, 1, 1) if self.dims == 2 else second
        both = torch.cat([first, here], 1)
        return F.channel_shuffle(both, 2) if self.number("shuffle", 0, 1) else both

    def channels(self, maps):
        """Take some channels of a concatenation."""
        first, second = self.common(self.some(maps), maps[-1])
        start = self.number("start", 0, 3)
        return torch.cat([first, second], 1)[:, start : start + 3]

    def shuffle(self, maps):
        return F.pixel_shuffle(self.some(maps), 2) if self.dims == 2 else None

    def unshuffle(self, maps):
        x = self.some(maps)
        if self.dims != 2:
            return None
        return F.pixel_unshuffle(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2], 2)

    def write(self, maps):
        """Write one map into a part of another."""
        first, second = self.common(self.some(maps), maps[-1])
        out = first.clone() if self.number("clone", 0, 1) else torch.zeros_like(first)
        out[..., 1:-1] = second[:, :1, ..., :-2]
        if self.number("more", 0, 1):
            out[:, :1].add_(first[:, :1])
        return out

    def comb(self, maps):
        first, second = self.common(self.some(maps), maps[-1])
        out = first.clone()
        out[..., self.number("at", 0, 1) :: 2] = second[:, :1, ..., self.number("at", 0, 1) :: 2]
        return out

    def interleave(self, maps):
        first, second = self.common(self.some(maps), maps[-1])
        return torch.stack([first[:, :1], second[:, :1]], -1).flatten(-2)

    def stack(self, maps):
        first, second = self.common(self.some(maps), maps[-1])
        return torch.stack([first, second[:, : first.shape[1]]], 1).sum(1)

    def permute(self, maps):
        x = self.some(maps)
        y = x.movedim(1, -1).contiguous()
        return (y.view(-1, x.shape[1]) @ self.square(x.shape[1])).view(y.shape).movedim(-1, 1)

    def square(self, n):
        return self.pick("w", lambda: [torch.rand(n, n, dtype=torch.float64) + 0.5])[0]

    def tokens(self, maps):
        """Mix all positions, one channel at a time."""
        x = self.some(maps)
        flat = calm(x).flatten(2)
        return (flat + flat.softmax(-1)).view(x.shape) * (1 + x)

    def layer_norm(self, maps):
        x = self.some(maps)
        if x.shape[1] < 3:
            return None
        # What is the same in all channels would cancel.
        first, weight = self.square(x.shape[1])[:2]
        return F.layer_norm(x.movedim(1, -1) * first, x.shape[1:2], weight).movedim(-1, 1)

    def group_norm(self, maps):
        x = self.some(maps)
        first, weight = self.square(x.shape[1])[:2]
        x = x * first.view(-1, *(1,) * self.dims)
        return F.group_norm(x, 2, weight) if self.number("rarely", 0, 3) == 0 else None

    def softmax(self, maps):
        x = self.some(maps)
        # The sum of a softmax is 1 whatever the input is.
        weights = torch.linspace(1, 2, x.numel(), dtype=torch.float64).view(x.shape)
        return calm(x).softmax(2 + self.number("axis", 0, self.dims - 1)) * weights

    def attention(self, maps):
        """Attend within windows along the last axis, as wide as they divide it."""
        x = self.some(maps)
        if x.shape[-1] == 1:  # the weight of a single element is 1
            return None
        width = next(n for n in (4, 3, 2, 5, 7, 11, 13, x.shape[-1]) if x.shape[-1] % n == 0)
        windows = calm(x).movedim(1, -1).unflatten(-2, (-1, width))
        if self.number("by hand", 0, 1):
            seen = (windows @ windows.mT / 9).softmax(-1) @ windows
        else:
            seen = F.scaled_dot_product_attention(windows, windows, windows)
        return (windows + seen).flatten(-3, -2).movedim(-1, 1)

    def unfold(self, maps):
        return self.some(maps).unfold(2, 3, self.number("s", 1, 3))[..., self.number("at", 0, 2)]

    def columns(self, maps):
        x = self.some(maps)
        if self.dims != 2 or min(x.shape[2:]) < 3:
            return None
        rows = F.unfold(x[:, :1], 3, dilation=1, padding=1)
        return rows[:, self.number("first", 0, 5) :].unflatten(2, x.shape[2:])[:, :3]

    def repeat(self, maps):
        x = self.some(maps)[:, :2]
        return x.repeat(1, 2, *self.numbers("n", 1, 2))

    def index(self, maps):
        x = self.some(maps)
        order = torch.arange(x.shape[2] - 1, -1, -2)
        return x[:, [0]] + x[:, :, order][..., :1, *(slice(None),) * (self.dims - 1)]

    def cumsum(self, maps):
        return self.some(maps).cumsum(2)

    def detour(self, maps):
        """Read and write through views of views."""
        x = self.some(maps).clone()
        view = x.transpose(1, 2)[:, 1:]
        view += 1
        view[:, :, :1] += x.mean()
        return x

    def volume(self, maps):
        """Convolve over channels and all axes but one, whose positions are the groups."""
        if "conv" not in self.ran:  # the first window says which dimensions are axes
            return None
        x = self.some(maps).transpose(1, 2)
        return self.conv([x], groups=x.shape[1]).transpose(1, 2)

    def restack(self, maps):
        """Move the positions within windows into the channels, window by window."""
        x = self.some(maps)
        width = self.number("width", 1, 3)
        if x.shape[-1] % width:
            return None
        parts = x.movedim(1, -1).split(width, -2)
        stacked = torch.stack([part.flatten(-2) for part in parts], -2)
        return stacked.movedim(-1, 1)[:, : 3 * CHANNELS]

    def passthrough(self, maps):
        """Put positions among channels beside other channels, as YOLO does."""
        x = self.some(maps)
        low = x[..., : x.shape[-1] // 2 * 2].unflatten(-1, (-1, 2)).movedim(-1, 1).flatten(1, 2)
        first, second = self.common(low, maps[-1])
        return torch.cat([first, second, first[:, :3]], 1)[:, :10]

    def reorder(self, maps):
        """Take channels of a concatenation in any order."""
        first, second = self.common(self.some(maps), maps[-1])
        both = torch.cat([first, second], 1)
        count = both.shape[1]
        order = self.pick("order", lambda: [self.draw.randrange(count) for _ in range(4)])
        return both.index_select(1, torch.tensor(order))
