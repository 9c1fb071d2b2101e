"""Result files and tables. A result file holds every run with the machine, the commit and the time."""
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import sys

from lib import tinyai


def machine():
    """Facts about this machine that a figure depends on."""
    def first(path, pattern):
        match = re.search(pattern, pathlib.Path(path).read_text())
        return match[1].strip() if match else "unknown"

    def text(path):
        try:
            return pathlib.Path(path).read_text().strip()
        except OSError:
            return "unknown"

    return {
        "cpu": first("/proc/cpuinfo", r"model name\s*:(.*)"),
        "cpus": os.cpu_count(),
        "memory_bytes": int(first("/proc/meminfo", r"MemTotal:\s*(\d+)")) * 1024,
        "kernel": platform.release(),
        "transparent_huge_pages": text("/sys/kernel/mm/transparent_hugepage/enabled"),
    }


class ResultFile:
    """Collects runs and writes them after each one, so that an interrupted benchmark leaves what it
    has. The file is --out, or build/bench/NAME-TIME.json."""

    def __init__(self, name, arguments):
        self.date = datetime.datetime.now().astimezone().replace(microsecond=0)
        self.path = pathlib.Path(getattr(arguments, "out", None) or tinyai.ROOT / "build" / "bench" /
                                 f"{name}-{self.date:%Y%m%d-%H%M%S}.json")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.content = {"benchmark": name, "date": self.date.isoformat(), "commit": tinyai.commit(),
                        "arguments": {key: str(value) for key, value in vars(arguments).items()},
                        "machine": machine(), "rows": [], "runs": []}

    def add_run(self, result, **facts):
        """Keeps a limited.Run; `facts` say what it was for."""
        self.content["runs"].append({**facts, **result.record()})
        self.write()

    def add_row(self, **row):
        self.content["rows"].append(row)
        self.write()

    def write(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1, default=str) + "\n")
        os.replace(part, self.path)

    def finish(self):
        self.write()
        print(f"\nevery run: {self.path}")


def add_common_arguments(parser):
    parser.add_argument("--out", metavar="FILE", help="result file (build/bench/NAME-TIME.json)")


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    return a / b if a is not None and b else None


def text(value, digits=3):
    """A cell: numbers with `digits` significant ones, "-" for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        if value != 0 and abs(value) < 10 ** (digits - 1):
            return f"{value:.{digits}g}"
        return f"{value:,.0f}"
    return str(value)


def fixed(value, places=3):
    """A cell for a ratio: a fixed number of places."""
    return None if value is None else f"{value:.{places}f}"


def table(titles, rows):
    """Prints a table with columns as wide as they need; the first one left-aligned."""
    cells = [[text(cell) for cell in row] for row in rows]
    widths = [max([len(title)] + [len(row[i]) for row in cells]) for i, title in enumerate(titles)]
    for row in [list(titles)] + cells:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
    sys.stdout.flush()


class Checks:
    """Figures that have to hold; prints each and remembers whether all do."""

    def __init__(self):
        self.failed = 0

    def expect(self, holds, what):
        print(f"{'ok  ' if holds else 'MISS'}  {what}", flush=True)
        self.failed += not holds
        return holds

    def exit_code(self):
        return 1 if self.failed else 0


def run_parts(bench, parts, only=None):
    """Calls the methods of a benchmark that have these names, or the one of them that was asked for."""
    for part in parts:
        if only in (None, part):
            getattr(bench, part)()


def end(file, checks):
    """Ends the program: writes the file, and tells by the exit code whether all checks held."""
    file.finish()
    sys.exit(checks.exit_code())
