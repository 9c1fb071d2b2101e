#!/usr/bin/python3
"""Orders of least peak memory: samples against their certified values, and nets like those of papers.

    bench/solve_order.py                    # the samples and generated nets
    bench/solve_order.py --files FOLDER     # order_*.json there; "optimal_peak" in a file is compared

Every answer is checked by `tinyai solve order --check`. Prints value, bound, file order and seconds of
each, and how fast a net of 10^5 ops is ordered with --fast.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

from lib import order_nets, results, tinyai

SHARED = pathlib.Path(os.environ.get("TINYAI_SHARED", tinyai.ROOT.parent / "shared"))
# Certified, or (lower, upper) published.
KNOWN = {"swiftnet_cellA": 275968, "nasnet_a_normal_28c44": 448448, "intree_deep_n300": 241664,
         "randwire_ws16_4_75_s0_h56c39": 1223040, "seriespar_n50_s0": 282624, "layered_n50_s0": (475136, 503808)}
LARGE = 100_000


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=pathlib.Path, default=SHARED / "data" / "planner", help="folder of order_*.json")
    results.add_common_arguments(parser)
    return parser.parse_args()


class Bench:
    def __init__(self, arguments):
        self.file = results.ResultFile("solve_order", arguments)
        self.checks = results.Checks()
        self.folder = tempfile.TemporaryDirectory()

    def solve(self, path, *flags):
        """The answer, after it was checked."""
        words = [tinyai.program(), "solve", "order", str(path), "--json"]
        answer_path = pathlib.Path(self.folder.name) / "answer.json"
        answer_path.write_bytes(subprocess.run([*words, *flags], check=True, capture_output=True).stdout)
        answer = json.loads(answer_path.read_bytes())
        checked = json.loads(subprocess.run([*words, "--check", str(answer_path)], capture_output=True).stdout)
        if checked.get("value") != answer["value"]:
            self.checks.expect(False, f"{path}: {checked}")
        return answer

    def generated(self, net):
        path = pathlib.Path(self.folder.name) / f"{net.name}.json"
        path.write_text(json.dumps(net.problem()))
        return path

    def group(self, title, files, wanted_seconds=None):
        rows, proved, longest, known_right = [], 0, 0.0, True
        for path, known in files:
            answer = self.solve(path)
            ops = len(answer["solution"])
            low, high = known if isinstance(known, tuple) else (known, known)
            right = known is None or low <= answer["value"] <= high
            known_right &= right and (answer["file_order"] is None or answer["value"] <= answer["file_order"])
            proved += answer["optimal"]
            longest = max(longest, answer["seconds"])
            rows.append([path.stem.removeprefix("order_"), ops, answer["value"], answer["lower_bound"],
                         "proved" if answer["optimal"] else "", str(known) if known else "-", answer["file_order"],
                         round(answer["seconds"], 4)])
            self.file.add_row(group=title, net=path.stem, ops=ops, known=known, **{
                key: answer[key] for key in ("value", "lower_bound", "optimal", "file_order", "seconds", "states")})
        print(f"\n{title}")
        results.table(["net", "ops", "peak", "bound", "", "published", "file order", "s"], rows)
        self.checks.expect(known_right, f"{title}: published values reached, never worse than the file's order")
        if wanted_seconds:
            self.checks.expect(proved == len(rows) and longest <= wanted_seconds, f"{title}: {proved} of {len(rows)} "
                               f"proved, the longest took {longest:.3f} s, wanted all and <= {wanted_seconds} s")
        else:
            print(f"{proved} of {len(rows)} proved, the longest took {longest:.3f} s")

    def large(self):
        """Local precedences, a join every 50 ops."""
        rng, net = random.Random(5), order_nets.Net("large")
        last = [net.input(100)]
        for index in range(LARGE):
            last.append(net.op(rng.sample(last[-8:], min(len(last[-8:]), rng.randint(1, 3))), rng.randint(1, 1000)))
            if index % 50 == 49:
                last = [net.op(last[-8:], 500)]
        answer = self.solve(self.generated(net), "--fast")
        rate = len(net.ops) / answer["seconds"] / 1e6
        print(f"\n{len(net.ops)} ops with --fast: {answer['value']}, bound {answer['lower_bound']}, file order "
              f"{answer['file_order']}, {rate:.2f} M ops/s")
        self.file.add_row(group="large", ops=len(net.ops), seconds=answer["seconds"], value=answer["value"])
        self.checks.expect(rate >= 1, f"{rate:.2f} M ops/s with --fast, wanted >= 1")


def known_of(path):
    name = path.stem.removeprefix("order_")
    if name in KNOWN:
        return KNOWN[name]
    problem = json.loads(path.read_text())
    return next((value for key, value in problem.items() if re.search("optim|certified", key)
                 and isinstance(value, int) and not isinstance(value, bool)), None)


def main():
    arguments = parse_arguments()
    bench = Bench(arguments)
    files = [(path, known_of(path)) for path in sorted(arguments.files.glob("order_*.json"))]
    if files:
        bench.group(str(arguments.files.name), files)
    bench.group("networks", [(bench.generated(net), None) for net in order_nets.network_like()], 1)
    bench.group("in-trees of 3000 ops", [(bench.generated(order_nets.in_tree(3000, reach, seed)), None)
                                         for reach in (3, 30, 3000) for seed in range(2)], 1)
    bench.group("layered nets", [(bench.generated(order_nets.layered(ops, seed)), None)
                                 for ops in (50, 100, 200) for seed in range(4)])
    bench.group("series-parallel nets", [(bench.generated(order_nets.series_parallel(ops, seed)), None)
                                         for ops in (50, 100, 200, 400) for seed in range(4)])
    bench.large()
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
