#!/usr/bin/env python3
"""Rules for single files: none over 8 MB; every header has #pragma once (but -inl.h, which is read
once per instruction set); no source file has tabs, an unfinished last line or over 600 lines.

usage: check_files.py ROOT
Looks at what git tracks and what it would track; without git, at everything but build/.
"""
import pathlib
import subprocess
import sys

MOST_BYTES = 8_000_000
MOST_LINES = 600
SOURCES = {".cc", ".h", ".hpp", ".c", ".comp"}


def files_of(root):
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
        paths = [root / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        skipped = {"build", "node_modules", ".git"}
        paths = [path for path in root.rglob("*") if not skipped & set(path.relative_to(root).parts)]
    return sorted(path for path in paths if path.is_file())


def faults_of(path):
    size = path.stat().st_size
    if size > MOST_BYTES:
        yield f"{size} bytes, more than {MOST_BYTES}"
    if path.suffix not in SOURCES:
        return
    text = path.read_text()
    lines = text.count("\n")
    if path.suffix in (".h", ".hpp") and not path.stem.endswith("-inl") and "#pragma once" not in text:
        yield "no #pragma once"
    if text and not text.endswith("\n"):
        yield "no end of line at the end"
    if "\t" in text:
        yield "a tab"
    if lines > MOST_LINES:
        yield f"{lines} lines, more than {MOST_LINES}: look for the second subject inside"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = files_of(root)
    faults = [f"{path.relative_to(root)}: {fault}" for path in files for fault in faults_of(path)]
    print("\n".join(faults + [f"{len(files)} files, {len(faults)} faults"]))
    sys.exit(1 if faults or not files else 0)


if __name__ == "__main__":
    main()
