"""Models for benchmarks: made when first asked for, kept in ~/.cache/tinyai/models."""
import os
import pathlib
import subprocess
import sys

from lib import tinyai

ROOT = tinyai.ROOT
SHARED = pathlib.Path(os.environ.get("TINYAI_SHARED", ROOT.parent / "shared"))
# Shapes for the types that tools/make_gguf.py does not write, in make_model's words.
SHAPES = {
    "1b": dict(n_embd=2048, n_layer=22, n_ff=5632, n_head=32, n_head_kv=4, n_vocab=32000, n_context=2048),
    "8b": dict(n_embd=4096, n_layer=32, n_ff=14336, n_head=32, n_head_kv=8, n_vocab=128256, n_context=8192),
}
FROM_SHARED = {"F32", "F16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"}


def folder():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    path = cache / "tinyai" / "models"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _make(path, command, quiet=False):
    """Runs `command` + [file] and puts the file in place when it is whole."""
    if path.exists():
        return path
    if not quiet:
        _say(f"making {path}")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        subprocess.run([*map(str, command), str(part)], check=True, stdout=subprocess.DEVNULL)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def preset(name, kind="Q4_0"):
    """The path of a llama-shaped model `name` ("1b", "8b", ...) with matrices of type `kind`."""
    kind = kind.upper()
    path = folder() / f"{name}-{kind.lower()}.gguf"
    if path.exists():
        return path
    maker = SHARED / "tools" / "make_gguf.py"
    if kind in FROM_SHARED and maker.exists():
        return _make(path, [sys.executable, maker, "--preset", name, "--type", kind])
    return generated(path, type=kind, **SHAPES[name])


def generated(path, quiet=False, **spec):
    """A model of tests/make_model at `path`, with its options as keywords (n_embd=64, type="Q4_0")."""
    command = [tinyai.program("tests/make_model/make_model")]
    for key, value in spec.items():
        flag = "--" + key.replace("_", "-")
        command += [flag] if value is True else [flag, value]
    return _make(pathlib.Path(path), command, quiet)


def find(text, kind="Q4_0"):
    """The model that --model names: a file, "tales", or a preset."""
    if text == "tales":
        return SHARED / "models" / "tales-q8_0.gguf"
    return pathlib.Path(text) if os.path.sep in text or text.endswith(".gguf") else preset(text, kind)
