#!/usr/bin/python3
"""What the C API holds: does a model larger than its limits stay within them, by the kernel's count?

    bench/capi_memory.py                 # all of it; makes 1.7 GB of models once
    bench/capi_memory.py --only walk     # or open, cycle, examples

  open      VmHWM grows by at most 1 MiB + 1 KiB per layer while a model is opened (another one was, so that
            the library's own code is in memory)
  walk      reading every layer of 1 GiB through a cache of 32 MiB lets it grow by at most 40 MiB
  cycle     passes over 64 layers with room for 32 find at least 45 % from the second on
  examples  the specification's programs for models larger than memory, on more than 200 MB of weights, end
            well in control groups of exactly the limits they set: 100 MiB and 200 MiB (000_1 and 001_10)
"""
import argparse
import re
import shlex
import subprocess
import tempfile
import pathlib

from lib import group, limited, models, results, tinyai

MIB, KIB = tinyai.MIB, tinyai.KIB
PARTS = ("open", "walk", "cycle", "examples")
TEXT = dict(n_embd=1024, n_layer=16, n_ff=4096, n_head=16, n_head_kv=16, n_vocab=4000, n_context=32, type="Q8_0")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    results.add_common_arguments(parser)
    return parser.parse_args()


def chain(layers, width):
    """A chain of dense layers, 4 x width x width bytes each."""
    path = models.folder() / f"chain-{layers}x{width}.tmai"
    if not path.exists():
        subprocess.run([tinyai.program("bench/capi_memory"), "make", path, str(layers), str(width)], check=True)
    return path


def text_model():
    """A text model of 290 MB with a context that ends it after a few tokens."""
    path = models.folder() / "capi-text.tmai"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=models.folder()) as folder:
            made = models.generated(pathlib.Path(folder) / "text.gguf", **TEXT)
            subprocess.run([tinyai.program(), "convert", made, path, "-q"], check=True, stdout=subprocess.DEVNULL)
    return path


class Bench:
    def __init__(self, arguments):
        self.file = results.ResultFile("capi_memory", arguments)
        self.expect = results.Checks()

    def ask(self, what, *words):
        """What bench/capi_memory prints, {} if it failed."""
        result = limited.run([tinyai.program("bench/capi_memory"), *words], grouped=False, drop=False)
        self.file.add_run(result, what=what)
        self.expect.expect(result.ok, f"{what}: {result.why()}")
        return result.json()

    def walk_through(self, what, model):
        return self.ask(what, "walk", model, str(32 * MIB), chain(1, 16))

    def open(self):
        for layers, width in ((256, 1024), (4096, 16)):
            got = self.walk_through("open", chain(layers, width))
            limit = MIB + layers * KIB
            self.expect.expect(got and got["opening"] <= limit, f"open: {layers} layers, VmHWM grows by "
                               f"{got.get('opening', 0) / MIB:.2f} MiB, at most {limit / MIB:.2f}")

    def walk(self):
        got = self.walk_through("walk", chain(256, 1024))
        self.expect.expect(got and got["walking"] <= 40 * MIB, f"walk: {got.get('bytes', 0) / MIB:.0f} MiB through "
                           f"a cache of 32 MiB, VmHWM grows by {got.get('walking', 0) / MIB:.1f} MiB, at most 40")
        self.expect.expect(got and got["usage"] <= 32 * MIB, f"walk: the cache says {got.get('usage', 0) / MIB:.1f} "
                           "MiB, at most 32")

    def cycle(self):
        for adaptive in (0, 1):
            got = self.ask("cycle", "cycle", chain(64, 512), str(32 * MIB), str(adaptive))
            rates = got.get("hit_rates", [0])
            text = ", ".join(f"{100 * rate:.0f} %" for rate in rates)
            if adaptive:
                self.expect.expect(min(rates[1:], default=0) >= 0.45, f"cycle: adaptive finds {text} of 64 layers with "
                                   "room for 32; from the second pass on at least 45 %")
            else:
                print(f"      cycle: least recently used finds {text}")

    def examples(self):
        if reason := group.why_none():
            self.expect.expect(False, f"examples: no control group can be made here: {reason}")
            return
        with tempfile.TemporaryDirectory(dir=models.folder()) as folder:
            folder = pathlib.Path(folder)
            self.example(folder, "000_1_forward_scheduler_usage", "large_model.tmai", chain(64, 1024), 100)
            self.example(folder, "001_10_guide_large_language_model", "large_language_model.tmai", text_model(), 200)

    def example(self, folder, name, link, model, limit):
        source, program = models.SHARED / "seed_examples" / f"{name}.c", folder / name
        if not source.exists():
            self.expect.expect(False, f"{name}: the specification's examples are not at {source.parent}")
            return
        library = tinyai.build_folder()
        subprocess.run(["cc", "-std=c11", "-O1", f"-I{tinyai.ROOT / 'include'}", source, "-o", program,
                        f"-L{library}", f"-Wl,-rpath,{library}", "-ltinyai"], check=True)
        (folder / link).symlink_to(model)
        words = ["sh", "-c", f"cd {shlex.quote(str(folder))} && exec {shlex.quote(str(program))}"]
        result = limited.run(words, memory=limit * MIB, files=[model], timeout=300)
        self.file.add_run(result, what=name)
        own = [float(value) for value in re.findall(r"memory usage: ([0-9.]+) MB", result.out)]
        executed = result.out.count("Executed layer ")
        self.expect.expect(result.ok and executed > 0 and max(own, default=0) <= limit,
                           f"{name}: {result.why()}; {model.stat().st_size / 1e6:.0f} MB of model, {executed} layers "
                           f"executed, it counts {max(own, default=0):.1f} MiB, its group at most "
                           f"{(result.group_peak or 0) / MIB:.1f} of {limit} MiB, {result.oom_kills} killed, "
                           f"{result.wall_s:.1f} s")


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    bench = Bench(arguments)
    results.run_parts(bench, PARTS, arguments.only)
    results.end(bench.file, bench.expect)


if __name__ == "__main__":
    main()
