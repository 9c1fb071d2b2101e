#!/usr/bin/python3
"""What `tinyai plan` promises against what a run does, with rates measured in the same run.

    bench/prediction.py                            # 8b Q4_0 at 5 budgets, disk throttled to 1 GB/s
    bench/prediction.py --model 1b --budgets 700M,400M,128M

For each budget `tinyai doctor` measures the rates in a group with the same throttle; then it is planned and
run in a control group of exactly its size, and the rates are measured again: where they moved by more than
10 %, the pair is dropped and made again. The runs are short, so that a machine whose memory others use too
has little time to change, and of the pairs that hold the middle one counts. Wanted: bytes read per token
exact, tokens/s within 15 %, the peak exact.
"""
import argparse
import os
import tempfile

from lib import group, limited, models, results, tinyai

MOST_APART = 0.15
# Between the probes before and after a run; a pair with more is dropped and tried again.
MOST_MOVED, WANTED_PAIRS, MOST_TRIES = 0.10, 3, 12
DEFAULTS = {"8b": "5G,4G,2G,1G,512M", "1b": "800M,400M,256M,128M"}
AIM_SECONDS = 3.0
# Of a usual matrix of an 8B model: its rate is what the probes are compared by.
PRODUCT_BYTES = 16e6
# Beside the streamed weights a token reads its row of the embedding, in whole blocks of the disk.
ROW_BYTES = 64 * tinyai.KIB


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="8b", help="8b, 1b, or a GGUF file")
    parser.add_argument("--type", default="Q4_0", help="of the matrices of a preset")
    parser.add_argument("--budgets", help="separated by commas")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--disk-mbps", type=float, default=1000, help="0: not throttled (1000)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--reps", type=int, default=1, help="runs between two probes (1)")
    results.add_common_arguments(parser)
    arguments = parser.parse_args()
    arguments.budgets = arguments.budgets or DEFAULTS.get(arguments.model, "1G,512M")
    return arguments


class Bench:
    def __init__(self, arguments, cache):
        self.arguments = arguments
        self.model = models.find(arguments.model, arguments.type)
        self.env = {"XDG_CACHE_HOME": cache}
        self.file = results.ResultFile("prediction", arguments)
        self.checks = results.Checks()

    def calibrate(self):
        """Measures the rates that the next plan uses; returns the rate of products, which wanders most."""
        found = tinyai.doctor(self.model, self.arguments.disk_mbps, self.env)
        self.file.content.setdefault("doctor", []).append(found)
        best = max(found["disk_bytes_per_second"].values())
        print(f"rates: products {found['product_bytes_per_second'] / 1e9:.3g} GB/s and "
              f"{found['meeting_seconds'] * 1e6:.1f} us each, disk {best / 1e6:.0f} MB/s, "
              f"{found['compute_macs_per_second'] / 1e9:.3g} G multiply-adds/s")
        return PRODUCT_BYTES / (PRODUCT_BYTES / found["product_bytes_per_second"] + found["meeting_seconds"])

    def row(self, budget):
        """The middle of some pairs of prediction and measurement between two probes that agree."""
        kept, dropped = [], []
        before = self.calibrate()
        while len(kept) < WANTED_PAIRS and len(kept) + len(dropped) < MOST_TRIES:
            row = self.measure(budget)
            after = self.calibrate()
            row["moved"] = after / before - 1
            before = after
            if row["ok"] and row["speed"] and abs(row["moved"]) > MOST_MOVED:
                print(f"dropped: {tinyai.size_text(budget)}, the rate of products moved by {row['moved']:+.0%}",
                      flush=True)
                dropped.append(row)
            else:
                kept.append(row)
            self.file.add_row(**row)
        rows = sorted(kept or dropped, key=lambda row: row["predicted"] / (row["speed"] or 1e-9))
        for row in rows:
            self.check_exact(row)
        self.check_speed(rows[len(rows) // 2])
        return rows[len(rows) // 2]

    def measure(self, budget):
        flags = dict(memory=budget, context=self.arguments.context, threads=self.arguments.threads)
        plan = tinyai.plan(self.model, env=self.env, **flags)
        self.checks.expect(plan["rates"]["measured"], f"{tinyai.size_text(budget)}: the plan uses measured rates")
        predicted = plan["predicted_tokens_per_second"]
        n = max(3, min(64, int(AIM_SECONDS * predicted)))
        words = tinyai.bench(self.model, n=n, reps=self.arguments.reps, **flags)
        result = limited.run(words, memory=budget, disk_mbps=self.arguments.disk_mbps, files=[self.model],
                             env=self.env, timeout=900)
        self.file.add_run(result, budget=budget)
        answer, found = result.json(), tinyai.bench_row(result.json(), "tg")
        ring = tinyai.component(plan, "ring")  # may be full at the end of what is counted, or at the beginning
        row = dict(budget=budget, ok=result.ok, tokens=n, may_differ=ring / n + ROW_BYTES,
                   how=result.why(), predicted=predicted, speed=found.get("tokens_per_second"),
                   planned_bytes=plan["streamed_bytes_per_token"], read_bytes=found.get("read_bytes_per_token"),
                   planned_peak=plan["predicted_peak_bytes"], counted_peak=answer.get("counted_peak_bytes"),
                   disturbed=result.disturbed)
        return row

    def check_exact(self, row):
        name, expect = tinyai.size_text(row["budget"]), self.checks.expect
        if not expect(row["ok"] and row["speed"], f"{name}: the run ends well ({row['how']})"):
            return
        extra = row["read_bytes"] - row["planned_bytes"]
        expect(abs(extra) <= row["may_differ"], f"{name}: {row['read_bytes']:.0f} bytes read per token, planned "
               f"{row['planned_bytes']}, {extra:+.0f}; a row of the embedding and the ring between two tokens are "
               f"{row['may_differ']:.0f}")
        expect(row["counted_peak"] == row["planned_peak"], f"{name}: counted peak {row['counted_peak']}, planned "
               f"{row['planned_peak']}")

    def check_speed(self, row):
        if not row["speed"]:
            return
        name, expect = tinyai.size_text(row["budget"]), self.checks.expect
        off = row["predicted"] / row["speed"] - 1
        note = "; others used the machine" if row["disturbed"] else ""
        if abs(row["moved"]) > MOST_MOVED:
            note += f"; no pair between equal probes in {MOST_TRIES} tries"
        expect(abs(off) <= MOST_APART, f"{name}: predicted {row['predicted']:.3g} tokens/s, measured "
               f"{row['speed']:.3g}: {off:+.1%}, wanted within {MOST_APART:.0%}{note}")


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    group.require()
    with tempfile.TemporaryDirectory() as cache:
        bench = Bench(arguments, cache)
        rows = [bench.row(tinyai.parse_size(text)) for text in arguments.budgets.split(",")]
    print()
    results.table(["budget", "planned MB/token", "read MB/token", "planned tok/s", "measured tok/s", "ratio"],
                  [[tinyai.size_text(row["budget"]) + "*" * row["disturbed"], row["planned_bytes"] / 1e6,
                    (row["read_bytes"] or 0) / 1e6, row["predicted"], row["speed"],
                    results.ratio(row["predicted"], row["speed"])] for row in rows])
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
