#!/usr/bin/env python3
"""Which test covers each row of the specification's tables of the C API (spec/c_api.md, sections 1 to 3).

usage: conformance_test.py SOURCE TEST_PROGRAM [--update]
conformance.tsv beside this file has a line `id<TAB>test` for each row; `-` where there is none yet. A test
is one of the program's, or a script of tests/ that ctest runs, or, for what a row wants measured, a benchmark.
This checks that the list has every row (where ../shared is there) and no other, that every test it names
exists and is not disabled, and prints the fraction covered. --update adds rows that are missing.
"""
import pathlib
import re
import subprocess
import sys

SOURCE, PROGRAM = pathlib.Path(sys.argv[1]), sys.argv[2]
LIST = pathlib.Path(__file__).with_name("conformance.tsv")
PAGE = SOURCE.parent / "shared/spec/c_api.md"


def rows_of(page):
    """One id for each row of a table: its section and the names that stand in its first cell."""
    section, ids, in_table = "", [], False
    for line in page.splitlines():
        heading = re.match(r"#+ ([\d.]+)", line)
        if heading:
            section = heading.group(1).rstrip(".")
        if not line.startswith("|"):
            in_table = False
            continue
        if re.match(r"\|[\s:|-]+\|$", line):
            in_table = True
            continue
        if not in_table or section.startswith(("2", "4", "5")):
            continue
        cell = line.strip("|").split("|")[0]
        name = re.search(r"tinyai\w+(?=\()|TINYAI_\w+|TinyAI\w+\.\w+|`\.\w+|TinyAI\w+|^ *D\d+", cell)
        text = name.group(0) if name else re.sub(r"[^\w ]", "", cell).strip()[:40]
        ids.append(f"{section} {text.strip(' `')}")
    return [f"{row} #{ids[:i].count(row) + 1}" if ids[:i].count(row) else row for i, row in enumerate(ids)]


def tests_of(program):
    names, suite = set(), ""
    for line in subprocess.run([program, "--gtest_list_tests"], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        if line.startswith(" "):
            names.add(suite + line.split("#")[0].strip())
        else:
            suite = line.strip()
    return names


def exists(test, known):
    if "/" not in test:
        return test in known
    path = SOURCE / test
    listing = SOURCE / ("bench/README.md" if test.startswith("bench/") else pathlib.Path(test).parent / "CMakeLists.txt")
    return path.exists() and path.name in listing.read_text()


def main():
    listed = dict(line.split("\t") for line in LIST.read_text().splitlines()) if LIST.exists() else {}
    faults = []
    if PAGE.exists():
        rows = rows_of(PAGE.read_text())
        if "--update" in sys.argv:
            listed = {row: listed.get(row, "-") for row in rows}
            LIST.write_text("".join(f"{row}\t{test}\n" for row, test in listed.items()))
        faults += [f"no line for '{row}'" for row in rows if row not in listed]
        faults += [f"no row for '{row}'" for row in listed if row not in rows]
    else:
        print("the specification is not here; the list is taken as it is")
    known = tests_of(PROGRAM)
    covered = 0
    for row, tests in listed.items():
        if tests == "-":
            print(f"not covered: {row}")
            continue
        covered += 1
        faults += [f"{row}: there is no test {test}" for test in tests.split() if not exists(test, known)]
    print("\n".join(faults + [f"{covered} of {len(listed)} rows covered: {100 * covered / max(len(listed), 1):.1f} %"]))
    sys.exit(1 if faults or not listed else 0)


if __name__ == "__main__":
    main()
