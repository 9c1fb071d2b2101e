#!/usr/bin/python3
"""The modes of a plan on a language model and on a deep residual chain: memory, time, and the same bits.

    bench/modes.py                  # 1b Q4_0, and a chain of 256 narrow layers
    bench/modes.py --reps 5

Wanted: peak(streaming) <= peak(memory) <= peak(normal), counted as planned, and one digest of all logits
for every mode.
"""
import argparse

from lib import limited, models, results, tinyai

MODES = {"normal": {}, "memory": {}, "streaming": {}, "adaptive": {}, "adaptive, speed 0.5": dict(speed=0.5)}
DEEP = dict(n_embd=256, n_layer=256, n_ff=512, n_head=4, n_head_kv=2, n_vocab=2000, n_context=512, type="Q8_0")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="1b,deep", help="presets, deep, or GGUF files, separated by commas")
    parser.add_argument("--tokens", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=64, help="tokens of the prompt")
    parser.add_argument("--reps", type=int, default=3)
    results.add_common_arguments(parser)
    return parser.parse_args()


def model_file(name):
    return models.generated(models.folder() / "deep-q8_0.gguf", **DEEP) if name == "deep" else models.find(name)


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.file = results.ResultFile("modes", arguments)
        self.checks = results.Checks()

    def row(self, name, model, mode):
        tokens, vocabulary = self.arguments.tokens, tinyai.vocabulary(model)
        flags = dict(context=512, mode=mode.split(",")[0], **MODES[mode])
        plan = tinyai.plan(model, **flags)
        words = tinyai.generate(model, tokens, tinyai.prompt(self.arguments.prompt, vocabulary),
                                top_logits=vocabulary, **flags)
        runs = [limited.run(words, grouped=False, drop=False, timeout=600) for _ in range(self.arguments.reps)]
        answers = [run.json() for run in runs]
        row = dict(model=name, mode=mode, ok=all(run.ok for run in runs), planned=plan["predicted_peak_bytes"],
                   counted=max(answer.get("counted_peak_bytes", 0) for answer in answers),
                   streamed=plan["streamed_bytes_per_token"], chunk=plan["prompt_chunk"],
                   prompt=results.median(answer.get("prompt_tokens_per_second") for answer in answers),
                   speed=results.median(answer.get("tokens_per_second") for answer in answers),
                   digests=sorted({str(tinyai.logits_digest(run, vocabulary, tokens)) for run in runs}))
        for run in runs:
            self.file.add_run(run, model=name, mode=mode)
        self.file.add_row(**row)
        return row

    def check_model(self, name):
        model = model_file(name)
        rows = {mode: self.row(name, model, mode) for mode in MODES}
        print()
        results.table([name, "peak MB", "planned MB", "streamed MB/token", "chunk", "prompt tok/s", "tok/s", "logits"],
                      [[mode, row["counted"] / 1e6, row["planned"] / 1e6, row["streamed"] / 1e6, row["chunk"],
                        row["prompt"], row["speed"], " ".join(row["digests"])] for mode, row in rows.items()])
        expect = self.checks.expect
        expect(all(row["ok"] for row in rows.values()), f"{name}: every run ends well")
        expect(all(row["planned"] == row["counted"] for row in rows.values()), f"{name}: peaks are as planned")
        peaks = [rows[mode]["counted"] for mode in ("streaming", "memory", "normal")]
        expect(peaks == sorted(peaks), f"{name}: peak(streaming) <= peak(memory) <= peak(normal)")
        digests = {digest for row in rows.values() for digest in row["digests"]}
        expect(len(digests) == 1 and "None" not in digests, f"{name}: the logits are the same bits in every mode")


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    bench = Bench(arguments)
    for name in arguments.models.split(","):
        bench.check_model(name)
    results.end(bench.file, bench.checks)


if __name__ == "__main__":
    main()
