#!/usr/bin/python3
"""Fewest syncs and fences between queues, against certified values, and the time it takes.

    bench/solve_syncs.py                       # the samples, random nets, large nets
    bench/solve_syncs.py --nets FILE.json      # other nets, with min_syncs and min_fences where they are known

Random nets are made as the samples are: each pair of ops has an edge with the same probability. Every
answer is checked by `tinyai solve syncs --check`. Prints per group how many are proved, how many reach the
certified values, and the longest time for one net; then how fast large nets with given orders are reduced.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile

from lib import results, tinyai

SHARED = pathlib.Path(os.environ.get("TINYAI_SHARED", tinyai.ROOT.parent / "shared"))
SIZES = (8, 12, 16, 20, 30, 60)
PROBABILITIES = (0.12, 0.25, 0.4)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=pathlib.Path, default=SHARED / "data" / "planner" / "syncs_18.json")
    parser.add_argument("--generated", type=int, default=10, help="nets of each size, probability and number of places")
    results.add_common_arguments(parser)
    return parser.parse_args()


def random_net(rng, ops, places, probability):
    return {"dev": [rng.randrange(places) for _ in range(ops)],
            "edges": [[a, b] for b in range(ops) for a in range(b) if rng.random() < probability]}


class Bench:
    def __init__(self, arguments):
        self.file = results.ResultFile("solve_syncs", arguments)
        self.checks = results.Checks()
        self.folder = tempfile.TemporaryDirectory()
        self.problem = pathlib.Path(self.folder.name) / "nets.json"
        self.answer = pathlib.Path(self.folder.name) / "answer.json"
        self.rows = []

    def solve(self, net):
        self.problem.write_text(json.dumps([net]))
        words = [tinyai.program(), "solve", "syncs", str(self.problem), "--json"]
        self.answer.write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
        answer = json.loads(self.answer.read_bytes())
        result = answer["results"][0]
        checked = json.loads(subprocess.run([*words, "--check", str(self.answer)], capture_output=True).stdout)
        if (checked.get("value"), checked.get("fences")) != (result["syncs"], result["fences"]):
            self.checks.expect(False, f"refused: {checked}")
        return result, answer["seconds"]

    def group(self, title, nets):
        """Solves all; the certified values are in the nets where there are any."""
        answers = [self.solve(net) for net in nets]
        known = reached = 0
        for net, (result, _) in zip(nets, answers):
            if "min_syncs" in net:
                known += 1
                reached += (result["syncs"], result["fences"]) == (net["min_syncs"], net["min_fences"])
        proved = sum(result["optimal"] and result["fences_optimal"] for result, _ in answers)
        seconds = [time for _, time in answers]
        crossing = sum(net["dev"][a] != net["dev"][b] for net in nets for a, b in net["edges"])
        self.rows.append([title, len(nets), crossing, sum(result["syncs"] for result, _ in answers),
                          sum(result["fences"] for result, _ in answers), proved,
                          f"{reached} of {known}" if known else "-", statistics.median(seconds) * 1e3,
                          max(seconds) * 1e3])
        self.file.add_row(group=title, results=[
            {"seconds": time, **{key: result[key] for key in (
                "syncs", "fences", "lower_bound", "fence_lower_bound")}} for result, time in answers])
        self.checks.expect(reached == known and (proved == len(nets) or max(map(
            lambda net: len(net["dev"]), nets)) > 20) and max(seconds) <= 10,
            f"{title}: {proved} of {len(nets)} proved, longest {max(seconds):.3f} s (up to 20 ops all, wanted <= 10 s)")

    def generated(self, count):
        for places in (2, 3, 4):
            for ops in SIZES:
                rng = random.Random(ops * 10 + places)
                self.group(f"{ops} ops, {places} places", [
                    random_net(rng, ops, places, probability) for probability in PROBABILITIES for _ in range(count)])

    def large(self):
        program = tinyai.program().parent / "bench" / "syncs_bench"
        if not program.exists():
            print(f"no {program}: large nets are left out")
            return
        output = subprocess.run([program, "--benchmark_format=json"], check=True, capture_output=True).stdout
        runs = json.loads(output)["benchmarks"]
        results.table(["large nets", "ms", "M ops/s", "syncs", "syncs per crossing edge"], [
            [run["name"], run["real_time"], run["ops/s"] / 1e6, int(run["syncs"]), run["per_crossing"]]
            for run in runs])
        self.file.add_row(group="large", results=runs)
        first = runs[0]
        self.checks.expect(first["real_time"] <= 500, f"{first['name']}: {first['real_time']:.0f} ms, wanted <= 500 ms")


def main():
    arguments = parse_arguments()
    bench = Bench(arguments)
    if arguments.nets.exists():
        bench.group(arguments.nets.name, json.loads(arguments.nets.read_text()))
    if arguments.generated:
        bench.generated(arguments.generated)
    results.table(["nets", "number", "crossing edges", "syncs", "fences", "proved", "certified value", "median ms",
                   "longest ms"], bench.rows)
    bench.large()
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
