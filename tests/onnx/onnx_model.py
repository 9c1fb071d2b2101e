"""Writes ONNX models: just enough of the format's protobuf messages for graphs of float tensors.

Field numbers are those of onnx.proto3 (ONNX 1.16, IR version 8)."""
import array
import struct

FLOAT, INT64 = 1, 7


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """An integer, a float, a string or the bytes of a message or string."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    out = field(1, name)
    if isinstance(value, float):
        return out + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return out + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return out + field(4, value) + field(20, 3)
    return out + b"".join(field(8, item) for item in value) + field(20, 7)


def tensor(name, shape, values):
    """`values`: an array of floats, or a list of integers."""
    is_float = isinstance(values, array.array)
    raw = values.tobytes() if is_float else struct.pack(f"<{len(values)}q", *values)
    return (b"".join(field(1, size) for size in shape) + field(2, FLOAT if is_float else INT64) + field(8, name)
            + field(9, raw))


def value_info(name, shape, kind=FLOAT):
    """An axis that is a text has this name and no size."""
    dims = b"".join(field(1, field(2 if isinstance(size, str) else 1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


class Model:
    """A graph under construction; bytes() is the file."""

    def __init__(self, opset=17):
        self.opset = opset
        self.nodes, self.tensors, self.inputs, self.outputs = [], [], [], []
        self.count = 0

    def input(self, name, shape, kind=FLOAT):
        self.inputs.append(value_info(name, shape, kind))
        return name

    def weight(self, shape, values, name=None):
        self.count += 1
        name = name or f"w{self.count}"
        self.tensors.append(tensor(name, shape, values))
        return name

    def op(self, kind, inputs, outputs=1, **attributes):
        """Name of the result, or a list of names where there are several."""
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        node = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in names)
        node += field(3, f"n{self.count}") + field(4, kind)
        node += b"".join(field(5, attribute(*item)) for item in attributes.items())
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def output(self, name):
        """A result, whatever its shape."""
        self.outputs.append(field(1, name) + field(2, field(1, field(1, FLOAT))))

    def bytes(self):
        graph = b"".join(field(1, node) for node in self.nodes) + field(2, "graph")
        graph += b"".join(field(5, item) for item in self.tensors)
        graph += b"".join(field(11, item) for item in self.inputs)
        graph += b"".join(field(12, item) for item in self.outputs)
        return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, self.opset))
