"""Nets shaped like those for which least peaks were published: generators for bench/solve_order.py."""
import random

PAGE = 4096


class Net:
    """Tensors and ops of `tinyai solve order`."""

    def __init__(self, name):
        self.name, self.tensors, self.ops, self.inputs = name, [], [], []

    def tensor(self, size):
        self.tensors.append(int(size))
        return len(self.tensors) - 1

    def input(self, size):
        self.inputs.append(self.tensor(size))
        return self.inputs[-1]

    def op(self, ins, size):
        out = self.tensor(size)
        self.ops.append({"ins": list(ins), "outs": [out]})
        return out

    def chain(self, tensor, *sizes):
        for size in sizes:
            tensor = self.op([tensor], size)
        return tensor

    def problem(self):
        read = {tensor for op in self.ops for tensor in op["ins"]}
        outputs = [op["outs"][0] for op in self.ops if op["outs"][0] not in read]
        return {"tensors": self.tensors, "inputs": self.inputs, "outputs": outputs, "ops": self.ops}


def nasnet(repeats=4, filters=44):
    """NASNet-A: cells that read the last two, 3 x `repeats` normal ones and 4 reductions."""
    net = Net(f"nasnet_a_{repeats}x{filters}")

    def cell(before, last, width, side, reduction):
        full = width * side * side
        out = full // 4 if reduction else full

        def separable(tensor):
            return net.chain(tensor, out, out, out, out)

        p, c = net.op([before], full), net.op([last], full)
        if reduction:
            b1 = net.op([separable(c), separable(p)], out)
            b2 = net.op([net.op([c], out), separable(p)], out)
            b3 = net.op([net.op([c], out), separable(p)], out)
            b4 = net.op([net.op([b1], out), b2], out)
            b5 = net.op([separable(b1), net.op([c], out)], out)
            return net.op([b2, b3, b4, b5], 4 * out)
        parts = [p, net.op([separable(c), separable(p)], out), net.op([separable(p), separable(p)], out),
                 net.op([net.op([c], out), p], out), net.op([net.op([p], out), net.op([p], out)], out),
                 net.op([separable(c), c], out)]
        return net.op(parts, 6 * out)

    before = last = net.op([net.input(224 * 224 * 3)], 111 * 111 * 32)
    width, side = filters // 4, 112
    for _ in range(2):
        before, last = last, cell(before, last, width, side, True)
        width, side = 2 * width, side // 2
    for stage in range(3):
        for _ in range(repeats):
            before, last = last, cell(before, last, width, side, False)
        if stage < 2:
            before, last = last, cell(before, last, 2 * width, side, True)
            width, side = 2 * width, side // 2
    net.op([last], 6 * width)
    return net


def watts_strogatz(nodes, near, share, rng):
    neighbours = {node: {(node + step) % nodes for step in range(-near // 2, near // 2 + 1) if step} for node in range(nodes)}
    for step in range(1, near // 2 + 1):
        for node in range(nodes):
            old = (node + step) % nodes
            others = [other for other in range(nodes) if other != node and other not in neighbours[node]]
            if rng.random() < share and old in neighbours[node] and others:
                new = rng.choice(others)
                neighbours[node].discard(old)
                neighbours[old].discard(node)
                neighbours[node].add(new)
                neighbours[new].add(node)
    return {(min(a, b), max(a, b)) for a in neighbours for b in neighbours[a]}


def erdos_renyi(nodes, share, rng):
    return {(a, b) for a in range(nodes) for b in range(a + 1, nodes) if rng.random() < share}


def barabasi_albert(nodes, links, rng):
    edges, ends = set(), list(range(links))
    for node in range(links, nodes):
        targets = set()
        while len(targets) < links:
            targets.add(rng.choice(ends))
        edges |= {(target, node) for target in targets}
        ends += [end for target in sorted(targets) for end in (target, node)]
    return edges


def randwire(kind, seed, nodes=32, stages=3, size=122304):
    """Random wiring: each node sums what it reads, then a separable convolution."""
    rng, net = random.Random(seed), Net(f"randwire_{kind}_{nodes}x{stages}_{seed}")
    tensor = net.input(size)
    for stage in range(stages):
        edges = {"ws": lambda: watts_strogatz(nodes, 4, 0.75, rng), "er": lambda: erdos_renyi(nodes, 0.2, rng),
                 "ba": lambda: barabasi_albert(nodes, 5, rng)}[kind]()
        made = []
        for node in range(nodes):
            ins = [made[a] for a, b in sorted(edges) if b == node] or [tensor]
            read = ins[0] if len(ins) == 1 else net.op(ins, net.tensors[ins[0]])
            made.append(net.chain(read, size >> stage, size >> stage))
        last = [made[node] for node in range(nodes) if all(a != node for a, _ in edges)]
        tensor = net.op(last, size >> stage)
    return net


def darts(cells=20, width=36):
    net, side = Net(f"darts_{cells}"), 32
    before = last = net.op([net.input(side * side * 3)], side * side * 3 * width)
    for index in range(cells):
        reduction = index in (cells // 3, 2 * cells // 3)
        width *= 2 if reduction else 1
        full = side * side * width
        out = full // 4 if reduction else full
        states = [net.op([before], full), net.op([last], full)]
        plan = ["0m1m", "2s1m", "2s0m", "2s1m"] if reduction else ["0c1c", "0c1c", "1c0s", "0s2d"]
        for a, kind_a, b, kind_b in plan:
            def branch(state, kind):
                sizes = {"m": [out], "c": [out] * 4, "d": [out] * 2, "s": []}[kind]
                return net.chain(states[int(state)], *sizes)
            states.append(net.op([branch(a, kind_a), branch(b, kind_b)], out))
        before, last = last, net.op(states[2:], 4 * out)
        side //= 2 if reduction else 1
    net.op([last], 4 * width)
    return net


def inception(blocks=30):
    net, area = Net(f"inception_{blocks}"), 35 * 35
    tensor = net.input(area * 192)
    for _ in range(blocks):
        wide = net.op([tensor], area * 96)
        parts = [net.op([tensor], area * 64), net.chain(tensor, area * 48, area * 64),
                 net.chain(tensor, area * 64, area * 96, area * 96), net.chain(tensor, net.tensors[tensor], area * 32),
                 net.op([wide], area * 48), net.op([wide], area * 48)]
        tensor = net.op(parts, area * 352)
    return net


def unet_plus(depth=9):
    """UNet++: every level is joined with all earlier ones of its resolution."""
    net, nodes = Net(f"unet_plus_{depth}"), {}
    image = net.input(256 * 256 * 3)
    for column in range(depth):
        for level in range(depth - column):
            size = (256 * 256 * 16) >> level
            if column:
                ins = [nodes[level, k] for k in range(column)] + [net.op([nodes[level + 1, column - 1]], size)]
                read = net.op(ins, size * (column + 1))
            else:
                read = net.op([nodes[level - 1, 0]], size) if level else image
            nodes[level, column] = net.chain(read, size, size)
    return net


def dense_blocks(blocks=(6, 12, 24, 16), growth=32):
    net, side, width = Net("densenet_" + "_".join(map(str, blocks))), 56, 64
    tensor = net.op([net.input(224 * 224 * 3)], side * side * width)
    for layers in blocks:
        made = [tensor]
        for _ in range(layers):
            all_of_them = sum(net.tensors[one] for one in made)
            read = net.op(made, all_of_them)
            made.append(net.chain(read, all_of_them, side * side * 4 * growth, side * side * growth))
        width = (width + layers * growth) // 2
        tensor = net.chain(net.op(made, 2 * side * side * width), side * side * width, side * side * width // 4)
        side //= 2
    return net


def transformer(layers=6, heads=12, width=768, length=128):
    net, rows = Net(f"transformer_{layers}x{heads}"), width * length
    tensor = net.input(rows)
    for _ in range(layers):
        read, parts = net.op([tensor], rows), []
        for _ in range(heads):
            q, k, v = (net.op([read], rows // heads) for _ in range(3))
            weights = net.op([net.op([q, k], length * length)], length * length)
            parts.append(net.op([weights, v], rows // heads))
        tensor = net.op([tensor, net.op([net.op(parts, rows)], rows)], rows)
        read = net.op([tensor], rows)
        product = net.op([net.op([read], 4 * rows), net.op([read], 4 * rows)], 4 * rows)
        tensor = net.op([tensor, net.op([product], rows)], rows)
    return net


def pages(rng):
    return PAGE * rng.randint(1, 16)


def in_tree(ops, reach, seed):
    """`reach`: how far a parent is at most; small makes it deep."""
    rng, net = random.Random(seed), Net(f"intree_{reach}_n{ops}_{seed}")
    parents = [0] + [rng.randrange(max(0, op - reach), op) for op in range(1, ops)]
    ins = [[] for _ in range(ops)]
    for op in range(ops - 1, -1, -1):
        ins[parents[op]].append(net.op(ins[op], pages(rng)))
    return net


def series_parallel(ops, seed):
    rng, net = random.Random(seed), Net(f"seriespar_n{ops}_{seed}")

    def grow(tensor, left):
        if left <= 1:
            return net.op([tensor], pages(rng))
        if rng.random() < 0.5:
            first = rng.randint(1, left - 1)
            return grow(grow(tensor, first), left - first)
        branches = rng.randint(2, 4)
        return net.op([grow(tensor, max(1, (left - 1) // branches)) for _ in range(branches)], pages(rng))

    grow(net.input(pages(rng)), ops)
    return net


def layered(ops, seed):
    rng, net = random.Random(seed), Net(f"layered_n{ops}_{seed}")
    layers = [[net.input(PAGE)]]
    while len(net.ops) < ops:
        last = [tensor for layer in layers[-2:] for tensor in layer]
        width = min(ops - len(net.ops), rng.randint(3, 8))
        layers.append([net.op(rng.sample(last, min(len(last), rng.randint(1, 3))), pages(rng)) for _ in range(width)])
    return net


def network_like():
    yield from (nasnet(), nasnet(6, 64), darts(), darts(14), inception(), unet_plus(), dense_blocks(), transformer())
    for kind in ("ws", "er", "ba"):
        for seed in range(4):
            yield randwire(kind, seed)
            yield randwire(kind, seed + 100, stages=5)
