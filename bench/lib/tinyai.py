"""The program under test: where it is, and its commands as functions."""
import atexit
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

from lib import limited

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHORT_FLAGS = {"n", "o", "p", "r", "s", "ub", "ctk", "ctv"}
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def build_folder():
    """TINYAI_BUILD, or build/release."""
    return pathlib.Path(os.environ.get("TINYAI_BUILD", ROOT / "build" / "release"))


def program(relative="tinyai"):
    """A program of the build."""
    path = build_folder() / relative
    if not path.exists():
        raise SystemExit(f"error: no {path}; cmake --preset release && cmake --build --preset release")
    return path


@functools.cache
def own_program():
    """A copy of tinyai for this process alone, gone at its end. Pages of a program that somebody else
    runs too are charged to them, and a group would seem to hold less than it does."""
    original, folder = program(), build_folder() / "bench"
    folder.mkdir(exist_ok=True)
    copy = folder / f"tinyai-{os.getpid()}"
    atexit.register(lambda: copy.unlink(missing_ok=True))
    shutil.copyfile(original, copy)
    copy.chmod(0o700)
    return copy


def parse_size(text):
    """"512M", "1.5G": powers of 1024; a plain number is bytes."""
    factor = {"K": KIB, "M": MIB, "G": GIB}.get(text[-1:].upper())
    return int(float(text[:-1]) * factor) if factor else int(text)


def size_text(size):
    """1.50G, 512M, 23.4M, 300K: as on the command line, rounded."""
    for unit, factor in (("G", GIB), ("M", MIB), ("K", KIB)):
        if size >= factor:
            value = size / factor
            return f"{value:.0f}{unit}" if value == int(value) else f"{value:.4g}{unit}"
    return str(int(size))


def command(verb, model, memory=None, context=None, threads=None, **flags):
    """A command line of tinyai with --json. Flags as keywords: n=8, io="uring", ignore_eos=True."""
    words = [own_program(), verb, "-m", model, "--json"]
    if memory is not None:
        words += ["--memory", str(memory)]
    if context is not None:
        words += ["-c", context]
    if threads is not None:
        words += ["-t", threads]
    for key, value in flags.items():
        flag = ("-" if key in SHORT_FLAGS else "--") + key.replace("_", "-")
        words += [flag] if value is True else [flag, value]
    return [str(word) for word in words]


def generate(model, n, prompt=(1,), **flags):
    """A command that continues the tokens `prompt` by exactly `n`, always the likeliest."""
    ids = ",".join(map(str, prompt))
    return command("run", model, prompt_tokens=ids, n=n, temp=0, ignore_eos=True, **flags)


def logits_digest(result, vocabulary, tokens):
    """Of all logits of a run of generate(top_logits=vocabulary), which are the same for the same bits; None
    if the run failed."""
    # Ids in ascending order: equal logits may come in any order.
    logits = [sorted(map(tuple, best)) for best in result.json().get("top_logits", [])]
    complete = all(len(best) == vocabulary for best in logits) and len(logits) == tokens
    return hashlib.sha256(json.dumps(logits).encode()).hexdigest()[:16] if result.ok and complete else None


def plan(model, timeout=60, env=None, **flags):
    """What `tinyai plan --json` prints for this model, budget and context; also of an infeasible one."""
    result = limited.run(command("plan", model, **flags), grouped=False, drop=False, timeout=timeout,
                         env=env)
    answer = result.json()
    if "least_budget_bytes" not in answer:
        raise SystemExit(f"error: {' '.join(result.command)}: {result.why()}")
    return answer


def doctor(model, disk_mbps=0, env=None):
    """What `tinyai doctor --json` prints; it also leaves the rates for `plan` and `run`."""
    result = limited.run(command("doctor", model), disk_mbps=disk_mbps, files=[model], env=env, timeout=120)
    if not result.ok or not result.json():
        raise SystemExit(f"error: {' '.join(result.command)}: {result.why()}")
    return result.json()


def disk_rates(model, disk_mbps=0, env=None):
    """{"tinyai, PATH": bytes per second} of each I/O path that works here, by `tinyai doctor`."""
    rates = doctor(model, disk_mbps, env)["disk_bytes_per_second"]
    return {f"tinyai, {path}": rate for path, rate in rates.items()}


def bench(model, prompt=0, n=0, reps=1, **flags):
    """A command that times a prompt of `prompt` tokens and the generation of `n`, the weights that stay
    being there already."""
    return command("bench", model, p=prompt, n=n, r=reps, **flags)


def bench_row(answer, kind):
    """The row of what `tinyai bench --json` printed for "pp" (prompt) or "tg" (generation); or {}."""
    rows = [row for row in answer.get("rows", []) if row["test"].startswith(kind)]
    return rows[0] if rows else {}


@functools.cache
def vocabulary(model):
    """Number of tokens the model knows."""
    result = limited.run(command("tokenize", model, p="a"), grouped=False, drop=False, timeout=60)
    return result.json()["vocabulary"]


def component(answer, *names):
    """Bytes of the components of a plan with these names, together."""
    return sum(part["bytes"] for part in answer["components"] if part["name"] in names)


def prompt(length, vocabulary=32000, seed=1):
    """`length` token ids that look like text: the first token starts one, the rest are arbitrary."""
    ids, state = [1], seed
    while len(ids) < length:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        ids.append(300 + (state >> 33) % (vocabulary - 300))
    return ids[:length]


@functools.cache
def commit():
    """The commit of the source, with "+" where files differ from it."""
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+" if changed else "")
