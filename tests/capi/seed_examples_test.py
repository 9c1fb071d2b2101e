#!/usr/bin/env python3
"""Runs the specification's usage examples against the installed library, on models that the builder makes.

usage: seed_examples_test.py BUILD SOURCE
Ends with 77 (skipped) where ../shared is not there. Programs that need a header which this version does
not have are left out, and named.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
EXAMPLES = SOURCE.parent / "shared/seed_examples"
TEXT_MODEL = SOURCE / "apps/tinyai/models/tales-q8_0.gguf"


def main():
    if not EXAMPLES.exists():
        print("the specification's examples are not here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        models, programs, prefix = work / "models", work / "programs", work / "prefix"
        (models / "path/to").mkdir(parents=True)
        programs.mkdir()
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--component", "library"],
                       check=True, stdout=subprocess.DEVNULL)
        include = prefix / "include"
        library = next(prefix.rglob("libtinyai.so")).parent
        for path in EXAMPLES.glob("*"):
            text = path.read_text()
            needed = [line.split("<")[1].split(">")[0] for line in text.splitlines()
                      if line.startswith("#include <tinyai/")]
            missing = [name for name in needed if not (include / name).exists()]
            if missing:
                print(f"left out: {path.name}, for {', '.join(missing)}")
            else:
                shutil.copy(path, programs)
        maker = work / "make_seed_models"
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{include}",
                        SOURCE / "tests/capi/make_seed_models.c", "-o", maker, f"-L{library}",
                        f"-Wl,-rpath,{library}", "-ltinyai", "-lm"], check=True)
        subprocess.run([maker], check=True, cwd=models)
        subprocess.run([BUILD / "tinyai", "convert", TEXT_MODEL, models / "large_language_model.tmai", "-q"],
                       check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run([programs / "check.sh", include, library, models], env=dict(os.environ))
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
