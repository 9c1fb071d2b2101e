#!/usr/bin/python3
"""What the C API's techniques bring on a chain of dense layers: time, memory, and the same bits where promised.

    bench/capi_speed.py                  # all of it, on 64 MiB of weights
    bench/capi_speed.py --only modes     # or batches, simd, together, activations

  modes     time and peak of a pass in each mode of the forward scheduler: peak(streaming) <= peak(memory-optimised)
            <= peak(normal), the same bits
  batches   samples per second by batch, and the batch that is optimal: what fits
  simd      each SIMD level against level 0, for products with one sample and with 32, a convolution, an
            activation and attention: faster from level 1 on
  together  a limit, fewer bits, pruning and batches, each alone and all of them: bytes of weights, peak, time
  activations  a U-Net through the layer scheduler, outputs kept, dropped, stored and computed again: the least limit
            of each, what it stores on disk and computes twice, time, the same bits
"""
import argparse
import subprocess
import tempfile

from lib import limited, models, results, tinyai

MIB = tinyai.MIB
PARTS = ("modes", "batches", "simd", "together", "activations")
LAYERS, WIDTH = 16, 1024
MODES = ("normal", "memory-optimised", "streaming", "adaptive")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--reps", type=int, default=5)
    results.add_common_arguments(parser)
    return parser.parse_args()


def chain():
    path = models.folder() / f"chain-{LAYERS}x{WIDTH}.tmai"
    if not path.exists():
        subprocess.run([tinyai.program("bench/capi_speed"), "make", path, str(LAYERS), str(WIDTH)], check=True)
    return path


def unet(channels=16, size=512):
    path = models.folder() / f"unet-{channels}x{size}.tmai"
    if not path.exists():
        subprocess.run([tinyai.program("bench/capi_speed"), "unet", path, str(size), str(channels)], check=True)
    return path


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.file = results.ResultFile("capi_speed", arguments)
        self.checks = results.Checks()

    def row(self, what, mode=1, memory=0, batch=1, bits=32, prune=0, level=3, model=None):
        words = [tinyai.program("bench/capi_speed"), "pass", model or chain(), mode, memory, batch, bits, prune, level,
                 self.arguments.reps]
        result = limited.run([str(word) for word in words], grouped=False, drop=False)
        self.file.add_run(result, what=what)
        self.checks.expect(result.ok, f"{what}: {result.why()}")
        row = dict(what=what, **(result.json() if result.ok else dict(seconds=1e9, peak=0, weights=0, batch=1, digest="")))
        self.file.add_row(**row)
        return row

    def show(self, title, rows):
        print()
        results.table([title, "batch", "weights MB", "peak MB", "ms", "samples/s"],
                      [[row["what"], row["batch"], row["weights"] / 1e6, row["peak"] / 1e6, row["seconds"] * 1e3,
                        row["batch"] / row["seconds"]] for row in rows])

    def modes(self):
        rows = [self.row(name, mode=mode) for mode, name in enumerate(MODES)]
        self.show("mode", rows)
        normal, memory, streaming = (row["peak"] for row in rows[:3])
        self.checks.expect(streaming <= memory <= normal, "peak(streaming) <= peak(memory-optimised) <= peak(normal)")
        self.checks.expect(len({row["digest"] for row in rows}) == 1, "the same bits in every mode")

    def batches(self):
        rows = [self.row(f"batch {batch}", mode=0, batch=batch) for batch in (1, 2, 4, 8, 16, 32, 64)]
        optimal = self.row("optimal", mode=0, batch=0)
        self.show("batch", [*rows, optimal])
        rates = [row["batch"] / row["seconds"] for row in rows]
        self.checks.expect(rates[-1] >= 2 * rates[0], f"64 samples go through at {rates[-1] / rates[0]:.1f} times the "
                           "rate of 1, at least 2")
        self.checks.expect(optimal["batch"] == 64, f"without a limit the optimal batch is the largest of 64: "
                           f"{optimal['batch']}")

    def levels(self, what, batch=1, model=None):
        rows = [self.row(f"{what}, level {level}", mode=0, batch=batch, level=level, model=model) for level in range(4)]
        self.show("SIMD", rows)
        for level in (1, 2, 3):
            gain = rows[0]["seconds"] / rows[level]["seconds"]
            self.checks.expect(gain > 1, f"{what}: level {level} takes 1/{gain:.1f} of the time of level 0")

    def simd(self):
        self.levels("one sample")
        self.levels("32 samples", batch=32)
        with tempfile.TemporaryDirectory(dir=models.folder()) as folder:
            for kind in ("conv", "activation", "attention"):
                path = f"{folder}/{kind}.tmai"
                subprocess.run([tinyai.program("bench/capi_speed"), "op", path, kind], check=True)
                self.levels(kind, model=path)

    def together(self):
        limit = 24 * MIB
        rows = [self.row("nothing", mode=0), self.row("a limit of 24 MiB", memory=limit),
                self.row("INT4", mode=0, bits=4), self.row("70 % pruned", mode=0, prune=1),
                self.row("batch of 32", mode=0, batch=32),
                self.row("all together", memory=limit, bits=4, prune=1, batch=32)]
        self.show("technique", rows)
        nothing, limited_, all_ = rows[0], rows[1], rows[-1]
        self.checks.expect(limited_["peak"] <= limit and all_["peak"] <= limit, "the limit holds, alone and with the others")
        self.checks.expect(limited_["digest"] == nothing["digest"], "the limit changes no bit")
        self.checks.expect(all_["weights"] * 7 <= nothing["weights"], "INT4 and pruning together take at most 1/7 of the "
                           f"weights: 1/{nothing['weights'] / max(1, all_['weights']):.1f}")


    def layers(self, what, checkpointing, speed, recompute, limit=0, reps=None):
        words = [tinyai.program("bench/capi_speed"), "layers", unet(), int(checkpointing), speed, int(recompute), limit,
                 self.arguments.reps if reps is None else reps]
        result = limited.run([str(word) for word in words], grouped=False, drop=False)
        self.checks.expect(result.ok, f"{what}: {result.why()}")
        row = dict(what=what, limit=limit, **result.json())
        if reps is None:
            self.file.add_run(result, what=what)
            self.file.add_row(**row)
        return row

    def least_limit(self, recompute, may_store, above):
        """The least limit for activations with a plan, to 1 %; `above` has one."""
        below = 0
        while above - below > above / 100:
            middle = (above + below) // 2
            plan = self.layers("plan", True, 1, recompute, middle, reps=0)
            fits = plan["activations"] != 0 and (may_store or plan["disk"] == 0)
            above, below = (middle, below) if fits else (above, middle)
        return above

    def activations(self):
        kept = self.layers("all kept", False, 1, False)
        enough = kept["activations"]
        rows = [kept]
        for what, recompute, may_store in (("dropped after the last reader", False, False), ("stored", False, True),
                                           ("computed again", True, False), ("both", True, True)):
            limit = self.least_limit(recompute, may_store, enough)
            rows.append(self.layers(what, True, 1, recompute, limit))
        print()
        results.table(["activations of a U-Net", "MB", "disk MB", "written MB", "twice %", "ms"],
                      [[row["what"], row["activations"] / 1e6, row["disk"] / 1e6, row["written"] / 1e6,
                        100 * row["twice"], row["seconds"] * 1e3] for row in rows])
        _, dropped, stored, again, both = (row["activations"] for row in rows)
        self.checks.expect(stored <= dropped and both <= again,
                           f"storing takes the least limit from {dropped / 1e6:.1f} to {stored / 1e6:.1f} MB, "
                           f"with computing again from {again / 1e6:.1f} to {both / 1e6:.1f} MB")
        self.checks.expect(len({row["digest"] for row in rows}) == 1, "the same bits whatever becomes of activations")


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    bench = Bench(arguments)
    results.run_parts(bench, PARTS, arguments.only)
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
