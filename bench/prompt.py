#!/usr/bin/python3
"""A long prompt in a small budget: each streamed slice serves a whole chunk, so it should cost little.

    bench/prompt.py                                  # 512 tokens, 8b Q4_0 at 3G, disk at 1 GB/s
    bench/prompt.py --model 1b --budgets 400M,256M

Wanted: at least 0.8 x the speed of the same prompt with everything in memory, measured in the same run,
in turns. Each run under a limit has a control group of exactly its budget.
"""
import argparse
import os
import tempfile

from lib import disk, group, limited, models, results, tinyai

WANTED = 0.80


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="8b", help="8b, 1b, or a GGUF file")
    parser.add_argument("--type", default="Q4_0", help="of the matrices of a preset")
    parser.add_argument("--budgets", default="3G", help="separated by commas")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--disk-mbps", type=float, default=1000, help="0: not throttled (1000)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--reps", type=int, default=3)
    results.add_common_arguments(parser)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    group.require()
    model = models.find(arguments.model, arguments.type)
    file, checks = results.ResultFile("prompt", arguments), results.Checks()
    budgets = {None: []} | {tinyai.parse_size(text): [] for text in arguments.budgets.split(",")}
    with tempfile.TemporaryDirectory() as cache:
        env = {"XDG_CACHE_HOME": cache}
        rates = disk.best_rates(model, arguments.disk_mbps, env)
        print("disk, MB/s: " + ", ".join(f"{name} {rate / 1e6:.0f}" for name, rate in rates.items()))
        for _ in range(arguments.reps):
            for budget, found in budgets.items():
                words = tinyai.bench(model, prompt=arguments.prompt, context=arguments.prompt + 1,
                                     threads=arguments.threads, memory=budget)
                result = limited.run(words, memory=budget or 0, files=[model], env=env, timeout=900,
                                     disk_mbps=arguments.disk_mbps if budget else 0, drop=budget is not None)
                file.add_run(result, budget=budget)
                found.append((result, tinyai.bench_row(result.json(), "pp")))
    rows = []
    for budget, found in budgets.items():
        name = tinyai.size_text(budget) if budget else "all in memory"
        rows.append([name, results.median([row.get("tokens_per_second") for _, row in found]),
                     results.median([row.get("read_bytes_per_token", 0) * arguments.prompt / 1e6 for _, row in found]),
                     results.median([100 * row.get("stall_share", 0) for _, row in found])])
        rows[-1].append(results.ratio(rows[-1][1], rows[0][1]))
        disturbed = any(result.disturbed for result, _ in found)
        failed = [result.why() for result, _ in found if not result.ok]
        checks.expect(not failed, f"{name}: every run ends well {failed[:1] or ''}")
        if budget and not failed:
            checks.expect(rows[-1][-1] >= WANTED, f"{name}: {rows[-1][1]:.3g} tokens/s is {rows[-1][-1]:.3f} of the "
                          f"speed in memory, wanted {WANTED}{'; others used the machine' * disturbed}")
        file.add_row(budget=budget, speed=rows[-1][1], read_mb=rows[-1][2], ratio=rows[-1][4], disturbed=disturbed)
    print(f"\n{model.name}, a prompt of {arguments.prompt} tokens, medians of {arguments.reps}\n")
    results.table(["budget", "tok/s", "MB read", "waited %", "ratio to memory"], rows)
    results.end(file, checks)


if __name__ == "__main__":
    main()
