#!/usr/bin/python3
"""Single layers of real nets against onnxruntime on the same shapes, in turns, in one run.

    bench/layers.py                          # 1 and 2 threads, every layer
    bench/layers.py --threads 1 --only 3x3   # layers with "3x3" in their name

A turn takes the best of some repetitions of each, one after the other, so that both see the same machine. On one
thread only the time counts for which the thread had a core, so that others on the machine matter little, and the
speed is the median of the turns' ratios; on two the best times of all turns are compared. Wanted: at least 0.8 of the peer's
speed. The peer runs with all its optimisations, in both the layouts it has for convolutions (a model of its own
layer by layer, conversions included), and the better one counts. GFLOP/s count a multiply-add as two.
"""
import argparse
import array
import pathlib
import random
import subprocess
import sys
import time

from lib import results, tinyai

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "onnx"))
import onnx_model  # noqa: E402
import onnxruntime  # noqa: E402

WANTED = 0.8


class Conv:
    def __init__(self, name, ins, outs, size, kernel, stride=1, dilation=1, groups=1, transposed=False):
        self.name, self.ins, self.outs, self.size, self.kernel = name, ins, outs, size, kernel
        self.stride, self.dilation, self.groups, self.transposed = stride, dilation, groups, transposed
        reach = (kernel - 1) * dilation + 1
        self.pad = (reach - stride) // 2 if transposed else (reach - 1) // 2
        self.out_size = ((size - 1) * stride + reach - 2 * self.pad if transposed
                         else (size + 2 * self.pad - reach) // stride + 1)

    def flops(self):
        moved = self.size if self.transposed else self.out_size
        return 2 * moved ** 2 * self.ins // self.groups * self.outs * self.kernel ** 2

    def words(self):
        return ["conv", self.ins, self.outs, self.groups, self.size, self.size, self.kernel, self.stride, self.dilation,
                self.pad, int(self.transposed)]

    def model(self):
        """(model, inputs, name of the output)."""
        model, shape = onnx_model.Model(), [1, self.ins, self.size, self.size]
        x = model.input("x", shape)
        group_ins = self.ins // self.groups
        weight = ([self.ins, self.outs // self.groups] if self.transposed else [self.outs, group_ins])
        w = model.weight(weight + [self.kernel] * 2, floats(self.outs * group_ins * self.kernel ** 2))
        y = model.op("ConvTranspose" if self.transposed else "Conv", [x, w, model.weight([self.outs], floats(self.outs))],
                     kernel_shape=[self.kernel] * 2, strides=[self.stride] * 2, dilations=[self.dilation] * 2,
                     pads=[self.pad] * 4, group=self.groups)
        model.output(y)
        return model.bytes(), [("x", shape, floats(self.ins * self.size ** 2))], y


class Dense:
    def __init__(self, name, ins, outs, tokens):
        self.name, self.ins, self.outs, self.tokens = name, ins, outs, tokens

    def flops(self):
        return 2 * self.ins * self.outs * self.tokens

    def words(self):
        return ["dense", self.ins, self.outs, self.tokens]

    def model(self):
        model, shape = onnx_model.Model(), [self.tokens, self.ins]
        x = model.input("x", shape)
        y = model.op("Gemm", [x, model.weight([self.outs, self.ins], floats(self.outs * self.ins))], transB=1)
        model.output(y)
        return model.bytes(), [("x", shape, floats(self.tokens * self.ins))], y


LAYERS = [
    Conv("ResNet-50 7x7 s2 3>64 224", 3, 64, 224, 7, 2),
    Conv("ResNet-50 3x3 64 56", 64, 64, 56, 3),
    Conv("ResNet-50 3x3 128 28", 128, 128, 28, 3),
    Conv("ResNet-50 3x3 256 14", 256, 256, 14, 3),
    Conv("ResNet-50 3x3 512 7", 512, 512, 7, 3),
    Conv("ResNet-50 3x3 s2 128 56", 128, 128, 56, 3, 2),
    Conv("ResNet-50 1x1 64>256 56", 64, 256, 56, 1),
    Conv("ResNet-50 1x1 256>64 56", 256, 64, 56, 1),
    Conv("ResNet-50 1x1 1024>256 14", 1024, 256, 14, 1),
    Conv("ResNet-50 1x1 512>2048 7", 512, 2048, 7, 1),
    Conv("ResNet-50 1x1 s2 256>512 56", 256, 512, 56, 1, 2),
    Conv("MobileNet-v2 3x3 s2 3>32 224", 3, 32, 224, 3, 2),
    Conv("MobileNet-v2 1x1 24>144 56", 24, 144, 56, 1),
    Conv("MobileNet-v2 1x1 576>96 14", 576, 96, 14, 1),
    Conv("MobileNet-v2 depthwise 3x3 32 112", 32, 32, 112, 3, groups=32),
    Conv("MobileNet-v2 depthwise 3x3 s2 144 56", 144, 144, 56, 3, 2, groups=144),
    Conv("MobileNet-v2 depthwise 3x3 576 14", 576, 576, 14, 3, groups=576),
    Conv("MobileNet-v2 depthwise 3x3 960 7", 960, 960, 7, 3, groups=960),
    Conv("U-Net 3x3 64 128", 64, 64, 128, 3),
    Conv("U-Net transposed 2x2 s2 128>64 56", 128, 64, 56, 2, 2, transposed=True),
    Conv("transposed 4x4 s2 64>32 56", 64, 32, 56, 4, 2, transposed=True),
    Conv("dilated 3x3 d2 256 28", 256, 256, 28, 3, dilation=2),
    Dense("dense 1024>1024, 1 row", 1024, 1024, 1),
    Dense("dense 4096>4096, 16 rows", 4096, 4096, 16),
    Dense("dense 768>3072, 128 rows", 768, 3072, 128),
    Dense("dense 3072>768, 128 rows", 3072, 768, 128),
]


def floats(count):
    source = random.Random(count)
    block = array.array("f", [source.uniform(-1, 1) for _ in range(min(count, 4096))])
    return (block * (count // len(block) + 1))[:count]


class Ours:
    """bench/layer_bench, asked line by line."""

    def __init__(self):
        program = tinyai.program("bench/layer_bench")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def time(self, layer, threads, repetitions):
        words = layer.words() + [threads, repetitions]
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        words = [float(word) for word in self.process.stdout.readline().split()]
        return list(zip(words[::2], words[1::2]))


def best(times, threads):
    return min(time[1 if threads == 1 else 0] for time in times)


def measure(runtime, ours, layer, threads, arguments):
    """[(our seconds, the peer's seconds)] for each turn."""
    model, inputs, output = layer.model()
    sessions = [onnxruntime.Session(runtime, model, inputs, [output], threads, level)
                for level in (onnxruntime.ALL_OPTIMIZATIONS, onnxruntime.PLAIN_LAYOUT)]
    once = best(ours.time(layer, threads, 1), threads)
    repetitions = max(arguments.reps if threads == 1 else 1, min(50, int(0.004 / once)))
    turns = []
    for _ in range(arguments.turns * (4 if threads > 1 else 1)):
        mine = best(ours.time(layer, threads, repetitions), threads)
        theirs = min(best(session.time(repetitions), threads) for session in sessions)
        turns.append((mine, theirs))
        time.sleep(0.01 * (threads - 1))  # its threads spin for a while
    for session in sessions:
        session.close()
    return turns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers separated by commas: 1, 2")
    parser.add_argument("--only", default="", help="layers whose name has this in it")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--reps", type=int, default=5, help="of a turn; small layers take more")
    results.add_common_arguments(parser)
    arguments = parser.parse_args()
    try:
        runtime = onnxruntime.Runtime()
    except onnxruntime.Missing as missing:
        raise SystemExit(f"error: {missing}") from missing
    ours, file, checks = Ours(), results.ResultFile("layers", arguments), results.Checks()
    for threads in map(int, arguments.threads.split(",")):
        lines = []
        for layer in LAYERS:
            if arguments.only not in layer.name:
                continue
            turns = measure(runtime, ours, layer, threads, arguments)
            choose = results.median if threads == 1 else min
            mine, theirs = (choose([turn[i] for turn in turns]) for i in (0, 1))
            ratio = results.median([b / a for a, b in turns]) if threads == 1 else theirs / mine
            lines.append([layer.name, mine * 1e3, theirs * 1e3, layer.flops() / mine * 1e-9,
                          layer.flops() / theirs * 1e-9, results.fixed(ratio, 2)])
            file.add_row(layer=layer.name, threads=threads, turns=turns, ours=mine, peer=theirs, ratio=ratio)
            checks.failed += ratio < WANTED
        what = "medians of {} turns, CPU time" if threads == 1 else "best of 4 x {} turns"
        print(f"\nonnxruntime {runtime.version}, {threads} thread{'s' * (threads > 1)}, {what.format(arguments.turns)}\n")
        results.table(["layer", "tinyai ms", "peer ms", "GFLOP/s", "peer", "speed"], lines)
    print()
    checks.expect(checks.failed == 0, f"layers below {WANTED} of the peer's speed: {checks.failed}")
    file.finish()
    sys.exit(checks.exit_code())


if __name__ == "__main__":
    main()
