#!/usr/bin/env python3
"""Compares docs/errors.md with the keys that the sources give to errors, both ways.

usage: check_errors.py ROOT
The page's rows are | `KEY` | exit codes | meaning | what to do |. In the sources a key is a string
literal that follows an ErrorCode, is assigned to a key, is the first argument of Bad(), or starts like
a key of the page ("GGUF_..."). Where the code stands beside the key, the row must have it.
"""
import pathlib
import re
import sys

KEY = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*"
ROW = re.compile(rf"^\| `({KEY})` \| ([\d, ]+) \|", re.MULTILINE)
WITH_CODE = re.compile(rf'ErrorCode::(k\w+),\s*"({KEY})"')
WITHOUT_CODE = re.compile(rf'(?:\bBad\(\s*|\bkey\s*=\s*|_key\s*=\s*)"({KEY})"')
LITERAL = re.compile(rf'"({KEY})"')
# Names of other things that look like keys: environment variables.
OTHERS = {"NO_COLOR"}
ENUMERATOR = re.compile(r"(k\w+) = (\d+),")


def sources(root):
    for folder in ("src", "apps"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cc", ".h") and not re.search(r"_test$|testing$|support$", path.stem):
                yield path


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    result_header = (root / "src/base/result.h").read_text()
    exit_codes = {name: int(value) for name, value in ENUMERATOR.findall(result_header)}
    page = root / "docs/errors.md"
    rows = {key: {int(code) for code in re.findall(r"\d+", codes)}
            for key, codes in ROW.findall(page.read_text())}
    families = {key.split("_")[0] + "_" for key in rows if "_" in key}

    faults, literals, seen_codes = [], set(), {}
    for path in sources(root):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        literals |= set(LITERAL.findall(text))
        found = set(WITHOUT_CODE.findall(text))
        found |= {key for key in LITERAL.findall(text) if any(key.startswith(f) for f in families)}
        for code, key in WITH_CODE.findall(text):
            found.add(key)
            seen_codes.setdefault(key, set()).add(exit_codes[code])
        for key in sorted(found - rows.keys() - OTHERS):
            faults.append(f"{path.relative_to(root)}: {key} is not in docs/errors.md")
    for key, codes in rows.items():
        if key not in literals:
            faults.append(f"docs/errors.md: {key} is in no source")
        for code in sorted(seen_codes.get(key, set()) - codes):
            faults.append(f"docs/errors.md: {key} is also given with exit code {code}")
    print("\n".join(faults + [f"{len(rows)} keys, {len(faults)} faults"]))
    sys.exit(1 if faults or not rows else 0)


if __name__ == "__main__":
    main()
