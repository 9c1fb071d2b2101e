#!/usr/bin/python3
"""How long `tinyai plan` takes for an 8B model: the whole command, and what is left of it without the opening.

    bench/plan_command.py                         # 8b at 512M, 1G and 2G
    bench/plan_command.py --models 1b --reps 20

CPU seconds of the process, the least of some runs; the opening is that of `tinyai tokenize`, which reads the
same file and its tokenizer. Wanted: the rest <= 0.1 s. `build/release/bench/plan_bench 5 model` times the
planning alone.
"""
import argparse
import os
import subprocess

from lib import models, results, tinyai

WANTED_SECONDS = 0.1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="8b", help="presets or GGUF files, separated by commas")
    parser.add_argument("--memory", default="512M,1G,2G")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--reps", type=int, default=10)
    results.add_common_arguments(parser)
    return parser.parse_args()


def least_seconds(words, reps):
    """CPU time of the process, of user and system, as the kernel counts it."""
    least = float("inf")
    for _ in range(reps):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, words))}: exit {process.returncode}")
        least = min(least, usage.ru_utime + usage.ru_stime)
    return least


def main():
    arguments = parse_arguments()
    file, checks = results.ResultFile("plan_command", arguments), results.Checks()
    rows = []
    for name in arguments.models.split(","):
        model = models.find(name)
        opening = least_seconds([tinyai.program(), "tokenize", "-m", str(model), "-p", "a"], arguments.reps)
        for memory in arguments.memory.split(","):
            words = [tinyai.program(), "plan", "-m", str(model), "--memory", memory, "-c", str(arguments.context)]
            whole = least_seconds(words, arguments.reps)
            rows.append([name, memory, f"{whole:.3f}", f"{opening:.3f}", f"{whole - opening:.3f}"])
            file.add_row(model=name, memory=memory, seconds=whole, opening_seconds=opening)
            checks.expect(whole - opening <= WANTED_SECONDS,
                          f"{name} at {memory}: {whole - opening:.3f} s for planning, wanted <= {WANTED_SECONDS} s")
    results.table(["model", "memory", "plan s", "opening s", "rest s"], rows)
    results.end(file, checks)


if __name__ == "__main__":
    main()
