"""Receptive fields that others published, built layer by layer.

Source of the table: Araujo, Norris and Sim, Distill 2019. Its networks are those of TF-Slim:
'SAME' padding of a stride-2 layer on an even map puts nothing before the input.
"""

from fractions import Fraction
from itertools import pairwise

import pytest

from magics.theory.axis_maps import WHOLE, nearest, pad, piece, transposed_window, window
from magics.theory.graph import Edge, Node, graph_of, touched
from magics.theory.index_sets import count
from magics.theory.receptive_field import MAX_FAMILIES, ReceptiveFields, receptive_field


class Sketch:
    """A graph drawn with a few words; sizes only matter where a map is irregular."""

    def __init__(self, axes=1, size=4096):
        self.nodes = [Node(0, (size,) * axes)]
        self.axes = axes

    @property
    def last(self):
        return len(self.nodes) - 1

    def put(self, *edges, size=None, **words):
        size = self.nodes[edges[0].node].size if size is None else size
        self.nodes.append(Node(len(self.nodes), size, edges, **words))
        return self.last

    def conv(self, k, s=1, p=None, d=1, at=None):
        """Append a window along all axes; `p` is d(k-1)/2 when left out."""
        p = d * (k - 1) // 2 if p is None else p
        at = self.last if at is None else at
        size = tuple(-(-n // s) for n in self.nodes[at].size)
        return self.put(Edge(at, (window(k, s, p, d),) * self.axes), size=size)

    def join(self, *ids):
        return self.put(*map(Edge, ids))

    def chain(self, at, *windows):
        for arguments in windows:
            at = self.conv(*arguments, at=at)
        return at

    def field(self, node=None):
        return receptive_field(graph_of(self.nodes), self.last if node is None else node)


def alexnet(net):
    net.chain(0, (11, 4, 0), (3, 2, 0), (5,), (3, 2, 0), (3,), (3,), (3,), (3, 2, 0))


def vgg_16(net):
    for convs in (2, 2, 3, 3, 3):
        net.chain(net.last, *[(3,)] * convs, (2, 2, 0))


def resnet(units):
    """Return a builder of a bottleneck network whose last unit of a stage has the stride."""

    def build(net):
        net.chain(0, (7, 2, 3), (3, 2, 0))
        for stage, repeats in enumerate(units):
            for unit in range(repeats):
                stride = 2 if unit == repeats - 1 and stage < len(units) - 1 else 1
                start = net.last
                long = net.chain(start, (1,), (3, stride, 1), (1,))
                short = start if stride == 1 else net.conv(1, stride, 0, at=start)
                net.join(short, long)

    return build


def mobilenet_v1(net):
    net.conv(3, 2, 0)
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        net.chain(net.last, (3, stride, 1 if stride == 1 else 0), (1,))


def inception_v3(net):
    net.chain(0, (3, 2, 0), (3, 1, 0), (3,), (3, 2, 0), (1,), (3, 1, 0), (3, 2, 0))
    for _ in range(3):
        at = net.last
        branches = [[(1,)], [(1,), (5,)], [(1,), (3,), (3,)], [(3,), (1,)]]
        net.join(*(net.chain(at, *branch) for branch in branches))
    at = net.last
    branches = [[(3, 2, 0)], [(1,), (3,), (3, 2, 0)], [(3, 2, 0)]]
    net.join(*(net.chain(at, *branch) for branch in branches))
    for _ in range(4):  # along one axis, 1x7 and 7x1 are a 7 and a 1
        at = net.last
        branches = [[(1,)], [(1,), (7,), (1,)], [(1,), (7,), (7,)], [(3,), (1,)]]
        net.join(*(net.chain(at, *branch) for branch in branches))
    at = net.last
    branches = [[(1,), (3, 2, 0)], [(1,), (7,), (3, 2, 0)], [(3, 2, 0)]]
    net.join(*(net.chain(at, *branch) for branch in branches))
    for _ in range(2):
        at = net.last
        branches = [[(1,)], [(1,), (3,)], [(1,), (1,)], [(1,), (3,), (3,)], [(3,), (1,)]]
        net.join(*(net.chain(at, *branch) for branch in branches))


@pytest.mark.parametrize(
    ("build", "size", "padding"),
    [
        (alexnet, 195, 64),
        (vgg_16, 212, 90),
        (resnet((3, 4, 6, 3)), 483, 239),
        (resnet((3, 4, 23, 3)), 1027, 511),
        (resnet((3, 8, 36, 3)), 1507, 751),
        (mobilenet_v1, 315, 126),
        (inception_v3, 1311, 618),
    ],
    ids=["AlexNet", "VGG-16", "ResNet-50", "ResNet-101", "ResNet-152", "MobileNet", "Inception"],
)
def test_published_sizes_strides_and_paddings(build, size, padding):
    net = Sketch()
    build(net)
    field = net.field()
    assert (field.size, field.stride, field.padding) == ((size,), (32,), (padding,))
    assert (field.coverage, field.bounded) == (100, False)
    assert field.centre == (Fraction(size - 1, 2) - padding,)


def densenet_121(net):
    net.chain(0, (7, 2, 3), (3, 2, 1))
    for block, layers in enumerate((6, 12, 24, 16)):
        features = [net.last]
        for _ in range(layers):
            net.join(*features)
            features.append(net.chain(net.last, (1,), (1,), (1,), (3,)))
        net.join(*features)
        if block < 3:
            net.chain(net.last, (1,), (2, 2, 0))


def test_densenet_121_joins_every_earlier_layer():
    net = Sketch(axes=2, size=224)
    densenet_121(net)
    fields = ReceptiveFields(graph_of(net.nodes), 0)
    sizes = [fields[node.id].size for node in net.nodes]
    # 11 after the stem; 6 * 8, 12 * 16, 24 * 32 and 16 * 64 in the blocks; 4, 8, 16 between.
    assert sizes[-1] == (2071, 2071)
    assert all(before[0] <= after[0] for before, after in pairwise(sizes[::30]))


@pytest.mark.parametrize(
    ("dilations", "size", "pixels"),
    # 2,2,2 touches every other position: 7 of 13 per axis.
    [((1, 2, 4), 15, 15**2), ((2, 2, 2), 13, 7**2), ((1, 2, 5), 17, 17**2)],
)
def test_gridding_of_stacked_dilations(dilations, size, pixels):
    net = Sketch(axes=2, size=64)
    net.chain(0, *((3, 1, None, d) for d in dilations))
    field = net.field()
    assert field.size == (size, size)
    assert field.coverage == pytest.approx(100 * pixels / size**2)
    assert count(touched(graph_of(net.nodes), net.last, (32, 32), 0)) == pixels


@pytest.mark.parametrize(("dilation", "size"), [(6, 13), (12, 25), (18, 37)])
def test_a_branch_of_the_pyramid_touches_nine_pixels(dilation, size):
    net = Sketch(axes=2, size=65)
    net.conv(3, d=dilation)
    assert net.field().size == (size, size)
    assert net.field().coverage == pytest.approx(100 * 9 / size**2)


def test_the_whole_pyramid_touches_the_union_of_its_branches():
    net = Sketch(axes=2, size=65)
    net.join(net.conv(1), *(net.conv(3, d=d, at=0) for d in (6, 12, 18)))
    # The branches share the centre: 1 + 8 + 8 + 8 pixels of 37 * 37.
    assert net.field().coverage == pytest.approx(100 * 25 / 37**2)


def test_a_stride_larger_than_the_kernel_leaves_pixels_out():
    net = Sketch()
    net.chain(0, (1, 3, 0), (3, 1, 1))
    assert net.field().size == (7,)
    assert net.field().coverage == pytest.approx(100 * 3 / 7)


def test_a_transposed_convolution_has_a_field_for_each_phase():
    net = Sketch()
    net.conv(3, 2, 1)
    net.put(Edge(1, (transposed_window(3, 2, 1),)), size=(4096,))
    field = net.field()
    # Even units see one coarse unit (3 positions), odd ones two (3 + 2 positions).
    assert (field.size, field.centre_size) == ((5,), (3,))
    assert (field.stride, field.padding) == ((Fraction(1),), (1,))


def test_a_decoder_has_a_stride_below_one():
    net = Sketch()
    net.put(Edge(0, (nearest(Fraction(1, 2)),)), size=(8192,))
    assert net.field().stride == (Fraction(1, 2),)


def test_global_pooling_sees_the_input_whatever_its_size():
    net = Sketch(axes=2, size=32)
    net.conv(3, 2, 1)
    net.put(Edge(1, (WHOLE, WHOLE)), size=(1, 1))
    field = net.field()
    assert (field.size, field.bounded, field.whole) == ((32, 32), True, True)
    assert (field.stride, field.padding, field.centre) == ((None,) * 2, (None,) * 2, (None,) * 2)
    assert field.coverage == 100


def test_branches_of_different_strides_are_described_on_their_own_input():
    net = Sketch(size=32)
    coarse = net.conv(3, 2, 1)
    net.join(coarse, 0)
    field = net.field()
    assert (field.bounded, field.whole, field.stride) == (True, False, (None,))
    # Unit 8 of 16 sees 15..17 through the stride and position 8 itself.
    assert (field.size, field.coverage) == ((10,), 100 * 4 / 10)
    net.conv(3)  # units 7 to 9 see positions 7 to 19
    assert (net.field().size, net.field().bounded) == ((13,), True)


def test_more_branches_than_can_be_kept_apart_are_described_on_their_own_input():
    net = Sketch(axes=2, size=60)
    flat = [
        net.put(Edge(0, (window(2 * n + 1, 1, n), window(41 - 2 * n, 1, 20 - n))))
        for n in range(MAX_FAMILIES + 2)
    ]
    net.join(*flat)
    field = net.field()
    assert field.bounded
    assert field.size == (2 * MAX_FAMILIES + 3, 41)
    seen = {(y, x) for n in range(len(flat)) for y in range(n + 1) for x in range(21 - n)}
    pixels = 4 * len(seen) - 2 * (len(flat) + 21) + 1  # four quadrants, axes and centre once
    assert field.coverage == pytest.approx(100 * pixels / (field.size[0] * field.size[1]))


def test_parts_of_a_concatenation_along_an_axis_keep_their_places():
    net = Sketch(size=8)
    left = net.put(Edge(0, (window(1),)))
    right = net.put(Edge(0, (pad(-4),)), size=(4,))
    net.put(Edge(left, (piece(0),)), Edge(right, (piece(8),)), size=(12,))
    graph = graph_of(net.nodes)
    assert touched(graph, net.last, (7,), 0) == [(1 << 7,)]
    assert touched(graph, net.last, (8,), 0) == [(1 << 4,)]


def test_a_note_reaches_every_later_node_once():
    net = Sketch()
    first = net.put(Edge(0), note="statistics of the batch")
    net.join(net.conv(3), first)
    assert net.field().notes == ("statistics of the batch",)
    assert net.field(0).notes == ()


def test_after_an_operation_that_cannot_be_followed_there_is_no_field_but_a_reason():
    net = Sketch()
    lost = net.put(Edge(0), obstacle="aten::sort can't be followed")
    after = net.join(0, lost)
    fields = ReceptiveFields(graph_of(net.nodes), 0)
    assert fields[lost] is fields[after] is None
    assert fields.obstacle(after) == "aten::sort can't be followed"
    assert fields.obstacle(0) == ""


def test_a_node_that_does_not_depend_on_the_input_has_no_field():
    nodes = [Node(0, (8,)), Node(1, (8,)), Node(2, (8,), (Edge(1),)), Node(3, (8,), (Edge(2),))]
    fields = ReceptiveFields(graph_of(nodes), 0)
    assert fields[3] is None
    assert fields.obstacle(3) == "doesn't depend on the input"
    assert touched(graph_of(nodes), 3, (4,), 0) == []
    assert ReceptiveFields(graph_of(nodes), 1)[3].size == (1,)
    both = graph_of([Node(0, (8,)), Node(1, (8,)), Node(2, (8,), (Edge(0), Edge(1)))])
    assert touched(both, 2, (4,), 1) == [(1 << 4,)]


def test_graphs_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="node 0 appears twice"):
        graph_of([Node(0, (1,)), Node(0, (1,))])
    with pytest.raises(ValueError, match="node 1 reads node 2, which is not before it"):
        graph_of([Node(1, (1,), (Edge(2),)), Node(2, (1,))])
