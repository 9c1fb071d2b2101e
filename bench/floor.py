#!/usr/bin/python3
"""The least budget: is it low, does it work, and is it no padding?

    bench/floor.py                     # tales, 1b and 8b
    bench/floor.py --models 1b --context 512
    bench/floor.py --models 1b --bisect  # also the smallest group that a forced run survives, within 1 %

For each model, with the least budget that `tinyai plan` names:
  works     a run in a control group of exactly that many bytes ends well
  refused   a budget 1 % below is refused: exit 4, in less than 0.5 s, naming the least budget
  true      with --force, a run in a group with 10 % less is killed or fails
  low       it is at most KV cache + tokenizer + logits + activations of one row + 32 MiB
"""
import argparse
import os

from lib import group, limited, models, results, tinyai

MOST_REFUSAL_SECONDS = 0.5
ALLOWANCE = 32 * tinyai.MIB


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="tales,1b,8b", help="presets or GGUF files, separated by commas")
    parser.add_argument("--type", default="Q4_0", help="of the matrices of a preset")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tokens", type=int, default=3)
    parser.add_argument("--bisect", action="store_true", help="find the smallest group that works")
    results.add_common_arguments(parser)
    return parser.parse_args()


def allowed_bytes(plan, vocabulary):
    """What the least budget is held against. The logits lie among the activations; should they not, the
    larger of the two counts."""
    activations = max(tinyai.component(plan, "activations"), vocabulary * 4)
    return tinyai.component(plan, "kv cache", "tokenizer") + activations + ALLOWANCE


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.file = results.ResultFile("floor", arguments)
        self.checks = results.Checks()

    def generate(self, model, budget, limit, **flags):
        words = tinyai.generate(model, self.arguments.tokens, memory=budget,
                                threads=self.arguments.threads, **flags)
        result = limited.run(words, memory=limit, files=[model], timeout=300)
        self.file.add_run(result, budget=budget)
        return result

    def smallest_group(self, model, floor, context):
        """Bytes of the smallest group in which the plan of the least budget still runs: below it by as
        much as the kernel can do without (pages of the program that it reads again and again)."""
        low, high = floor // 2, floor
        while high - low > floor // 100:
            middle = (low + high) // 2
            if self.generate(model, middle, middle, context=context, force=True).ok:
                high = middle
            else:
                low = middle
        return high

    def row(self, name):
        model = models.find(name, self.arguments.type)
        context = self.arguments.context
        plan = tinyai.plan(model, context=context, threads=self.arguments.threads)
        least = tinyai.plan(model, memory=1, context=context, threads=self.arguments.threads)
        floor = least["least_budget_bytes"]
        expect = self.checks.expect
        expect(floor == plan["least_budget_bytes"], f"{name}: the least budget is {floor} whatever budget is asked for")
        low = allowed_bytes(least, tinyai.vocabulary(model))
        expect(floor <= low, f"{name}: least budget {floor / 1e6:.1f} MB, allowed {low / 1e6:.1f}")
        works = self.generate(model, floor, floor, context=context)
        expect(works.ok and not works.oom_kills, f"{name}: {floor} bytes work in a group of as many ({works.why()})")
        below = floor * 99 // 100
        refused = self.generate(model, below, 0, context=context)
        expect(refused.rc == 4 and str(floor) in refused.err,
               f"{name}: {below} bytes are refused with exit 4 and the least budget (exit {refused.rc})")
        expect(refused.wall_s < MOST_REFUSAL_SECONDS, f"{name}: the refusal took {refused.wall_s:.3f} s")
        tenth = floor * 9 // 10
        forced = self.generate(model, tenth, tenth, context=context, force=True)
        expect(not forced.ok, f"{name}: forced into 10 % less it cannot work ({forced.why()})")
        if self.arguments.bisect:
            smallest = self.smallest_group(model, floor, context)
            print(f"      {name}: the smallest group that a forced run survives has {smallest} bytes, "
                  f"{smallest / floor:.3f} of the least budget")
            self.file.content.setdefault("smallest_group", {})[name] = smallest
        peak = works.json().get("counted_peak_bytes")
        row = dict(model=name, context=context, least=floor, allowed=low, works=works.why(),
                   counted_peak=peak, group_peak=works.group_peak, speed=works.json().get("tokens_per_second"),
                   refusal_s=refused.wall_s, forced=forced.why(), components=least["components"])
        self.file.add_row(**row)
        return row


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    group.require()
    bench = Bench(arguments)
    rows = [bench.row(name) for name in arguments.models.split(",")]
    print()
    results.table(
        ["model", "-c", "least MB", "allowed MB", "ratio", "counted MB", "kernel's MB", "refusal ms", "forced -10 %"],
        [[row["model"], row["context"], row["least"] / 1e6, row["allowed"] / 1e6, row["least"] / row["allowed"],
          (row["counted_peak"] or 0) / 1e6, row["group_peak"] / 1e6, row["refusal_s"] * 1e3, row["forced"][:40]]
         for row in rows])
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
