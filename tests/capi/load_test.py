#!/usr/bin/env python3
"""Loads and unloads the shared library a hundred times in one process: load_and_unload.c.

usage: load_test.py SOURCE LIBRARY
"""
import pathlib
import sys
import tempfile

from installed import STRICT, run

SOURCE, LIBRARY = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "load_and_unload")
        run("cc", "-std=c11", "-D_GNU_SOURCE", *STRICT, "-Wno-pedantic", f"-I{SOURCE / 'include'}",
            SOURCE / "tests/capi/load_and_unload.c", "-o", program, "-ldl")
        print(run(program, LIBRARY, SOURCE / "apps/tinyai/models/tales-q8_0.gguf"), end="")


if __name__ == "__main__":
    main()
