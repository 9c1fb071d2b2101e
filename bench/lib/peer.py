"""llama.cpp as the peer, through tests/oracle (its README says how to fetch it)."""
import dataclasses
import json
import os

from lib import limited, tinyai


@dataclasses.dataclass
class PeerRun:
    """Rates in tokens per second, a number per repetition; None with `why` where it gave none."""
    generation: list = None
    prompt: list = None
    why: str = "ok"
    run: limited.Run = None


def why_missing():
    """None where the peer can be run, else the reason."""
    folder = os.environ.get("TINYAI_ORACLE_LIBRARIES") or (
        tinyai.ROOT / "tests/oracle/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64")
    if not os.path.isdir(folder):
        return "llama.cpp is not installed; 'npm ci --ignore-scripts' in tests/oracle fetches it"
    return None


def bench(model, n=32, prompt_tokens=0, threads=2, repeats=1, mmap=True, repack=True, warm_up=True,
          **limits):
    """Times `repeats` prompts and generations in one process; `limits` as for limited.run."""
    request = {"op": "bench", "model": str(model), "n": n, "prompt_tokens": prompt_tokens,
               "threads": threads, "repeats": repeats, "mmap": mmap, "repack": repack,
               "warm_up": warm_up}
    command = [tinyai.program("tests/oracle/tinyai_oracle"), json.dumps(request)]
    result = limited.run(command, files=[model], **limits)
    answer = result.json()
    if not result.ok or "error" in answer or not answer:
        return PeerRun(why=answer.get("error") or result.why(), run=result)
    return PeerRun(answer["tokens_per_second"], answer["prompt_tokens_per_second"], run=result)


def streaming(model, n, seconds, **limits):
    """Generation of `n` tokens from the mapped file within `seconds`, without the repacking that makes
    it hold a second copy: (PeerRun, bytes read per token). What loading and the first token read is
    found by a run that does only that, and subtracted."""
    first = bench(model, n=1, repack=False, timeout=seconds, **limits)
    if first.generation is None:
        return first, None
    more = bench(model, n=1 + n, repack=False, timeout=seconds, **limits)
    if more.generation is None:
        return more, None
    return more, max(0, more.run.disk_read - first.run.disk_read) / n
