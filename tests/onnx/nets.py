"""Small nets of five kinds, each written down once and given twice: as the graph of our layer files, and as an
ONNX model. Weights are random, of a size that keeps activations sane."""
import array
import json
import math
import pathlib
import random

import onnx_model


def product(shape):
    return math.prod(shape)


class Net:
    """Shapes are of one sample, as in our graphs; ONNX has the batch, 1, before them."""

    def __init__(self, name, seed=1):
        self.name, self.random = name, random.Random(seed)
        self.values, self.ops, self.inputs = [], [], []  # [name, shape], records
        self.tensors = []  # [name, rows, cols, array]
        self.onnx = onnx_model.Model()
        self.onnx_names = {}  # ours -> theirs
        self.onnx_inputs = []  # (name, shape, array)

    # --- operands ---

    def input(self, shape):
        name = self.value(shape, f"input{len(self.inputs)}")
        self.inputs.append(name)
        data = self.numbers(product(shape), 1.0)
        self.onnx_inputs.append((name, [1] + shape, data))
        self.onnx_names[name] = self.onnx.input(name, [1] + shape)
        return name

    def numbers(self, count, deviation, mean=0.0):
        return array.array("f", [self.random.gauss(mean, deviation) for _ in range(count)])

    def value(self, shape, name=None):
        name = name or f"v{len(self.values)}"
        self.values.append([name, list(shape)])
        return name

    def shape(self, name):
        return next(shape for other, shape in self.values if other == name)

    def tensor(self, rows, cols, data):
        name = f"t{len(self.tensors)}"
        self.tensors.append([name, rows, cols, data])
        return name

    def op(self, what, ins, out_shape, weights=(), theirs=None, **attributes):
        """Our op; `theirs` is the name of the ONNX result."""
        out = self.value(out_shape)
        self.ops.append({"name": out, "kind": what, "attributes": attributes, "ins": list(ins), "out": out,
                         "weights": list(weights)})
        self.onnx_names[out] = theirs
        return out

    def of(self, name):
        return self.onnx_names[name]

    def constant(self, values, shape=None):
        return self.onnx.weight([len(values)] if shape is None else shape, values)

    # --- layers ---

    def conv(self, x, outs, size, stride=1, dilation=1, groups=1, pad=None, bias=True, transposed=False):
        shape, axes = self.shape(x), len(self.shape(x)) - 1
        pad = (size - 1) * dilation // 2 if pad is None else pad
        reach = (size - 1) * dilation + 1
        ins = shape[0]
        weights = self.numbers(outs * ins // groups * size ** axes, 1 / math.sqrt(ins / groups * size ** axes))
        shift = self.numbers(outs, 0.1)
        out_shape = [outs] + [(n - 1) * stride + reach - 2 * pad if transposed else (n + 2 * pad - reach) // stride + 1
                              for n in shape[1:]]
        if transposed:
            assert groups == 1
            taps = size ** axes  # theirs: [ins][outs][taps]
            turned = array.array("f", [weights[(o * ins + i) * taps + k] for i in range(ins) for o in range(outs)
                                       for k in range(taps)])
            w = self.onnx.weight([ins, outs] + [size] * axes, turned)
        else:
            w = self.onnx.weight([outs, ins // groups] + [size] * axes, weights)
        theirs = self.onnx.op("ConvTranspose" if transposed else "Conv",
                              [self.of(x), w] + ([self.constant(shift)] if bias else []), kernel_shape=[size] * axes,
                              strides=[stride] * axes, dilations=[dilation] * axes, pads=[pad] * 2 * axes, group=groups)
        ours = [self.tensor(outs, ins // groups * size ** axes, weights)] + ([self.tensor(1, outs, shift)] if bias else [])
        window = {key: [number] * axes if axes == 2 else [rest, number] for key, number, rest in
                  (("size", size, 1), ("stride", stride, 1), ("dilation", dilation, 1), ("pad_begin", pad, 0),
                   ("pad_end", pad, 0))}
        return self.op("conv_transpose" if transposed else "conv", [x], out_shape, ours, theirs, groups=groups, **window)

    def dense(self, x, rows, bias=True):
        shape = self.shape(x)
        cols = shape[-1]
        weights, shift = self.numbers(rows * cols, 1 / math.sqrt(cols)), self.numbers(rows, 0.1)
        turned = array.array("f", [weights[r * cols + c] for c in range(cols) for r in range(rows)])
        theirs = self.onnx.op("MatMul", [self.of(x), self.onnx.weight([cols, rows], turned)])
        if bias:
            theirs = self.onnx.op("Add", [theirs, self.constant(shift)])
        ours = [self.tensor(rows, cols, weights)] + ([self.tensor(1, rows, shift)] if bias else [])
        return self.op("dense", [x], shape[:-1] + [rows], ours, theirs)

    def vectors(self, size, *means):
        return [self.numbers(size, 0.1, mean) for mean in means]

    def batch_norm(self, x):
        data = self.vectors(self.shape(x)[0], 1.0, 0.0, 0.0, 1.0)
        theirs = self.onnx.op("BatchNormalization", [self.of(x)] + [self.constant(v) for v in data], epsilon=1e-5)
        return self.op("batch_norm", [x], self.shape(x), [self.tensor(1, len(v), v) for v in data], theirs, epsilon=1e-5)

    def layer_norm(self, x):
        data = self.vectors(self.shape(x)[-1], 1.0, 0.0)
        theirs = self.onnx.op("LayerNormalization", [self.of(x)] + [self.constant(v) for v in data], epsilon=1e-5)
        return self.op("layer_norm", [x], self.shape(x), [self.tensor(1, len(v), v) for v in data], theirs, epsilon=1e-5)

    def group_norm(self, x, groups):
        shape = self.shape(x)
        data = self.vectors(shape[0], 1.0, 0.0)
        theirs = self.onnx.op("Reshape", [self.of(x), self.constant([1, groups, -1])])
        ones, zeros = array.array("f", [1.0] * groups), array.array("f", [0.0] * groups)
        theirs = self.onnx.op("InstanceNormalization", [theirs, self.constant(ones), self.constant(zeros)], epsilon=1e-5)
        theirs = self.onnx.op("Reshape", [theirs, self.constant([1] + shape)])
        for kind, values in zip(("Mul", "Add"), data):
            theirs = self.onnx.op(kind, [theirs, self.constant(values, [1, shape[0]] + [1] * (len(shape) - 1))])
        return self.op("group_norm", [x], shape, [self.tensor(1, len(v), v) for v in data], theirs, groups=groups,
                       epsilon=1e-5)

    def activation(self, x, function, alpha=0.0):
        onnx, a = self.onnx, self.of(x)

        def number(value):
            return onnx.weight([], array.array("f", [value]))
        if function == "gelu":
            inner = onnx.op("Erf", [onnx.op("Mul", [a, number(math.sqrt(0.5))])])
            theirs = onnx.op("Mul", [onnx.op("Mul", [a, number(0.5)]), onnx.op("Add", [inner, number(1.0)])])
        elif function == "gelu_tanh":
            cube = onnx.op("Mul", [onnx.op("Mul", [onnx.op("Mul", [a, a]), a]), number(0.044715)])
            inner = onnx.op("Tanh", [onnx.op("Mul", [onnx.op("Add", [a, cube]), number(math.sqrt(2 / math.pi))])])
            theirs = onnx.op("Mul", [onnx.op("Mul", [a, number(0.5)]), onnx.op("Add", [inner, number(1.0)])])
        elif function == "silu":
            theirs = onnx.op("Mul", [a, onnx.op("Sigmoid", [a])])
        elif function == "clip":
            theirs = onnx.op("Clip", [a, number(0.0), number(alpha)])
        elif function == "leaky_relu":
            theirs = onnx.op("LeakyRelu", [a], alpha=alpha)
        elif function == "hard_sigmoid":
            theirs = onnx.op("HardSigmoid", [a], alpha=1 / 6, beta=0.5)
        else:
            name = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish"}[function]
            theirs = onnx.op(name, [a])
        return self.op("activation", [x], self.shape(x), theirs=theirs, function=function, alpha=alpha)

    def add(self, x, y):
        return self.op("add", [x, y], self.shape(x), theirs=self.onnx.op("Add", [self.of(x), self.of(y)]))

    def mul(self, x, y):
        return self.op("mul", [x, y], self.shape(x), theirs=self.onnx.op("Mul", [self.of(x), self.of(y)]))

    def pool(self, x, kind, size, stride, pad=0):
        shape = self.shape(x)
        theirs = self.onnx.op({"max": "MaxPool", "average": "AveragePool"}[kind], [self.of(x)], kernel_shape=[size] * 2,
                              strides=[stride] * 2, pads=[pad] * 4)
        return self.op("pool", [x], [shape[0]] + [(n + 2 * pad - size) // stride + 1 for n in shape[1:]], theirs=theirs,
                       kind=kind, size=[size] * 2, stride=[stride] * 2, dilation=[1, 1], pad_begin=[pad] * 2,
                       pad_end=[pad] * 2)

    def global_pool(self, x):
        shape = self.shape(x)
        return self.op("global_pool", [x], shape[:1] + [1] * (len(shape) - 1), kind="average",
                       theirs=self.onnx.op("GlobalAveragePool", [self.of(x)]))

    def concat(self, parts, axis=0):
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(part)[axis] for part in parts)
        return self.op("concat", parts, shape, axis=axis,
                       theirs=self.onnx.op("Concat", [self.of(part) for part in parts], axis=axis + 1))

    def reshape(self, x, shape):
        return self.op("reshape", [x], shape, shape=shape,
                       theirs=self.onnx.op("Reshape", [self.of(x), self.constant([1] + shape)]))

    def transpose(self, x, order):
        return self.op("transpose", [x], [self.shape(x)[a] for a in order], order=order,
                       theirs=self.onnx.op("Transpose", [self.of(x)], perm=[0] + [a + 1 for a in order]))

    def slice(self, x, axis, begin, end):
        shape = list(self.shape(x))
        shape[axis] = end - begin
        theirs = self.onnx.op("Slice", [self.of(x)] + [self.constant([v]) for v in (begin, end, axis + 1)])
        return self.op("slice", [x], shape, axis=axis, begin=begin, end=end, theirs=theirs)

    def resize(self, x, size, mode, align_corners=False):
        shape = self.shape(x)[:1] + size
        grid = "asymmetric" if mode == "nearest" else "align_corners" if align_corners else "half_pixel"
        theirs = self.onnx.op("Resize", [self.of(x), "", "", self.constant([1] + shape)], mode=mode,
                              coordinate_transformation_mode=grid, nearest_mode="floor")
        return self.op("resize", [x], shape, size=size, mode=mode, align_corners=int(align_corners), theirs=theirs)

    def pad(self, x, before, after, mode):
        shape = [b + n + a for b, n, a in zip(before, self.shape(x), after)]
        theirs = self.onnx.op("Pad", [self.of(x), self.constant([0] + before + [0] + after)], mode=mode)
        return self.op("pad", [x], shape, before=before, after=after, mode=mode, value=0.0, theirs=theirs)

    def softmax(self, x, axis):
        return self.op("softmax", [x], self.shape(x), axis=axis,
                       theirs=self.onnx.op("Softmax", [self.of(x)], axis=axis + 1))

    def mean(self, x, axes):
        theirs = self.onnx.op("ReduceMean", [self.of(x)], axes=[a + 1 for a in axes], keepdims=0)
        return self.op("reduce", [x], [n for a, n in enumerate(self.shape(x)) if a not in axes], kind="mean", axes=axes,
                       keep=0, theirs=theirs)

    def attention(self, q, k, v, heads, causal=False):
        onnx, (rows, width) = self.onnx, self.shape(q)
        keys, dim = self.shape(k)[0], width // heads

        def split(name, count, order):
            turned = onnx.op("Reshape", [self.of(name), self.constant([1, count, heads, -1])])
            return onnx.op("Transpose", [turned], perm=order)
        scores = onnx.op("MatMul", [split(q, rows, [0, 2, 1, 3]), split(k, keys, [0, 2, 3, 1])])
        scores = onnx.op("Mul", [scores, onnx.weight([], array.array("f", [1 / math.sqrt(dim)]))])
        if causal:
            mask = array.array("f", [0.0 if p <= t + keys - rows else -1e9 for t in range(rows) for p in range(keys)])
            scores = onnx.op("Add", [scores, onnx.weight([rows, keys], mask)])
        mixed = onnx.op("MatMul", [onnx.op("Softmax", [scores], axis=-1), split(v, keys, [0, 2, 1, 3])])
        mixed = onnx.op("Transpose", [mixed], perm=[0, 2, 1, 3])
        theirs = onnx.op("Reshape", [mixed, self.constant([1, rows, -1])])
        return self.op("attention", [q, k, v], [rows, self.shape(v)[1]], heads=heads, kv_heads=heads, causal=int(causal),
                       scale=0.0, theirs=theirs)

    def recurrent(self, x, cell, units, reverse=False):
        """[T, D] -> [T, units]; ours takes the product with the inputs as an op of its own."""
        steps, width = self.shape(x)
        gates = {"lstm": 4, "gru": 3}[cell]
        scale = 1 / math.sqrt(units)
        w, r = self.numbers(gates * units * width, scale), self.numbers(gates * units * units, scale)
        wb, rb = self.numbers(gates * units, 0.1), self.numbers(gates * units, 0.1)
        # PyTorch's gates i f g o and r z n; ONNX's i o f g and z r n.
        order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}[cell]

        def turned(data):
            rows = len(data) // gates
            return array.array("f", [v for g in order for v in data[g * rows:(g + 1) * rows]])
        onnx = self.onnx
        steps_first = onnx.op("Transpose", [self.of(x)], perm=[1, 0, 2])
        bias = turned(wb) + turned(rb)
        more = {"linear_before_reset": 1} if cell == "gru" else {}
        theirs = onnx.op(cell.upper(), [steps_first, onnx.weight([1, gates * units, width], turned(w)),
                                        onnx.weight([1, gates * units, units], turned(r)),
                                        onnx.weight([1, 2 * gates * units], bias)],
                         hidden_size=units, direction="reverse" if reverse else "forward", **more)
        theirs = onnx.op("Reshape", [theirs, self.constant([1, steps, units])])
        projected = self.op("dense", [x], [steps, gates * units],
                            [self.tensor(gates * units, width, w), self.tensor(1, gates * units, wb)])
        return self.op("recurrent", [projected], [steps, units],
                       [self.tensor(gates * units, units, r), self.tensor(1, gates * units, rb)], theirs, cell=cell,
                       reverse=int(reverse), state=0)

    # --- the files ---

    def write(self, folder):
        """graph.json, weights.bin (each tensor's offset is in the graph, a multiple of 64) and inputs.bin."""
        folder = pathlib.Path(folder)
        tensors, data = [], bytearray()
        for name, rows, cols, values in self.tensors:
            data += b"\0" * (-len(data) % 64)
            tensors.append({"name": name, "rows": rows, "cols": cols, "offset": len(data)})
            data += values.tobytes()
        (folder / "weights.bin").write_bytes(data + b"\0" * 4096)
        (folder / "inputs.bin").write_bytes(b"".join(data.tobytes() for _, _, data in self.onnx_inputs))
        graph = {"name": self.name, "values": self.values, "inputs": self.inputs, "output": self.values[-1][0],
                 "tensors": tensors, "ops": self.ops}
        (folder / "graph.json").write_text(json.dumps(graph, indent=1))

    def model(self):
        """(ONNX model, its inputs, its output)."""
        out = self.of(self.values[-1][0])
        self.onnx.output(out)
        return self.onnx.bytes(), self.onnx_inputs, out


def mobile_net():
    """MobileNet-v2: inverted residuals with depthwise convolutions; some with squeeze and excitation (v3)."""
    net = Net("MobileNet-like", 11)

    def normal(x, function="clip", alpha=6.0):
        return net.activation(net.batch_norm(x), function, alpha)

    def block(x, outs, stride, squeeze):
        ins = net.shape(x)[0]
        y = normal(net.conv(x, 4 * ins, 1, bias=False))
        y = normal(net.conv(y, 4 * ins, 3, stride, groups=4 * ins, bias=False), "hard_swish", 0.0)
        if squeeze:
            s = net.activation(net.conv(net.global_pool(y), ins, 1), "relu")
            y = net.mul(y, net.activation(net.conv(s, 4 * ins, 1), "hard_sigmoid"))
        y = net.batch_norm(net.conv(y, outs, 1, bias=False))
        return net.add(y, x) if stride == 1 and ins == outs else y
    x = normal(net.conv(net.input([3, 64, 64]), 16, 3, 2, bias=False))
    for outs, stride, squeeze in ((16, 1, False), (24, 2, True), (24, 1, True), (40, 2, False), (40, 1, True)):
        x = block(x, outs, stride, squeeze)
    x = normal(net.conv(x, 160, 1, bias=False))
    x = net.dense(net.reshape(net.global_pool(x), [160]), 50)
    net.softmax(x, 0)
    return net


def res_net():
    """ResNet-50's bottlenecks, strided and dilated ones too."""
    net = Net("ResNet-like", 12)

    def conv(x, outs, size, stride=1, dilation=1):
        return net.batch_norm(net.conv(x, outs, size, stride, dilation, bias=False))

    def block(x, width, stride=1, dilation=1):
        y = net.activation(conv(x, width, 1), "relu")
        y = net.activation(conv(y, width, 3, stride, dilation), "relu")
        y = conv(y, 4 * width, 1)
        if net.shape(x) != net.shape(y):
            x = conv(x, 4 * width, 1, stride)
        return net.activation(net.add(y, x), "relu")
    x = net.activation(conv(net.input([3, 75, 67]), 32, 7, 2), "relu")
    x = net.pool(x, "max", 3, 2, 1)
    for width, stride, dilation in ((16, 1, 1), (16, 1, 1), (24, 2, 1), (24, 1, 1), (32, 1, 2), (32, 1, 2)):
        x = block(x, width, stride, dilation)
    x = net.pool(x, "average", 2, 2)
    net.dense(net.reshape(net.global_pool(x), [128]), 40)
    return net


def u_net():
    """U-Net with group norms: down by pooling, up by transposed convolution and by resizing."""
    net = Net("U-Net-like", 13)

    def double(x, outs, function):
        for _ in range(2):
            x = net.activation(net.group_norm(net.conv(x, outs, 3), 4), function, 0.1)
        return x
    x = net.pad(net.input([2, 60, 44]), [0, 2, 2], [0, 2, 2], "reflect")
    a = double(x, 16, "leaky_relu")
    b = double(net.pool(a, "max", 2, 2), 24, "silu")
    c = double(net.pool(b, "max", 2, 2), 32, "gelu_tanh")
    d = double(net.pool(c, "average", 2, 2), 48, "silu")
    x = net.concat([net.conv(d, 32, 2, 2, pad=0, transposed=True), c])
    x = net.concat([net.conv(double(x, 32, "silu"), 24, 4, 2, pad=1, transposed=True), b])
    x = net.concat([net.resize(double(x, 24, "tanh"), [64, 48], "linear"), a,
                    net.resize(d, [64, 48], "nearest")])
    net.activation(net.conv(double(x, 16, "leaky_relu"), 1, 1), "sigmoid")
    return net


def transformer():
    """An encoder block, a causal one, and cross attention from the second to the first."""
    net = Net("transformer encoder", 14)
    width, heads = 64, 4

    def attend(x, memory, causal):
        y = net.layer_norm(x)
        m = y if memory is None else memory
        mixed = net.attention(net.dense(y, width), net.dense(m, width), net.dense(m, width), heads, causal)
        return net.add(x, net.dense(mixed, width))

    def feed_forward(x, function):
        y = net.activation(net.dense(net.layer_norm(x), 4 * width), function)
        return net.add(x, net.dense(y, width))
    first, second = net.input([37, width]), net.input([21, width])
    memory = feed_forward(attend(first, None, False), "gelu")
    x = feed_forward(attend(attend(second, None, True), memory, False), "gelu_tanh")
    net.mean(net.layer_norm(x), [0])
    return net


def lstm():
    """A convolution over time, an LSTM in both directions, a second one, a GRU."""
    net = Net("LSTM", 15)
    x = net.activation(net.conv(net.input([12, 60]), 24, 5, 2), "relu")
    x = net.transpose(x, [1, 0])
    x = net.concat([net.recurrent(x, "lstm", 32), net.recurrent(x, "lstm", 32, reverse=True)], 1)
    x = net.recurrent(x, "lstm", 48)
    x = net.recurrent(x, "gru", 40)
    net.softmax(net.dense(net.slice(x, 0, 20, 30), 17), 1)
    return net


NETS = [mobile_net, res_net, u_net, transformer, lstm]
