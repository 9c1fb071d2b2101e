#!/usr/bin/python3
"""A model larger than its budget: does it hold the budget, use all of it, and run at the disk's speed?

    bench/budgets.py                          # 8b Q4_0 from 4G to 128M, disk throttled to 1 GB/s
    bench/budgets.py --peer                   # also llama.cpp, mapping the file, in the same groups
    bench/budgets.py --disk-mbps 100 --reps 1
    bench/budgets.py --model 1b --budgets 400M,256M,128M

Each run has a control group of exactly its budget and an empty page cache. A row holds medians of
--reps runs; "*" marks one where others took part of the machine in every run. The disk's rate is the
best of tinyai's I/O paths and of a plain reader, and the speed in memory is that of a run without a
limit, both measured here. Needs root (or a delegated group).
"""
import argparse
import os
import tempfile

from lib import disk, group, limited, models, peer, results, tinyai

DEFAULTS = {"8b": "4G,3G,2G,1G,512M,128M", "1b": "400M,256M,128M"}
NEAR_MEMORY_SPEED = 0.5  # above this share of it, both are measured next to each other
# Seconds of generation that a run aims at, and the least and most tokens it makes.
AIM_SECONDS, LEAST_TOKENS, MOST_TOKENS = 12.0, 3, 64
SHORT_CONTEXT_BELOW = 256 * tinyai.MIB


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="8b", help="8b, 1b, or a GGUF file")
    parser.add_argument("--type", default="Q4_0", help="of the matrices of a preset")
    parser.add_argument("--budgets", help="separated by commas (8b: " + DEFAULTS["8b"] + ")")
    parser.add_argument("--context", type=int, help="512; 256 for budgets below 256M")
    parser.add_argument("--disk-mbps", type=float, default=1000, help="0: not throttled (1000)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--tokens", type=int, help="to generate per run (about 12 s of them)")
    parser.add_argument("--peer", action="store_true", help="also llama.cpp in the same groups")
    parser.add_argument("--peer-seconds", type=float, default=150, help="most time for a run of llama.cpp")
    results.add_common_arguments(parser)
    arguments = parser.parse_args()
    arguments.budgets = arguments.budgets or DEFAULTS.get(arguments.model, "1G,512M,128M")
    return arguments


class Bench:
    def __init__(self, arguments, cache):
        self.arguments = arguments
        self.model = models.find(arguments.model, arguments.type)
        self.env = {"XDG_CACHE_HOME": cache}  # rates of a throttled disk are nobody else's
        self.file = results.ResultFile("budgets", arguments)
        self.checks = results.Checks()
        self.disk_rate = self.memory_speed = None

    def run(self, words, budget, what, timeout=600):
        result = limited.run(words, memory=budget, disk_mbps=self.arguments.disk_mbps, timeout=timeout,
                             files=[self.model], env=self.env)
        self.file.add_run(result, what=what, budget=budget)
        if result.disturbed:
            print(f"      {what}: others used {result.others_s + result.stolen_s:.1f} s of CPU in "
                  f"{result.wall_s:.1f} s", flush=True)
        return result

    def measure_machine(self):
        """The two limits: what the disk gives and what the cores give when nothing is streamed."""
        rates = disk.best_rates(self.model, self.arguments.disk_mbps, self.env)
        self.disk_rate = max(rates.values())
        print("disk, MB/s: " + ", ".join(f"{name} {rate / 1e6:.0f}" for name, rate in rates.items()))
        self.memory_speed = self.measure_memory()
        print(f"in memory: {self.memory_speed:.3g} tokens/s")
        self.file.content.update(disk_rates=rates, in_memory_tokens_per_second=self.memory_speed)

    def measure_memory(self):
        """Tokens/s with everything resident and no limit."""
        words = tinyai.bench(self.model, n=32, reps=self.arguments.reps, context=self.arguments.context or 512,
                             threads=self.arguments.threads)
        result = limited.run(words, timeout=300, files=[self.model], env=self.env, drop=False)
        self.file.add_run(result, what="in memory")
        speed = tinyai.bench_row(result.json(), "tg").get("tokens_per_second")
        if speed is None:
            raise SystemExit("error: the model does not run without a limit; the result file says why")
        return speed

    def context(self, budget):
        short = 256 if budget < SHORT_CONTEXT_BELOW else 512
        return self.arguments.context or short

    def tokens(self, predicted):
        if self.arguments.tokens:
            return self.arguments.tokens
        return max(LEAST_TOKENS, min(MOST_TOKENS, int(AIM_SECONDS * predicted)))

    def row(self, budget):
        """Runs one budget and returns its figures; the checks are held against them."""
        name = tinyai.size_text(budget)
        flags = dict(memory=budget, context=self.context(budget), threads=self.arguments.threads)
        plan = tinyai.plan(self.model, env=self.env, **flags)
        predicted = min(self.memory_speed, self.disk_rate / max(1, plan["streamed_bytes_per_token"]))
        n = self.tokens(predicted)
        first = self.run(tinyai.generate(self.model, 1, **flags), budget, f"{name} first token")
        runs = [self.run(tinyai.generate(self.model, 1 + n, **flags), budget, f"{name} run {i + 1}")
                for i in range(self.arguments.reps)]
        memory_speed = self.memory_speed
        if predicted > NEAR_MEMORY_SPEED * memory_speed:
            # The speed of a shared machine's memory wanders by a quarter within minutes.
            memory_speed = self.measure_memory()
        row = self.figures(budget, plan, first, runs, n, memory_speed)
        self.check(row)
        if self.arguments.peer:
            self.add_peer(row, budget, n)
        self.file.add_row(**row)
        return row

    def figures(self, budget, plan, first, runs, n, memory_speed):
        good = [run for run in runs if run.ok]
        undisturbed = [run for run in good if not run.disturbed]
        answers = [run.json() for run in undisturbed or good]
        middle = lambda key: results.median([answer.get(key) for answer in answers])
        resident, needed = middle("resident_weight_bytes"), plan["pass_bytes"]
        # What loading and the first token read is the same in both runs, and so falls out.
        counted = results.median([(run.disk_read - first.disk_read) / n for run in good]) if first.ok else None
        speed = middle("tokens_per_second")
        missing = None if resident is None else needed - resident
        limit = memory_speed
        if missing and counted:
            limit = min(limit, self.disk_rate / counted)
        return dict(budget=budget, how=(runs + [first])[0].why(), ok=all(run.ok for run in runs + [first]),
                    oom_kills=sum(run.oom_kills for run in runs + [first]),
                    disturbed=bool(good) and not undisturbed, runs=len(good), tokens=n,
                    kv=tinyai.component(plan, "kv cache"), pass_bytes=needed, resident=resident,
                    streamed=missing, bytes_per_token=counted,
                    own_bytes_per_token=middle("weights_read_bytes_per_token"),
                    counted_peak=middle("counted_peak_bytes"), predicted_peak=plan["predicted_peak_bytes"],
                    group_peak=results.median([run.group_peak for run in good]),
                    io_path=answers[0].get("io_path") if answers else None,
                    stall_ms=middle("stall_ms"), speed=speed, limit=limit,
                    ratio=results.ratio(speed, limit))

    def check(self, row):
        name, expect = tinyai.size_text(row["budget"]), self.checks.expect
        if not expect(row["ok"] and row["oom_kills"] == 0, f"{name}: every run ends well ({row['how']})"):
            return
        expect(row["counted_peak"] <= row["budget"], f"{name}: counted peak {row['counted_peak'] / 1e6:.1f} MB "
               f"is within the budget of {row['budget'] / 1e6:.1f} MB")
        apart = abs(row["group_peak"] - row["counted_peak"])
        allowed = 0.02 * row["group_peak"] + 8 * tinyai.MIB
        expect(apart <= allowed, f"{name}: counted and kernel's peak are {apart / 1e6:.1f} MB apart, "
               f"allowed {allowed / 1e6:.1f}")
        if row["budget"] >= 512 * tinyai.MIB:
            full = min(row["pass_bytes"], row["budget"] - row["kv"] - 100 * tinyai.MIB)
            expect(row["resident"] >= full, f"{name}: {row['resident'] / 1e6:.0f} MB of weights stay, "
                   f"wanted {full / 1e6:.0f}")
        if row["streamed"]:
            share = row["bytes_per_token"] / row["streamed"]
            expect(share <= 1.03, f"{name}: the kernel counts {share:.4f} x (M - resident) per token, wanted <= 1.03")
        note = "; others used the machine" if row["disturbed"] else ""
        expect(row["ratio"] >= 0.90, f"{name}: {row['speed']:.3g} tokens/s is {row['ratio']:.3f} of the limit "
               f"{row['limit']:.3g}, wanted 0.90{note}")

    def add_peer(self, row, budget, n):
        found, per_token = peer.streaming(self.model, min(n, 4), self.arguments.peer_seconds,
                                          threads=self.arguments.threads, memory=budget,
                                          disk_mbps=self.arguments.disk_mbps)
        self.file.add_run(found.run, what="llama.cpp", budget=budget)
        row.update(peer_why=found.why, peer_bytes_per_token=per_token,
                   peer_speed=results.median(found.generation or []))
        row["peer_ratio"] = results.ratio(row["speed"], row["peer_speed"])
        if not (row["peer_speed"] and per_token and row["bytes_per_token"] and row["speed"]):
            return
        # As much faster as it reads less, while both wait for the disk.
        wanted = 0.9 * min(row["limit"], row["peer_speed"] * per_token / row["bytes_per_token"])
        self.checks.expect(row["speed"] >= wanted, f"{tinyai.size_text(budget)}: {row['peer_ratio']:.2f} x "
                           f"llama.cpp's {row['peer_speed']:.3g} tokens/s, wanted {wanted / row['peer_speed']:.2f} x")

    def print_table(self, rows):
        def mb(value):
            return None if value is None else value / 1e6

        titles = ["budget", "resident MB", "M-res. MB", "MB/token", "x M-res.", "kernel peak MB", "counted MB",
                  "tok/s", "limit", "ratio"]
        if self.arguments.peer:
            titles += ["llama.cpp tok/s", "MB/token", "ours/peer"]
        lines = []
        for row in rows:
            line = [tinyai.size_text(row["budget"]) + "*" * row["disturbed"], mb(row["resident"]), mb(row["streamed"]),
                    mb(row["bytes_per_token"]), results.fixed(results.ratio(row["bytes_per_token"], row["streamed"])),
                    mb(row["group_peak"]), mb(row["counted_peak"]), row["speed"], row["limit"],
                    results.fixed(row["ratio"])]
            if self.arguments.peer:
                line += [row["peer_speed"] or row["peer_why"], mb(row["peer_bytes_per_token"]), row["peer_ratio"]]
            lines.append(line)
        throttle = f"throttled to {self.arguments.disk_mbps:.0f} MB/s" if self.arguments.disk_mbps else "not throttled"
        print(f"\n{self.model.name}, disk {throttle} (measured {self.disk_rate / 1e6:.0f} MB/s), in memory "
              f"{self.memory_speed:.3g} tok/s, {self.arguments.threads} threads, medians of {self.arguments.reps}\n")
        results.table(titles, lines)


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    group.require()
    if arguments.peer and (reason := peer.why_missing()):
        raise SystemExit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as cache:
        bench = Bench(arguments, cache)
        bench.measure_machine()
        rows = [bench.row(tinyai.parse_size(text)) for text in arguments.budgets.split(",")]
    bench.print_table(rows)
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
