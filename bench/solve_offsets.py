#!/usr/bin/python3
"""Offsets of buffers: hard instances into their capacity, and large generated ones against the load bound.

    bench/solve_offsets.py                    # the samples and generated lifetimes of 10^4 to 10^5 buffers
    bench/solve_offsets.py --files FOLDER     # NAME.CAPACITY.csv there, such as MiniMalloc's instances
    bench/solve_offsets.py --sizes 10000 --seeds 3

Every answer is checked by `tinyai solve offsets --check`. Prints height, bound (the most bytes alive at a
time, or what was proved), their ratio and seconds of each, and for generated ones those of --fast.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile

from lib import lifetimes, results, tinyai

SHARED = pathlib.Path(os.environ.get("TINYAI_SHARED", tinyai.ROOT.parent / "shared"))
MOST_RATIO, MOST_SECONDS = 1.01, 10


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=pathlib.Path, default=SHARED / "data" / "planner",
                        help="folder of NAME.CAPACITY.csv")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 30_000, 100_000], help="buffers of each shape")
    parser.add_argument("--seeds", type=int, default=1, help="problems of each shape and size")
    results.add_common_arguments(parser)
    return parser.parse_args()


class Bench:
    def __init__(self, arguments):
        self.file = results.ResultFile("solve_offsets", arguments)
        self.checks = results.Checks()
        self.folder = tempfile.TemporaryDirectory()

    def solve(self, path, *flags):
        """The answer, after it was checked. The exit code is 4 where a capacity was not reached."""
        words = [tinyai.program(), "solve", "offsets", str(path), "--json"]
        answer_path = pathlib.Path(self.folder.name) / "answer.json"
        with open(answer_path, "wb") as out:
            subprocess.run([*words, *flags], stdout=out, stderr=subprocess.DEVNULL)
        answer = json.loads(answer_path.read_bytes())
        checked = json.loads(subprocess.run([*words, "--check", str(answer_path)], capture_output=True).stdout)
        if checked.get("value") != answer["value"]:
            self.checks.expect(False, f"{path}: {checked}")
        answer["ratio"] = answer["value"] / max(1, answer["lower_bound"])
        return answer

    def add(self, group, name, answer, **facts):
        self.file.add_row(group=group, name=name, **facts,
                          **{key: answer[key] for key in ("value", "lower_bound", "ratio", "optimal", "seconds")})

    def instances(self, folder):
        """Instances with a capacity that is known to suffice; then the lowest height found without it."""
        paths = [path for path in sorted(folder.glob("*.csv")) if path.suffixes[0][1:].isdigit()]
        if not paths:
            return
        rows, fitted, longest = [], 0, 0.0
        for path in paths:
            name, capacity = path.stem.split(".")
            within, free = self.solve(path, "--capacity", capacity), self.solve(path)
            fitted += within["value"] <= int(capacity)
            longest = max(longest, within["seconds"])
            rows.append([name, int(capacity), within["value"], round(within["seconds"], 3), free["value"],
                         free["lower_bound"], f"{free['ratio']:.4f}", "proved" if free["optimal"] else "",
                         round(free["seconds"], 3)])
            self.add("capacity", name, within, capacity=int(capacity))
            self.add("lowest", name, free)
        print(f"\n{folder.name}")
        results.table(["instance", "capacity", "height", "s", "lowest", "bound", "ratio", "", "s"], rows)
        self.checks.expect(fitted == len(rows) and longest <= MOST_SECONDS,
                           f"{fitted} of {len(rows)} fit into their capacity, the longest took {longest:.2f} s, "
                           f"wanted all and <= {MOST_SECONDS} s")

    def generated(self, sizes, seeds):
        for size in sizes:
            rows = []
            for shape in lifetimes.SHAPES:
                for seed in range(seeds):
                    path = pathlib.Path(self.folder.name) / "lifetimes.csv"
                    buffers = shape(size, random.Random(size + seed))
                    path.write_text("id,lower,upper,size\n" + "".join(
                        f"{index},{begin},{end},{width}\n" for index, (begin, end, width) in enumerate(buffers)))
                    fast, best = self.solve(path, "--fast"), self.solve(path)
                    self.add("fast", shape.__name__, fast, buffers=len(buffers), seed=seed)
                    self.add("generated", shape.__name__, best, buffers=len(buffers), seed=seed)
                    rows.append([shape.__name__, len(buffers), best["value"], best["lower_bound"],
                                 f"{best['ratio']:.4f}", round(best["seconds"], 3), f"{fast['ratio']:.4f}",
                                 round(fast["seconds"], 3)])
            print(f"\ngenerated, {size} buffers")
            results.table(["shape", "buffers", "height", "bound", "ratio", "s", "--fast", "s"], rows)
            near = sum(float(row[4]) <= MOST_RATIO and row[5] <= MOST_SECONDS for row in rows)
            self.checks.expect(near == len(rows), f"{size} buffers: {near} of {len(rows)} within {MOST_RATIO} of the "
                               f"bound in <= {MOST_SECONDS} s, wanted all")


def main():
    arguments = parse_arguments()
    bench = Bench(arguments)
    bench.instances(arguments.files)
    bench.generated(arguments.sizes, arguments.seeds)
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
