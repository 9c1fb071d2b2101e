#!/usr/bin/env python3
"""Every relative link in README.md and docs/ leads to a file, and its #part to a heading there.

usage: check_links.py ROOT
Also: every path in backquotes that starts with one of our folders exists.
"""
import pathlib
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:src|apps|tests|docs|tools|cmake|bench|fuzz|include)/[\w./-]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def anchors_of(path):
    """The names that a page's headings get where it is shown."""
    anchors = set()
    for line in FENCE.sub("", path.read_text()).splitlines():
        heading = re.match(r"#+\s+(.*)", line)
        if heading:
            words = re.sub(r"[^\w\s-]", "", heading.group(1).lower())
            anchors.add(re.sub(r"\s", "-", words.strip()))
    return anchors


def faults_of(page, root):
    text = FENCE.sub("", page.read_text())
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, part = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f"link to {target}: no such file"
        elif part and part not in anchors_of(path):
            yield f"link to {target}: no such heading"
    for name in CODE_PATH.findall(text):
        if not (root / name).exists():
            yield f"`{name}`: no such file"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = sorted(root.glob("*.md")) + sorted(root.glob("docs/**/*.md"))
    faults = [f"{page.relative_to(root)}: {fault}" for page in pages for fault in faults_of(page, root)]
    print("\n".join(faults + [f"{len(pages)} pages, {len(faults)} faults"]))
    sys.exit(1 if faults or not pages else 0)


if __name__ == "__main__":
    main()
