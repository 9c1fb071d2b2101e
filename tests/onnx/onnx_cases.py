"""Small ONNX models of the ops and patterns that exporters write. Each case is a function of a Case; build() makes
the model of it."""
import array
import math
import random

import onnx_model


class Case(onnx_model.Model):
    def __init__(self, opset=17):
        super().__init__(opset)
        self.random = random.Random(7)
        self.data, self.results, self.flags = [], [], []

    def floats(self, count, low=-1.0, high=1.0):
        return array.array("f", [self.random.uniform(low, high) for _ in range(count)])

    def take(self, shape, named=None, integers=0):
        """An input; `named`: as the model has its shape, `integers`: of numbers below that."""
        name, count = f"in{len(self.data)}", math.prod(shape)
        data = array.array("q", [self.random.randrange(integers) for _ in range(count)]) if integers else self.floats(count)
        self.data.append((name, shape, data))
        return self.input(name, named or shape, onnx_model.INT64 if integers else onnx_model.FLOAT)

    def give(self, *names):
        for name in names:
            self.output(name)
            self.results.append(name)

    def param(self, *shape, low=-1.0, high=1.0):
        return self.weight(list(shape), self.floats(math.prod(shape), low, high))

    def number(self, value):
        return self.weight([], array.array("f", [value]))

    def ints(self, *values):
        return self.weight([len(values)], list(values))


def build(case):
    model = Case(getattr(case, "opset", 17))
    case(model)
    return model


def opset(version):
    def mark(case):
        case.opset = version
        return case
    return mark


# --- products ---

def gemm_turned_and_scaled(m):
    x = m.op("Gemm", [m.take([1, 12]), m.param(9, 12), m.param(9)], transB=1, alpha=0.5, beta=1.0)
    m.give(m.op("Gemm", [x, m.param(9, 7), m.param(1, 7)], alpha=1.0, beta=0.25))


def matmul_left_constant_and_vector(m):
    x = m.op("MatMul", [m.param(5, 6), m.take([1, 6, 8])])
    m.give(m.op("MatMul", [x, m.param(8)]))


def large_turned_matrix(m):
    m.give(m.op("MatMul", [m.take([1, 3, 1500]), m.param(1500, 1400, low=-0.02, high=0.02)]))


def turned_initializer(m):
    w = m.op("Transpose", [m.param(10, 6)], perm=[1, 0])
    m.give(m.op("MatMul", [m.take([1, 4, 6]), w]))


def conv_1d_with_auto_pad(m):
    m.give(m.op("Conv", [m.take([1, 4, 21]), m.param(6, 2, 4)], group=2, strides=[2], auto_pad="SAME_LOWER"))


def conv_transpose_with_groups(m):
    m.give(m.op("ConvTranspose", [m.take([1, 6, 5, 4]), m.param(6, 4, 3, 3), m.param(8)], group=2, strides=[2, 2],
                pads=[1, 1, 0, 1], output_padding=[1, 0]))


# --- element by element ---

def scalars_and_signs(m):
    x = m.take([1, 3, 5])
    y = m.op("Sub", [m.number(1.0), m.op("Mul", [x, m.number(2.5)])])
    y = m.op("Neg", [m.op("Div", [m.op("Sub", [y, m.number(0.75)]), m.number(3.0)])])
    m.give(m.op("Sum", [y, x, m.op("Pow", [x, m.number(3.0)])]))


def shapes_that_are_repeated(m):
    x, y = m.take([1, 4, 6, 5]), m.take([1, 4, 1, 1])
    z = m.op("Mul", [y, x])
    z = m.op("Add", [z, m.param(6, 1)])
    z = m.op("Mul", [z, m.param(1, 4, 1, 1)])
    z = m.op("Sub", [z, m.take([5])])
    m.give(m.op("Add", [z, m.param(1, 4, 6, 1)]))


def clips(m):
    x = m.op("Mul", [m.take([1, 40]), m.number(4.0)])
    y = m.op("Clip", [x, m.number(-1.0), m.number(2.0)])
    z = m.op("Clip", [x, "", m.number(1.5)])
    m.give(m.op("Add", [y, m.op("Sum", [z, m.op("Clip", [x, m.number(-0.5)]), m.op("Clip", [x, "", m.number(0.0)])])]))


@opset(9)
def older_clip_and_upsample(m):
    x = m.op("Clip", [m.take([1, 2, 4, 3])], min=-0.5, max=0.5)
    m.give(m.op("Upsample", [x, m.weight([4], array.array("f", [1, 1, 2, 3]))], mode="nearest"))


def activations(m):
    x = m.op("Mul", [m.take([1, 6, 7]), m.number(3.0)])
    ys = [m.op("Sigmoid", [x]), m.op("HardSigmoid", [x]), m.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5),
          m.op("PRelu", [x, m.param(6, 1)]), m.op("LeakyRelu", [x], alpha=0.2), m.op("Tanh", [x])]
    ys.append(m.op("Mul", [x, m.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5)]))
    ys.append(m.op("Mul", [m.op("Sigmoid", [x]), x]))
    m.give(m.op("Concat", ys, axis=2))


def gelu_as_torch_writes_it(m):
    x = m.take([1, 5, 8])
    y = m.op("Add", [m.op("Erf", [m.op("Div", [x, m.number(math.sqrt(2))])]), m.number(1.0)])
    m.give(m.op("Mul", [m.op("Mul", [x, y]), m.number(0.5)]))


@opset(20)
def gelu_ops(m):
    x = m.take([1, 5, 8])
    m.give(m.op("Add", [m.op("Gelu", [x]), m.op("Gelu", [x], approximate="tanh")]))


def softmax_over_an_inner_axis(m):
    m.give(m.op("Softmax", [m.take([1, 3, 4, 5])], axis=-2))


@opset(11)
def softmax_over_several_axes(m):
    m.give(m.op("Softmax", [m.take([1, 3, 4, 5])], axis=2))


# --- norms, pools, sums ---

@opset(13)
def layer_norm_in_parts(m):
    x = m.take([1, 6, 16])
    mean = m.op("ReduceMean", [x], axes=[-1], keepdims=1)
    d = m.op("Sub", [x, mean])
    variance = m.op("ReduceMean", [m.op("Pow", [d, m.number(2.0)])], axes=[-1], keepdims=1)
    y = m.op("Div", [d, m.op("Sqrt", [m.op("Add", [variance, m.number(1e-5)])])])
    m.give(m.op("Add", [m.op("Mul", [y, m.param(16)]), m.param(16)]))


def layer_norm_over_two_axes(m):
    m.give(m.op("LayerNormalization", [m.take([1, 3, 4, 5]), m.param(4, 5), m.param(4, 5)], axis=2))


def mean_that_is_no_norm(m):
    x = m.take([1, 6, 16])
    m.give(m.op("Sub", [x, m.op("ReduceMean", [x], axes=[2], keepdims=1)]))


def instance_and_batch_norm(m):
    x = m.op("InstanceNormalization", [m.take([1, 4, 6, 5]), m.param(4), m.param(4)])
    m.give(m.op("BatchNormalization", [x, m.param(4), m.param(4), m.param(4), m.param(4, low=0.5)], epsilon=1e-3))


def pools(m):
    x = m.take([1, 3, 11, 10])
    y = m.op("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)
    y = m.op("AveragePool", [y], kernel_shape=[2, 2], auto_pad="SAME_UPPER")
    y = m.op("AveragePool", [y], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    m.give(m.op("GlobalMaxPool", [y]), m.op("AveragePool", [x], kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1))


def pool_of_one_axis(m):
    m.give(m.op("MaxPool", [m.take([1, 3, 17])], kernel_shape=[3], strides=[2], dilations=[2]))


def sums_over_axes(m):
    x = m.take([1, 4, 5, 6])
    m.give(m.op("ReduceSum", [x, m.ints(1, 3)], keepdims=0), m.op("ReduceMax", [x], axes=[2], keepdims=1),
           m.op("ReduceMin", [x], axes=[1, 2], keepdims=0), m.op("ReduceMean", [x], axes=[2, 3], keepdims=0))


# --- shapes ---

def shapes_that_are_computed(m):
    """What torch writes for x.view(x.size(0), -1, 6)."""
    x = m.take([1, 4, 18], named=["batch", 4, 18])
    size = m.op("Unsqueeze", [m.op("Gather", [m.op("Shape", [x]), m.weight([], [0])]), m.ints(0)])
    m.give(m.op("Reshape", [x, m.op("Concat", [size, m.ints(-1), m.ints(6)], axis=0)]))


def axes_with_names(m):
    m.flags = ["--dim", "seq=7"]
    m.give(m.op("Relu", [m.take([1, 7, 3], named=["batch", "seq", 3])]))


def splits_and_joins(m):
    x = m.take([1, 6, 10])
    a, b = m.op("Split", [x, m.ints(4, 6)], outputs=2, axis=2)
    c, d = m.op("Split", [x], outputs=2, axis=1)
    y = m.op("Concat", [c, d], axis=0)
    m.give(m.op("Concat", [b, a], axis=-1), m.op("Relu", [y]))


def constants_beside_values(m):
    m.give(m.op("Add", [m.op("Concat", [m.param(1, 1, 8), m.take([1, 5, 8]), m.param(1, 2, 8)], axis=1), m.param(1, 8, 8)]))


def slices(m):
    x = m.take([1, 6, 9, 8])
    y = m.op("Slice", [x, m.ints(1, -7), m.ints(5, 100), m.ints(1, 2), m.ints(1, 1)])
    even = m.op("Slice", [x, m.ints(0, 1), m.ints(2 ** 62, 2 ** 62), m.ints(1, 3), m.ints(2, 2)])
    m.give(m.op("Relu", [y]), even, m.op("Gather", [x, m.weight([], [-1])], axis=2),
           m.op("Gather", [x, m.ints(3, 4, 0)], axis=1))


def depth_and_space(m):
    x = m.take([1, 8, 3, 4])
    m.give(m.op("DepthToSpace", [x], blocksize=2), m.op("DepthToSpace", [x], blocksize=2, mode="CRD"),
           m.op("SpaceToDepth", [m.op("DepthToSpace", [x], blocksize=2)], blocksize=2))


def turns(m):
    x = m.op("Transpose", [m.take([1, 2, 3, 4])], perm=[0, 3, 1, 2])
    x = m.op("Unsqueeze", [x, m.ints(2)])
    x = m.op("Squeeze", [m.op("Transpose", [x], perm=[0, 1, 2, 4, 3]), m.ints(2)])
    m.give(m.op("Flatten", [x], axis=2))


def pads_and_sizes(m):
    x = m.op("Pad", [m.take([1, 2, 5, 4]), m.ints(0, 0, 1, 2, 0, 1, 1, 0), m.number(0.5)])
    y = m.op("Resize", [x, "", m.weight([4], array.array("f", [1, 1, 2, 2]))], mode="linear",
             coordinate_transformation_mode="pytorch_half_pixel")
    z = m.op("Resize", [x, "", m.weight([4], array.array("f", [1, 1, 3, 2]))], mode="nearest")
    m.give(y, z, m.op("Pad", [x, m.ints(0, 0, 0, 1, 0, 0, 2, 1)], mode="edge"))


def rows_of_a_table(m):
    ids = m.take([1, 6], integers=11)
    m.give(m.op("Add", [m.op("Gather", [m.param(11, 8), ids]), m.param(6, 8)]))


# --- sequences ---

def heads(m, x, rows, count, dim, order):
    return m.op("Transpose", [m.op("Reshape", [x, m.ints(1, rows, count, dim)])], perm=order)


def attention_as_torch_scales_it(m):
    """q and k by the square root of the scale each; a causal mask by Where."""
    x = m.take([1, 6, 16])
    q, k, v = (m.op("MatMul", [x, m.param(16, 16)]) for _ in range(3))
    root = m.number(math.sqrt(1 / math.sqrt(8)))
    q = m.op("Mul", [heads(m, q, 6, 2, 8, [0, 2, 1, 3]), root])
    k = m.op("Mul", [m.op("Transpose", [heads(m, k, 6, 2, 8, [0, 2, 1, 3])], perm=[0, 1, 3, 2]), root])
    seen = m.op("Cast", [m.weight([1, 1, 6, 6], [int(s <= t) for t in range(6) for s in range(6)])], to=9)
    scores = m.op("Where", [seen, m.op("MatMul", [q, k]), m.number(-1e9)])
    y = m.op("MatMul", [m.op("Softmax", [scores], axis=-1), heads(m, v, 6, 2, 8, [0, 2, 1, 3])])
    m.give(m.op("Reshape", [m.op("Transpose", [y], perm=[0, 2, 1, 3]), m.ints(0, 0, -1)]))


def attention_from_one_product(m):
    """As vision transformers have it: q, k and v in one product, parts of the first axis."""
    x = m.op("MatMul", [m.take([1, 5, 12]), m.param(12, 36)])
    x = m.op("Transpose", [m.op("Reshape", [x, m.ints(1, 5, 3, 2, 6)])], perm=[2, 0, 3, 1, 4])
    q, k, v = (m.op("Gather", [x, m.weight([], [i])], axis=0) for i in range(3))
    scores = m.op("Mul", [m.op("MatMul", [q, m.op("Transpose", [k], perm=[0, 1, 3, 2])]), m.number(0.4)])
    y = m.op("MatMul", [m.op("Softmax", [scores], axis=3), v])
    m.give(m.op("Reshape", [m.op("Transpose", [y], perm=[0, 2, 1, 3]), m.ints(1, 5, 12)]))


def attention_with_one_head(m):
    x, y = m.take([1, 4, 8]), m.take([1, 7, 8])
    scores = m.op("Div", [m.op("MatMul", [x, m.op("Transpose", [y], perm=[0, 2, 1])]), m.number(3.0)])
    m.give(m.op("MatMul", [m.op("Softmax", [scores], axis=-1), y]))


def recurrent_states(m):
    x = m.op("Transpose", [m.take([1, 6, 5])], perm=[1, 0, 2])
    h, c = m.take([2, 1, 4]), m.take([2, 1, 4])
    y, last, cells = m.op("LSTM", [x, m.param(2, 16, 5), m.param(2, 16, 4), m.param(2, 32), "", h, c], outputs=3,
                          hidden_size=4, direction="bidirectional")
    m.give(y, last, cells)


def gru_of_two_directions(m):
    x = m.op("Transpose", [m.take([1, 6, 5])], perm=[1, 0, 2])
    zeros = m.weight([2, 1, 4], array.array("f", [0.0] * 8))
    y, last = m.op("GRU", [x, m.param(2, 12, 5), m.param(2, 12, 4), m.param(2, 24), "", zeros], outputs=2,
                   hidden_size=4, direction="bidirectional", linear_before_reset=1)
    m.give(m.op("Reshape", [m.op("Transpose", [y], perm=[0, 2, 1, 3]), m.ints(6, 1, 8)]), last)


CASES = [value for value in list(globals().values())
         if callable(value) and getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("m",)
         and value.__code__.co_argcount == 1]
