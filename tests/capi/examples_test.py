#!/usr/bin/env python3
"""Compiles every C example of the API pages and guides as C11 and as C++20, every C++ one as C++20.

usage: examples_test.py SOURCE
An example that is no whole program is put into a function, after the includes that it begins with. The pages
have the names that the specification's pages link to, and lead to each other.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1])
PAGES = [*sorted((SOURCE / "docs/api").glob("*.md")), *sorted((SOURCE / "docs/guides").glob("*.md"))]
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{SOURCE / 'include'}"]


C = ["cc", "-std=c11"]
CPP = ["c++", "-std=c++20", "-xc++"]
CPP_FRAME = """
#include <cstdio>
#include <tinyai/tinyai.hpp>
int Example(const tinyai::Model& model, const tinyai::Model& small, tinyai::Session& session);
int Example(const tinyai::Model& model, const tinyai::Model& small, tinyai::Session& session) {
(void)model, (void)small, (void)session;
%s
return 0; }
"""


def programs():
    for page in PAGES:
        for i, (language, block) in enumerate(re.findall(r"```(c|cpp)\n(.*?)```", page.read_text(), re.DOTALL)):
            whole = "int main(" in block
            if language == "cpp" and not whole:
                block = CPP_FRAME % block
            elif not whole:
                lines = block.splitlines()
                includes = [line for line in lines if line.startswith("#include")]
                rest = [line for line in lines if not line.startswith("#include")]
                block = "\n".join([*includes, "#include <stdio.h>", "#include <tinyai/tinyai.h>",
                                   "int example(TinyAIMappedModel* model, TinyAIForwardScheduler* scheduler);",
                                   "int example(TinyAIMappedModel* model, TinyAIForwardScheduler* scheduler) {",
                                   "(void)model; (void)scheduler;", *rest, "return 0; }", ""])
            yield f"{page.relative_to(SOURCE)} #{i + 1}", [CPP] if language == "cpp" else [C, CPP], block


# What the specification's pages link to, and from where.
LINKS = {"docs/guides/memory_optimization.md": ["docs/api/forward_scheduler.md", "docs/api/mmap_loader.md"],
         "docs/api/optimization.md": ["docs/guides/memory_optimization.md"],
         "docs/api/mmap_loader.md": ["docs/guides/memory_optimization.md"]}


def missing_links():
    for page, froms in LINKS.items():
        for source in froms:
            link = os.path.relpath(page, os.path.dirname(source))
            if not (SOURCE / page).exists() or f"({link}" not in (SOURCE / source).read_text():
                yield f"{source} does not lead to {page}"


def main():
    faults = count = 0
    for missing in missing_links():
        faults += 1
        print(missing)
    with tempfile.TemporaryDirectory() as folder:
        for name, commands, text in programs():
            path = pathlib.Path(folder, "example.c")
            path.write_text(text)
            for command in commands:
                done = subprocess.run([*command, *STRICT, str(path)], capture_output=True, text=True)
                count += 1
                if done.returncode != 0:
                    faults += 1
                    print(f"{name} ({command[0]}):\n{done.stderr}")
    print(f"{count} compilations, {faults} faults")
    sys.exit(1 if faults or count == 0 else 0)


if __name__ == "__main__":
    main()
