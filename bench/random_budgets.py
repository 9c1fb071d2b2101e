#!/usr/bin/python3
"""Random small models, budgets and contexts: is any run killed, does any overrun its budget?

    bench/random_budgets.py            # 200 runs
    bench/random_budgets.py -n 1000

Every run has a control group of exactly its budget and an empty page cache. Wanted, without exception:
no kill by the kernel, counted peak within the budget and equal to what `tinyai plan` predicts, counted
and kernel's peak within 2 % + 8 MiB, and the tokens of a run without a limit. A quarter of the runs has
exactly the least budget. The random choices follow from --seed alone.
"""
import argparse
import os
import pathlib
import random
import sys
import tempfile
import time

from lib import group, limited, models, results, tinyai

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
MOST_MODELS = 40


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-cache", action="store_true", help="do not empty the page cache before each run")
    results.add_common_arguments(parser)
    return parser.parse_args()


def random_spec(choose):
    """Options of make_model for a model of 0.1 to 100 MB."""
    architecture = choose.choice(["llama", "qwen2", "qwen3"])
    heads_kv = choose.choice([1, 2, 4])
    heads = heads_kv * choose.choice([1, 2, 4])
    width = 256 * choose.randint(1, 4)  # a whole number of blocks of every type, and of heads
    while width % heads or width // heads % 32:
        heads, heads_kv = max(1, heads // 2), max(1, heads_kv // 2)
    spec = dict(architecture=architecture, type=choose.choice(TYPES), n_embd=width, n_head=heads,
                n_head_kv=heads_kv, n_layer=choose.randint(1, 8), n_ff=256 * choose.randint(1, 10),
                n_vocab=choose.choice([512, 2000, 8000, 32000]), n_context=2048, seed=choose.randint(1, 10**6))
    if choose.random() < 0.3:
        spec["tied"] = True
    if choose.random() < 0.3:
        spec["output_type"] = choose.choice(TYPES)
    return spec


class Case:
    """One draw: a model, how it is run, and in how much memory."""

    def __init__(self, choose, index, folder, count):
        spec = random_spec(random.Random(f"{choose.getrandbits(32)}"))
        slot = index % min(count, MOST_MODELS)
        self.model = folder / f"model-{slot}.gguf"
        self.new_spec = spec if not self.model.exists() else None
        self.flags = dict(context=choose.choice([16, 64, 100, 256, 512, 1024, 2048]),
                          threads=choose.randint(1, os.cpu_count()),
                          ctk=choose.choice(["f16", "f16", "q8_0"]), ctv=choose.choice(["f16", "f16", "q8_0"]),
                          io=choose.choice(["auto", "uring", "direct", "buffered"]))
        self.prompt_length = choose.choice([1, 2, 7, 15])
        self.prompt_seed = choose.randint(1, 10**6)
        self.share = 0.0 if choose.random() < 0.25 else choose.random() ** 2 * 1.2

    def budget(self, plan):
        """From the least budget (share 0) to somewhat more than the whole model takes."""
        return plan["least_budget_bytes"] + int(self.share * plan["model_bytes"])


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.file = results.ResultFile("random_budgets", arguments)
        self.counts = dict(runs=0, killed=0, failed=0, over_budget=0, not_as_predicted=0, apart=0, other_tokens=0,
                           at_the_least=0)
        self.most_apart = 0.0

    def run_case(self, case):
        if case.new_spec:
            models.generated(case.model, quiet=True, **case.new_spec)
        least = tinyai.plan(case.model, **case.flags)
        budget = case.budget(least)
        vocabulary = tinyai.vocabulary(case.model)
        prompt = tinyai.prompt(case.prompt_length, vocabulary, case.prompt_seed)
        plan = tinyai.plan(case.model, memory=budget, **case.flags)
        free = limited.run(tinyai.generate(case.model, 8, prompt, **case.flags), grouped=False, drop=False, timeout=60)
        result = limited.run(tinyai.generate(case.model, 8, prompt, memory=budget, **case.flags), memory=budget,
                             files=[case.model], drop=not self.arguments.keep_cache, timeout=120)
        self.judge(case, result, free, budget, plan)

    def judge(self, case, result, free, budget, plan):
        answer, counts = result.json(), self.counts
        faults = []
        if result.oom_kills:
            faults.append("killed")
        elif not result.ok or not free.ok:
            faults.append("failed")
        else:
            counted = answer["counted_peak_bytes"]
            apart = abs(result.group_peak - counted) - 0.02 * result.group_peak
            self.most_apart = max(self.most_apart, apart)
            wrong = {"over_budget": counted > budget, "not_as_predicted": counted != plan["predicted_peak_bytes"],
                     "apart": apart > 8 * tinyai.MIB, "other_tokens": answer["tokens"] != free.json()["tokens"]}
            faults += [name for name, found in wrong.items() if found]
        counts["runs"] += 1
        counts["at_the_least"] += case.share == 0
        for fault in faults:
            counts[fault] += 1
        self.file.content["rows"].append(dict(
            spec=case.new_spec, model=case.model.name, **case.flags, budget=budget, faults=faults,
            counted_peak=answer.get("counted_peak_bytes"), predicted_peak=plan["predicted_peak_bytes"],
            group_peak=result.group_peak, model_bytes=plan["model_bytes"]))
        if faults:
            self.file.add_run(result, budget=budget, faults=faults, free=free.why(), flags=case.flags)
            print(f"{', '.join(faults)}: {result.why()} / without a limit {free.why()}\n   "
                  + " ".join(result.command[1:]), flush=True)


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    if reason := group.why_none():
        raise SystemExit(f"error: no control group with a memory limit can be made here: {reason}")
    bench, start = Bench(arguments), time.monotonic()
    with tempfile.TemporaryDirectory(dir=models.folder()) as folder:
        for index in range(arguments.runs):
            choose = random.Random(f"{arguments.seed}:{index}")
            bench.run_case(Case(choose, index, pathlib.Path(folder), arguments.runs))
            if sys.stderr.isatty():
                print(f"\r{index + 1} of {arguments.runs}", end="", file=sys.stderr, flush=True)
    counts = bench.counts
    print(f"\n{time.monotonic() - start:.0f} s")
    results.table(["what", "runs"], counts.items())
    print(f"counted and kernel's peak: at most {bench.most_apart / tinyai.MIB:.2f} MiB apart beyond 2 %, allowed 8")
    bench.file.content["counts"] = counts
    bench.file.finish()
    wrong = sum(number for name, number in counts.items() if name not in ("runs", "at_the_least"))
    print(f"{'MISS' if wrong else 'ok  '}  {wrong} faults in {counts['runs']} runs, wanted 0")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
