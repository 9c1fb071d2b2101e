#!/usr/bin/python3
"""Programs whose best schedule depends on what is to be least: a table of their alternatives each.

    bench/objectives.py
    bench/objectives.py --only far

For each program of examples/programs with a cost file: the schedules that no other one beats in everything,
with what each takes and the objectives that pick it. Then each of these objectives is compiled for by itself
and has to come to the figures of its row; at least two rows have to differ.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from lib import results, tinyai

FOLDER = tinyai.ROOT / "examples" / "programs"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="this program")
    results.add_common_arguments(parser)
    return parser.parse_args()


def compile_program(name, schedule, *flags):
    command = [str(tinyai.program()), "compile", str(FOLDER / f"{name}.value"), str(schedule), *flags]
    for kind in ("device", "cost"):
        if (FOLDER / f"{name}.{kind}").exists():
            command += [f"--{kind}", str(FOLDER / f"{name}.{kind}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def chosen_by(name, wishes, objective):
    """The figures of the schedule for one objective."""
    with tempfile.NamedTemporaryFile("w", suffix=".schedule") as schedule:
        schedule.write(f"objective {objective};\n{wishes}")
        schedule.flush()
        one = json.loads(compile_program(name, schedule.name, "--json"))
    return {key: one[key] for key in ("syncs", "fences", "bytes_moved", "makespan_seconds", "peak")}


def main():
    arguments = parse_arguments()
    file = results.ResultFile("objectives", arguments)
    wrong = 0
    for name in sorted(path.stem for path in FOLDER.glob("*.cost")):
        if arguments.only not in (None, name):
            continue
        wishes_path = FOLDER / f"{name}.schedule"
        wishes = wishes_path.read_text() if wishes_path.exists() else ""
        schedule = wishes_path if wishes else pathlib.Path("/dev/null")
        rows = json.loads(compile_program(name, schedule, "--pareto", "--json"))["pareto"]
        print(f"{name}\n{compile_program(name, schedule, '--pareto')}")
        picking = [row for row in rows if row["picked_by"]]
        bad = [] if len(picking) > 1 else ["all objectives pick the same schedule"]
        for row in picking:
            for objective in row["picked_by"]:
                one = chosen_by(name, wishes, objective)
                if any(abs(one[key] - row[key]) > 1e-9 * abs(row[key]) for key in one if key != "peak"):
                    bad.append(f"{objective} comes to {one} instead of its row")
        for text in bad:
            print(f"  {text}: MISSED")
        wrong += bool(bad)
        file.add_row(program=name, rows=[{k: v for k, v in row.items() if k != "schedule"} for row in rows], bad=bad)
    print(f"results in {file.path}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
