#!/usr/bin/env python3
"""Builds the tests of the C++ API over the installed library, shared and static, and runs them.

usage: cpp_test.py BUILD SOURCE
"""
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, **options)


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        quiet = {"stdout": subprocess.DEVNULL}
        run("cmake", "--install", BUILD, "--prefix", work / "prefix", "--component", "library", **quiet)
        run("cmake", "-S", SOURCE / "tests/cpp/program", "-B", work / "b", f"-DCMAKE_PREFIX_PATH={work / 'prefix'}",
            "-DCMAKE_BUILD_TYPE=Debug", **quiet)
        run("cmake", "--build", work / "b")
        environment = dict(os.environ, TINYAI_TEXT_MODEL=str(SOURCE / "apps/tinyai/models/tales-q8_0.gguf"))
        for program in ("shared", "static"):
            run(work / "b" / program, "--gtest_brief=1", cwd=work, env=environment)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} ended with {error.returncode}")
