#!/usr/bin/python3
"""Layer graphs in control groups of exactly their budget: every mode, and budgets from the least on.

    bench/layer_budgets.py                          # U-Net, deep residual net, super-resolution net
    bench/layer_budgets.py --nets unet --reps 5

Each run is `tinyai run` on one sample in a group of its own with the budget as its limit, an empty page cache and
no swap. Wanted, for each net: no kill by the kernel, counted peak = planned peak <= budget, one digest of the
outputs everywhere, refusal of 1 % less than the least; peak(streaming) <= peak(memory) <= peak(normal); and for the
super-resolution net, whose maps are cut into bands, at most a quarter of the peak of mode normal. `again` is what
is computed more than once, in multiplications of a pass.
"""
import argparse
import hashlib
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

from lib import group, limited, models, results, tinyai

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "onnx"))
import nets  # noqa: E402

MODES = ("normal", "memory", "streaming", "adaptive")
STEPS = (0.0, 0.25, 0.5, 1.0)  # of the way from the least budget to what mode normal takes


def residual():
    """64 blocks of two convolutions and a skip over both."""
    net = nets.Net("residual", 21)
    x = net.conv(net.input([3, 96, 96]), 32, 3)
    for _ in range(64):
        y = net.activation(net.conv(x, 32, 3), "relu")
        x = net.add(net.conv(y, 32, 3), x)
    net.conv(x, 3, 3)
    return net


def super_resolution():
    """As FSRCNN (Dong et al. 2016), wider: features, eight convolutions, twice the size by a transposed one."""
    net = nets.Net("super-resolution", 22)
    x = net.activation(net.conv(net.input([3, 256, 256]), 64, 5), "relu")
    for _ in range(8):
        x = net.activation(net.conv(x, 64, 3), "relu")
    net.conv(net.conv(x, 64, 4, 2, pad=1, transposed=True), 3, 3)
    return net


def unet():
    """The net of `bench/capi_speed.py`, over a map of 512 x 512."""
    path = models.folder() / "unet-16x512.tmai"
    if not path.exists():
        subprocess.run([tinyai.program("bench/capi_speed"), "unet", path, "512", "16"], check=True)
    return path


NETS = {"unet": unet, "residual": residual, "super-resolution": super_resolution}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(NETS), help="separated by commas")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    results.add_common_arguments(parser)
    return parser.parse_args()


def net_file(name, folder):
    made = NETS[name]()
    if isinstance(made, pathlib.Path):
        return made
    onnx, path = folder / f"{name}.onnx", folder / f"{name}.tmai"
    onnx.write_bytes(made.model()[0])
    subprocess.run([tinyai.program(), "convert", onnx, path, "-q"], check=True, stdout=subprocess.DEVNULL)
    return path


def write_input(path, shape):
    """One sample of `shape`, as NumPy would write it."""
    header = str(dict(descr="<f4", fortran_order=False, shape=(1, *shape))).encode() + b"\n"
    values = nets.Net("input", 3).numbers(math.prod(shape), 1.0)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values.tobytes())
    return path


class Bench:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.file = results.ResultFile("layer_budgets", arguments)
        self.checks = results.Checks()

    def row(self, name, model, mode, budget=None):
        """`reps` runs; without a budget in what the mode takes where memory is not short, and 64 KiB."""
        flags = dict(mode=mode, threads=self.arguments.threads)
        budget = budget or tinyai.plan(model, **flags)["predicted_peak_bytes"] + 64 * tinyai.KIB
        plan = tinyai.plan(model, memory=budget, **flags)
        out = self.folder / "out.npy"
        runs, digests = [], set()
        for _ in range(self.arguments.reps):
            out.unlink(missing_ok=True)
            runs.append(limited.run(tinyai.command("run", model, memory=budget, input=self.input, o=out, **flags),
                                    memory=budget, files=[model], timeout=600))
            digests.add(hashlib.sha256(out.read_bytes()).hexdigest()[:12] if out.exists() else "none")
            self.file.add_run(runs[-1], net=name, mode=mode, budget=budget)
        answers = [run.json() for run in runs]
        row = dict(net=name, mode=mode, budget=budget, killed=sum(run.oom_kills for run in runs),
                   ok=all(run.ok for run in runs), planned=plan["predicted_peak_bytes"],
                   counted=max(answer.get("counted_peak_bytes", 0) for answer in answers),
                   group=max(run.group_peak or 0 for run in runs), again=plan["recompute_ratio"] - 1,
                   seconds=results.median(answer.get("seconds") for answer in answers), digests=sorted(digests))
        self.file.add_row(**row)
        return row

    def check_net(self, name):
        model = net_file(name, self.folder)
        shown = limited.run(tinyai.command("show", model), grouped=False, drop=False).json()
        self.input = write_input(self.folder / "input.npy", shown["inputs"][0]["shape"])
        least = tinyai.plan(model, threads=self.arguments.threads)["least_budget_bytes"]
        modes = {mode: self.row(name, model, mode) for mode in MODES}
        most = modes["normal"]["planned"]
        budgets = [self.row(name, model, "adaptive", int(least + share * (most - least))) for share in STEPS]
        rows = [*modes.values(), *budgets]
        print()
        results.table([name, "budget MB", "planned MB", "counted MB", "group MB", "again", "s", "output"],
                      [[row["mode"], row["budget"] / 1e6, row["planned"] / 1e6, row["counted"] / 1e6, row["group"] / 1e6,
                        row["again"], row["seconds"], " ".join(row["digests"])] for row in rows])
        self.judge(name, model, least, modes, rows)

    def judge(self, name, model, least, modes, rows):
        expect = self.checks.expect
        expect(all(row["ok"] and not row["killed"] for row in rows), f"{name}: no run is killed or fails")
        expect(all(row["counted"] == row["planned"] <= row["budget"] for row in rows),
               f"{name}: counted peak = planned peak <= budget")
        digests = {digest for row in rows for digest in row["digests"]}
        expect(len(digests) == 1 and "none" not in digests, f"{name}: the output is the same bits everywhere")
        less = limited.run(tinyai.command("run", model, memory=least * 99 // 100, input=self.input), grouped=False,
                           drop=False)
        expect(less.rc == 4, f"{name}: 1 % less than the least is refused ({less.why()})")
        peaks = [modes[mode]["counted"] for mode in ("streaming", "memory", "normal")]
        expect(peaks == sorted(peaks), f"{name}: peak(streaming) <= peak(memory) <= peak(normal)")
        if name == "super-resolution":
            expect(4 * peaks[0] <= peaks[2], f"{name}: bands take {peaks[0] / peaks[2]:.3f} of the peak, at most 0.25, "
                   f"and compute {100 * modes['streaming']['again']:.0f} % again")


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    group.require()
    with tempfile.TemporaryDirectory(dir=models.folder()) as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        for name in arguments.nets.split(","):
            bench.check_net(name)
        results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
