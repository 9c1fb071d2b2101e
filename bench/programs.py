#!/usr/bin/python3
"""Programs of a real kind, on the CPU only and as their schedules place them: results, counts, time.

    bench/programs.py                  # all of examples/programs, places of the GPU on Vulkan
    bench/programs.py --gpu none       # on threads instead
    bench/programs.py --only image

Each program runs without a schedule and with its own, `--repeat` times in turns; the results have to agree
(whole numbers exactly, floats to 1e-4 of their size, since a GPU sums up in another order). Prints fences
and syncs with their proved minimum, of loops over several places those of an iteration too, and the median
time of each. Ends with 1 if results differ or a count around the loops is above its minimum.
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from lib import results, tinyai

FOLDER = tinyai.ROOT / "examples" / "programs"
# What each reads: how many numbers, from where to where; None: one, 0: a whole one.
INPUTS = {
    "matmul": [(256 * 256, -1, 1)] * 2,
    "reduction": [(65536, 0, 1)],
    "map_reduce": [(65536, -4, 4)],
    "bisection": [(None, 2, 3)],
    "image": [(256 * 256, 0, 255)],
    "mlp": [(32 * 64, -1, 1), (64 * 256, -1, 1), (256 * 10, -1, 1)],
    "power": [(128 * 128, 0, 1), (128, 0, 1)],
    "darts": [(0, 1, 1000)],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", default="", help="as for tinyai compile --gpu")
    parser.add_argument("--only", help="this program")
    parser.add_argument("--repeat", type=int, default=3)
    results.add_common_arguments(parser)
    return parser.parse_args()


def input_of(name, rng):
    parts = []
    for count, least, most in INPUTS[name]:
        numbers = [f"{rng.uniform(least, most):.{0 if count == 0 else 4}f}" for _ in range(count or 1)]
        parts.append("[" + " ".join(numbers) + "]" if count else numbers[0])
    return "\n".join(parts)


def run(program, schedule, values, gpu):
    command = [str(tinyai.program()), "compile", str(program)] + ([str(schedule)] if schedule else [])
    command += ["--run", "--json", "--input", str(values)] + (["--gpu", gpu] if gpu else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def agree(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(agree(x, y) for x, y in zip(a, b))
    if isinstance(a, float) or isinstance(b, float):
        return abs(a - b) <= 1e-4 * max(1.0, abs(a))
    return a == b


def of_loops(row):
    """Syncs of an iteration with the least that there can be: "i 2 of 2"."""
    return ", ".join(f"{one['name']} {one['syncs'] / one['window']:.3g} of {one['lower_bound'] / one['window']:.3g}"
                     for one in row["loops"])


def main():
    arguments = parse_arguments()
    rng = random.Random(1)
    file = results.ResultFile("programs", arguments)
    wrong = 0
    print(f"{'program':12} {'syncs':>5} {'least':>5} {'fences':>6} {'CPU only':>10} {'as placed':>10}  results  in loops")
    for name in INPUTS:
        if arguments.only not in (None, name):
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as values:
            values.write(input_of(name, rng))
            values.flush()
            program, schedule = FOLDER / f"{name}.value", FOLDER / f"{name}.schedule"
            alone, placed = [], []
            for _ in range(arguments.repeat):
                alone.append(run(program, None, values.name, "none"))
                placed.append(run(program, schedule, values.name, arguments.gpu))
        same = all(agree([o["value"] for o in alone[0]["outputs"]], [o["value"] for o in one["outputs"]])
                   for one in alone + placed)
        least = placed[0]["syncs"] == placed[0]["lower_bound"]
        wrong += not same or not least
        row = {"program": name, "syncs": placed[0]["syncs"], "lower_bound": placed[0]["lower_bound"],
               "fences": placed[0]["fences"], "loops": placed[0]["loops"], "agree": same,
               "cpu_seconds": statistics.median(one["seconds"] for one in alone),
               "placed_seconds": statistics.median(one["seconds"] for one in placed)}
        file.add_row(**row)
        print(f"{name:12} {row['syncs']:5} {row['lower_bound']:5} {row['fences']:6} "
              f"{row['cpu_seconds'] * 1e3:7.2f} ms {row['placed_seconds'] * 1e3:7.2f} ms  "
              f"{'agree' if same else 'DIFFER':7}  {of_loops(row)}")
    print(f"results in {file.path}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
