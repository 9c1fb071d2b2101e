"""Buffers with lifetimes shaped like those of programs: generators for bench/solve_offsets.py.

Each takes the wanted number of buffers and a random.Random and returns about so many (begin, end, bytes).
"""

ALIGNMENT = 64


def aligned(size):
    return max(1, -(-int(size) // ALIGNMENT)) * ALIGNMENT


def log_uniform(rng, low, high):
    return low * (high / low) ** rng.random()


def call_stack(count, rng):
    """Frames of a deep recursion, each with a few locals: lifetimes are nested."""
    out, clock, stack = [], 0, []
    while len(out) < count:
        clock += 1
        if stack and (len(stack) > 60 or rng.random() < 0.48):
            begin, sizes = stack.pop()
            out += [(begin, clock, size) for size in sizes]
        else:
            stack.append((clock, [aligned(log_uniform(rng, 16, 1 << 20)) for _ in range(rng.randint(1, 3))]))
    out += [(begin, clock + 1, size) for begin, sizes in stack for size in sizes]
    return out[:count]


def decoder_layers(count, rng):
    """Equal blocks of a decoder: a residual stream, temporaries of a block, a cache that stays."""
    out, clock, width = [], 0, 4096
    per_block = 14
    blocks = count // per_block
    while len(out) + per_block <= count:
        rows = rng.choice((1, 1, 1, 8, 32))
        start = clock
        qkv, scores, gate = rows * width * 4, rows * rng.randint(1, 128) * 256, rows * 11008 * 4
        out.append((start, start + 13, qkv))  # the residual
        out.append((start + 1, start + 5, qkv))  # its norm
        out += [(start + 2, start + 6, qkv), (start + 3, start + 6, qkv // 4), (start + 4, start + 7, qkv // 4)]
        out += [(start + 5, start + 7, scores), (start + 6, start + 8, scores), (start + 7, start + 9, qkv)]
        out += [(start + 8, start + 10, qkv), (start + 9, start + 12, qkv)]
        out += [(start + 10, start + 13, gate), (start + 11, start + 13, gate), (start + 12, start + 15, qkv)]
        if rng.random() < 0.02:  # a page of the cache, until a sequence ends
            out.append((start + 4, start + 4 + rng.randint(13, 13 * max(2, blocks // 2)), 16 * width))
        clock += 13
    return out


def convolutions(count, rng):
    """Stages of a pyramid, again and again: large and few, small and many, with skips and concatenations."""
    out, clock = [], 0
    while len(out) < count:
        side, width = 112, rng.choice((16, 24, 32, 40))
        skips = []
        for _ in range(4):
            for _ in range(rng.randint(2, 8)):
                base = side * side * width * 4
                for branch in range(rng.randint(1, 4)):
                    size = aligned(base * rng.choice((0.25, 0.5, 1, 1, 1.5)))
                    out.append((clock, clock + rng.choice((2, 2, 2, 3, 4, 6, 9)), size))
                    clock += 1
                if rng.random() < 0.3:
                    out.append((clock, clock + 1, aligned(base * 9 * rng.random())))  # workspace
            skips.append((clock, aligned(side * side * width * 4)))
            side, width = side // 2, width * 2
        for begin, size in reversed(skips):  # read again on the way up
            clock += rng.randint(2, 5)
            out.append((begin, clock, size))
    return out[:count]


def training(count, rng):
    """Activations of a forward pass live until their mirror in the backward pass; several steps."""
    out, clock = [], 0
    steps = max(1, count // 3000)
    layers = count // steps // 4
    width = [aligned(log_uniform(rng, 1 << 10, 1 << 20)) for _ in range(layers)]
    for _ in range(steps):
        end = clock + 4 * layers
        for layer in range(layers):
            at, back = clock + 2 * layer, end - 2 * layer
            if rng.random() < 0.9:
                out.append((at, back, width[layer]))
            else:
                out.append((at, back - 1, width[layer] // 8 or 1))  # a mask
            out.append((at + 1, at + 3, aligned(width[layer] * rng.choice((1, 2, 4)))))
            out.append((back - 2, back + 1, width[layer]))  # gradients
            out.append((back - 1, back + rng.choice((1, 1, 1, 60)), aligned(width[layer] * rng.random())))
        clock = end
    return out


def mixed(count, rng, size):
    """Most live briefly, some long, a few for ever."""
    out = []
    for index in range(count):
        kind = rng.random()
        if kind < 0.8:
            life = 1 + int(rng.expovariate(1 / 12))
        elif kind < 0.99:
            life = int(log_uniform(rng, 12, 2000))
        else:
            life = int(log_uniform(rng, 2000, count))
        out.append((index, index + life, size()))
    return out


def mixed_sizes(count, rng):
    return mixed(count, rng, lambda: aligned(log_uniform(rng, 64, 1 << 20)))


def odd_sizes(count, rng):
    return mixed(count, rng, lambda: rng.randint(1, 1_000_000))


def powers_of_two(count, rng):
    return mixed(count, rng, lambda: 1 << rng.randint(6, 20))


def classes(count, rng):
    """A few sizes, as tensors of one model have."""
    sizes = [aligned(log_uniform(rng, 1 << 10, 1 << 22)) for _ in range(12)]
    return mixed(count, rng, lambda: rng.choice(sizes))


def random_lifetimes(count, rng):
    """Any begin, any length up to a hundredth of the time."""
    out = []
    for _ in range(count):
        begin = rng.randrange(count)
        out.append((begin, begin + rng.randint(1, count // 100), aligned(log_uniform(rng, 64, 1 << 20))))
    return out


def few_alive(count, rng):
    """A dozen at a time, of arbitrary sizes."""
    return [(i, i + rng.randint(1, 24), rng.randint(1 << 10, 1 << 20)) for i in range(count)]


def bursts(count, rng):
    """Phases with a working set that is freed at the end of each, over a base that stays."""
    out, clock = [], 0
    while len(out) < count:
        length = rng.randint(20, 400)
        for i in range(length):
            end = clock + length if rng.random() < 0.3 else clock + i + rng.randint(1, 10)
            out.append((clock + i, min(end, clock + length), aligned(log_uniform(rng, 256, 1 << 18))))
        if rng.random() < 0.1:
            out.append((clock, clock + rng.randint(1, 40) * 200, aligned(log_uniform(rng, 1 << 16, 1 << 20))))
        clock += length
    return out[:count]


SHAPES = (call_stack, decoder_layers, convolutions, training, mixed_sizes, odd_sizes, powers_of_two, classes,
          random_lifetimes, few_alive, bursts)
