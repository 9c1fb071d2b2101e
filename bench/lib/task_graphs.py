"""Random task graphs like those of the Standard Task Graph Set (Tobita and Kasahara 2002), in its format."""
import random

PRECEDENCES = ("sameprob", "samepred", "layrprob", "layrpred")
TIMES = ("constant", "uniform", "exponential", "normal", "bimodal")


def processing_time(rng, kind, mean):
    draw = {"constant": lambda: mean, "uniform": lambda: rng.randint(1, 2 * mean),
            "exponential": lambda: rng.expovariate(1 / mean), "normal": lambda: rng.gauss(mean, mean / 3),
            "bimodal": lambda: rng.gauss(mean * rng.choice((0.5, 0.5, 0.5, 2.5)), mean / 6)}[kind]
    return max(1, round(draw()))


def layers(rng, tasks, width):
    """The layer of each task, rising; about `width` tasks in each."""
    out, layer = [], 0
    while len(out) < tasks:
        out += [layer] * rng.randint(1, 2 * width - 1)
        layer += 1
    return out[:tasks]


def precedences(rng, kind, tasks, degree, width):
    """Per task the earlier ones it waits for, about `degree`: each pair with the same probability, or about
    the same number for each task; of all earlier tasks, or of those in earlier layers."""
    layer = layers(rng, tasks, width) if kind.startswith("layr") else list(range(tasks))
    out = []
    pairs = sum(layer.index(layer[task]) for task in range(tasks))
    for task in range(tasks):
        earlier = range(layer.index(layer[task]))
        if kind.endswith("prob"):
            share = min(1.0, degree * tasks / max(pairs, 1))
            out.append([one for one in earlier if rng.random() < share])
        else:
            count = min(len(earlier), rng.randint(max(0, degree - 2), degree + 2))
            out.append(sorted(rng.sample(earlier, count)))
    return out


def graph(seed, tasks):
    """(text of the file, name of its kind); equal for equal arguments."""
    rng = random.Random(f"{seed} {tasks}")
    kind, times = PRECEDENCES[seed % 4], TIMES[seed // 4 % 5]
    degree, width, mean = rng.choice((1, 2, 3, 5, 8)), rng.choice((3, 5, 8, 12, 20)), rng.choice((5, 10, 20))
    before = precedences(rng, kind, tasks, degree, width)
    waited_for = {one for ones in before for one in ones}
    lines = [f"{tasks}", "0 0 0"]
    for task in range(tasks):
        ones = [one + 1 for one in before[task]] or [0]
        lines.append(" ".join(map(str, [task + 1, processing_time(rng, times, mean), len(ones), *ones])))
    ends = [task + 1 for task in range(tasks) if task not in waited_for]
    lines.append(" ".join(map(str, [tasks + 1, 0, len(ends), *ends])))
    lines.append(f"# {kind}, {times}: degree {degree}, width {width}, mean time {mean}, seed {seed}")
    return "\n".join(lines) + "\n", f"{kind} {times}"
