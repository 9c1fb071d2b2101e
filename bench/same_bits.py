#!/usr/bin/python3
"""Logits do not depend on budget, threads, I/O path or prompt chunk: every combination, bit for bit.

    bench/same_bits.py              # 72 runs of 1b and 72 of the fairy-tale model
    bench/same_bits.py --quick      # one choice changed at a time, from two corners

Compares all logits of every generated token: budgets unlimited, 1/2 and 1/8 of the model and the least
that works; 1 and 2 threads; I/O paths uring, direct and buffered; prompt chunks of 1, 7 and 512.
"""
import argparse
import itertools

from lib import limited, models, results, tinyai

AXES = {"budget": ["unlimited", "1/2", "1/8", "least"], "threads": [1, 2], "io": ["uring", "direct", "buffered"],
        "ub": [1, 7, 512]}
# Prompt length and context per model: 1b reads 0.6 GB for each pass, so its prompt is short.
PROMPTS = {"1b": (9, 512), "tales": (240, 256)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="tales,1b", help="presets or GGUF files, separated by commas")
    parser.add_argument("--type", default="Q4_0", help="of the matrices of a preset")
    parser.add_argument("--tokens", type=int, default=3)
    parser.add_argument("--activations", default="q8", choices=["q8", "f32"])
    parser.add_argument("--quick", action="store_true")
    results.add_common_arguments(parser)
    return parser.parse_args()


def combinations(quick):
    everything = [dict(zip(AXES, values)) for values in itertools.product(*AXES.values())]
    if not quick:
        return everything
    corners = [{axis: values[0] for axis, values in AXES.items()}, {axis: values[-1] for axis, values in AXES.items()}]
    return [one for one in everything
            if any(sum(one[axis] != corner[axis] for axis in AXES) <= 1 for corner in corners)]


def budget_bytes(name, least):
    """`least`: the plan of the least budget with the same flags. Where a share of the model is less than
    that, the share comes on top."""
    if name == "unlimited":
        return None
    floor, share = least["least_budget_bytes"], {"1/2": 2, "1/8": 8}.get(name)
    if not share:
        return floor
    part = least["model_bytes"] // share
    return part if part > floor else floor + part


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.file = results.ResultFile("same_bits", arguments)
        self.checks = results.Checks()

    def run(self, model, name, choice):
        """(digest of all logits, tokens, run) of one combination."""
        length, context = PROMPTS.get(name, (9, 512))
        vocabulary = tinyai.vocabulary(model)
        flags = dict(context=context, threads=choice["threads"], io=choice["io"], ub=choice["ub"],
                     activations=self.arguments.activations)
        memory = budget_bytes(choice["budget"], tinyai.plan(model, memory=1, **flags))
        words = tinyai.generate(model, self.arguments.tokens, tinyai.prompt(length, vocabulary), memory=memory,
                                top_logits=vocabulary, **flags)
        result = limited.run(words, grouped=False, drop=False, timeout=600)
        answer = result.json()
        digest = tinyai.logits_digest(result, vocabulary, self.arguments.tokens)
        self.file.add_run(result, model=name, choice=choice, memory=memory, digest=digest)
        return digest, answer, result

    def check_model(self, name):
        model = models.find(name, self.arguments.type)
        digests, rows = {}, []
        for choice in combinations(self.arguments.quick):
            digest, answer, result = self.run(model, name, choice)
            digests.setdefault(digest, []).append(choice)
            note = "" if digest else result.why()
            rows.append([" ".join(f"{axis} {value}" for axis, value in choice.items()),
                         (answer.get("resident_weight_bytes") or 0) / 1e6, answer.get("io_path", "-"),
                         round(result.wall_s, 2), digest or note])
            print(f"{name}: {rows[-1][0]}: {rows[-1][-1]}", flush=True)
        print()
        results.table(["combination", "resident MB", "path", "s", "digest of the logits"], rows)
        ran = None not in digests
        self.checks.expect(ran and len(digests) == 1, f"{name}: {len(rows)} combinations give {len(digests)} different "
                           f"sets of logits{'' if ran else ', some failed'}, wanted 1")
        self.file.add_row(model=name, combinations=len(rows),
                          digests={str(key): len(value) for key, value in digests.items()})


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    bench = Bench(arguments)
    for name in arguments.models.split(","):
        bench.check_model(name)
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
