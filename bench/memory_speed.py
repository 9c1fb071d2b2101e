#!/usr/bin/python3
"""Everything in memory: generation and prompt against llama.cpp, in turns, in one run.

    bench/memory_speed.py                              # 1b and 8b, Q4_0, 2 threads, pp512 and tg64
    bench/memory_speed.py --models 1b --types Q4_K,Q8_0

A row holds medians of --reps runs of each, one after the other, so that both see the same machine; "*"
marks one in which others took part of it. Wanted: at least half of the peer's speed. llama.cpp runs with
its defaults (file mapped, weights repacked for speed). `quoted` is what the fastest engine of its family
reached on a machine of this kind, for Q4_0.
"""
import argparse

from lib import limited, models, peer, results, tinyai

WANTED = 0.5
QUOTED = {("1b", "Q4_0", "tg"): 71, ("1b", "Q4_0", "pp"): 186, ("8b", "Q4_0", "tg"): 12.5, ("8b", "Q4_0", "pp"): 30}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="1b,8b", help="presets, separated by commas")
    parser.add_argument("--types", default="Q4_0", help="of the matrices, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--reps", type=int, default=3)
    results.add_common_arguments(parser)
    return parser.parse_args()


def run_ours(arguments, model):
    words = tinyai.bench(model, arguments.prompt, arguments.tokens, threads=arguments.threads)
    result = limited.run(words, grouped=False, drop=False, timeout=600)
    rows = {kind: tinyai.bench_row(result.json(), kind) for kind in ("tg", "pp")}
    return result, {kind: row.get("tokens_per_second") for kind, row in rows.items()}


def run_peer(arguments, model):
    found = peer.bench(model, n=arguments.tokens, prompt_tokens=arguments.prompt, threads=arguments.threads,
                       grouped=False, drop=False, timeout=600)
    return found.run, {"tg": results.median(found.generation or []), "pp": results.median(found.prompt or [])}


def measure(arguments, name, kind, file):
    """[(our run, rates)], [(the peer's run, rates)] for one model."""
    model = models.preset(name, kind)
    ours, theirs = [], []
    for _ in range(arguments.reps):
        for who, found, run in (("tinyai", ours, run_ours), ("llama.cpp", theirs, run_peer)):
            found.append(run(arguments, model))
            file.add_run(found[-1][0], who=who, model=name, type=kind, rates=found[-1][1])
            if not found[-1][0].ok or None in found[-1][1].values():
                raise SystemExit(f"error: {who} on {model}: {found[-1][0].why()} {found[-1][0].out[-300:]}")
    return ours, theirs


def middle(found, test):
    """The median of the runs nobody disturbed, or of all, and whether it had to be of all."""
    calm = [rates[test] for run, rates in found if not run.disturbed]
    return results.median(calm or [rates[test] for _, rates in found]), not calm


def main():
    arguments = parse_arguments()
    limited.end_cleanly_on_signals()
    if reason := peer.why_missing():
        raise SystemExit(f"error: {reason}")
    file, checks, lines = results.ResultFile("memory_speed", arguments), results.Checks(), []
    for name in arguments.models.split(","):
        for kind in arguments.types.split(","):
            ours, theirs = measure(arguments, name, kind, file)
            for test, size in (("tg", arguments.tokens), ("pp", arguments.prompt)):
                (speed, disturbed), (reference, also) = middle(ours, test), middle(theirs, test)
                ratio = speed / reference
                lines.append([f"{name} {kind} {test}{size}" + "*" * (disturbed or also), speed, reference, ratio,
                              QUOTED.get((name, kind, test))])
                checks.expect(ratio >= WANTED, f"{name} {kind} {test}{size}: {ratio:.2f} of llama.cpp, wanted {WANTED}")
                file.add_row(model=name, type=kind, test=f"{test}{size}", ours=speed, peer=reference, ratio=ratio,
                             disturbed=disturbed or also)
    print(f"\n{arguments.threads} threads, tokens/s, medians of {arguments.reps}\n")
    results.table(["model and test", "tinyai", "llama.cpp", "ratio", "quoted"], lines)
    results.end(file, checks)


if __name__ == "__main__":
    main()
