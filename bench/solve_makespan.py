#!/usr/bin/python3
"""Makespans of task graphs on 2, 4, 8 and 16 equal processors, against published optima.

    bench/solve_makespan.py                    # the samples, and 200 generated graphs of 50 and of 100 tasks
    bench/solve_makespan.py --stg FOLDER --optima FILE.csv

Every answer is checked by `tinyai solve makespan --check`. Prints per group how many reach the published
optimum (where one is known), how many are proved, and the longest time; and how fast large graphs are
scheduled with --fast.
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from lib import results, task_graphs, tinyai

SHARED = pathlib.Path(os.environ.get("TINYAI_SHARED", tinyai.ROOT.parent / "shared"))
PROCESSORS = (2, 4, 8, 16)
LARGE = 100_000


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stg", type=pathlib.Path, default=SHARED / "data" / "planner", help="folder of .stg files")
    parser.add_argument("--optima", type=pathlib.Path, help="file,processors,optimum (FOLDER/stg_optima.csv)")
    parser.add_argument("--generated", type=int, default=200, help="graphs of each size")
    parser.add_argument("--tasks", default="50,100", help="sizes of generated graphs")
    results.add_common_arguments(parser)
    return parser.parse_args()


def read_optima(path):
    if not path.exists():
        return {}
    with path.open() as lines:
        return {(row["file"], int(row["processors"])): int(row["optimum"]) for row in csv.DictReader(lines)}


class Bench:
    def __init__(self, arguments):
        self.file = results.ResultFile("solve_makespan", arguments)
        self.checks = results.Checks()
        self.folder = tempfile.TemporaryDirectory()
        self.answer = pathlib.Path(self.folder.name) / "answer.json"

    def solve(self, path, processors, *flags):
        """The answer, after it was checked."""
        words = [tinyai.program(), "solve", "makespan", str(path), "--processors", str(processors), "--json"]
        self.answer.write_bytes(subprocess.run([*words, *flags], check=True, capture_output=True).stdout)
        answer = json.loads(self.answer.read_bytes())
        checked = json.loads(subprocess.run([*words, "--check", str(self.answer)], capture_output=True).stdout)
        if checked.get("value") != answer["value"]:
            self.checks.expect(False, f"{path} on {processors}: {checked}")
        return answer

    def group(self, title, files, optima):
        rows, total = [], {"known": 0, "reached": 0, "proved": 0, "all": 0, "seconds": 0.0}
        for processors in PROCESSORS:
            answers = []
            for path in files:
                answer = self.solve(path, processors)
                answer["optimum"] = optima.get((path.name, processors))
                answers.append(answer)
                self.file.content["rows"].append({"file": path.name, "processors": processors, **{
                    key: answer[key] for key in ("value", "lower_bound", "optimal", "seconds", "optimum")}})
                if not answer["optimal"] or answer["optimum"] not in (None, answer["value"]):
                    print(f"{path.name} on {processors}: {answer['value']}, bound {answer['lower_bound']}, "
                          f"published {answer['optimum']}")
            known = [one for one in answers if one["optimum"] is not None]
            reached = sum(one["value"] <= one["optimum"] for one in known)
            proved = sum(one["optimal"] for one in answers)
            seconds = [one["seconds"] for one in answers]
            rows.append([title, processors, len(answers), f"{reached} of {len(known)}" if known else "-", proved,
                         round(statistics.median(seconds), 4), round(max(seconds), 3)])
            for key, value in (("known", len(known)), ("reached", reached), ("proved", proved), ("all", len(answers))):
                total[key] += value
            total["seconds"] = max(total["seconds"], *seconds)
        results.table(["graphs", "processors", "number", "published optimum", "proved", "median s", "longest s"], rows)
        if total["known"]:
            share = total["reached"] / total["known"]
            self.checks.expect(share >= 0.95, f"{title}: {share:.1%} reach the published optimum, wanted 95 %")
        self.checks.expect(total["seconds"] <= 1, f"{title}: {total['proved'] / total['all']:.1%} proved; "
                           f"the longest took {total['seconds']:.3f} s, wanted <= 1 s")
        self.file.write()

    def generated(self, tasks, count):
        files = []
        for seed in range(count):
            files.append(pathlib.Path(self.folder.name) / f"like{tasks}_{seed}.stg")
            files[-1].write_text(task_graphs.graph(seed, tasks)[0])
        self.group(f"generated, {tasks} tasks", files, {})

    def large(self):
        """Local precedences, so that the file is made in a moment."""
        rng = task_graphs.random.Random(1)
        path = pathlib.Path(self.folder.name) / "large.stg"
        lines = [str(LARGE)]
        for task in range(LARGE):
            before = sorted({rng.randint(max(0, task - 200), task - 1) for _ in range(2)}) if task else []
            lines.append(" ".join(map(str, [task, rng.randint(1, 20), len(before), *before])))
        path.write_text("\n".join(lines))
        answer = self.solve(path, 8, "--fast")
        print(f"\n{LARGE} tasks on 8 with --fast: {answer['value']}, bound {answer['lower_bound']}, "
              f"{LARGE / answer['seconds'] / 1e6:.2f} M tasks/s")


def main():
    arguments = parse_arguments()
    bench = Bench(arguments)
    optima = read_optima(arguments.optima or arguments.stg / "stg_optima.csv")
    files = sorted(arguments.stg.glob("*.stg"))
    if files:
        bench.group(arguments.stg.name, files, optima)
    for tasks in map(int, arguments.tasks.split(",")):
        if arguments.generated:
            bench.generated(tasks, arguments.generated)
    bench.large()
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
