#!/usr/bin/env python3
"""Compares what each folder of src/ says it uses with what its files include.

usage: check_includes.py ROOT

Every folder's CMakeLists.txt names its modules, their files and the modules they use
(cmake/module.cmake). This reports
  - a file that no module names, or that several name;
  - an #include of a module that USES (for tests: USES and TEST_USES) does not name;
  - a name in USES or TEST_USES that nothing includes;
  - an arrow that the map of docs/ARCHITECTURE.md does not have, or a cycle;
  - a library's header, or the operating system's, outside the folders that may include it.
Prints one line per fault and exits with 1 if there is any.
"""
import pathlib
import re
import sys

# The map: what each folder may use at most. A folder that is not here has no place yet.
MAP = {
    "base": "",
    "os": "base",
    "format": "base",
    "graph": "base format",
    "onnx": "base format graph",
    "compress": "base graph kernel",
    "lang": "base",
    "solve": "base",
    "plan": "base graph lang solve",
    "program": "base lang solve plan",
    "view": "base plan",
    "kernel": "base",
    "gpu": "base os kernel plan",
    "run": "base os graph plan kernel gpu",
    "device": "base os lang plan program kernel gpu run",
    "text": "base format",
    "engine": "base os format graph onnx compress lang plan view kernel gpu run text",
    "capi": "base engine",
    "server": "base engine",
}
# Programs enter through engine/; besides, they show what a file, a plan and the machine are, read
# schedules, choose the instruction set, and offer the planner's searches by themselves.
PROGRAMS_USE = "base os format graph lang solve plan program view kernel text engine device gpu".split()

# Libraries by the start of the include's path, and the folders that may include them. Tests and
# benchmarks may include any.
LIBRARIES = {
    "absl/": "lang plan",
    "hwy/": "kernel",
    "liburing": "os",
    "vulkan/": "gpu",
    "volk.h": "gpu",
    "glslang/": "gpu",
    "pcre2.h": "text",
    "utf8proc.h": "text",
    "xxhash.h": "base",
    "boost/": "server",
    "CLI/": "apps",
    "nlohmann/": "format apps server",
    "tl/": "base",
    "fmt/": "base os format graph onnx compress lang solve plan program view kernel gpu run device text engine capi server apps",
    "gtest/": "",
    "gmock/": "",
    "rapidcheck": "",
    "benchmark/": "",
    "tinyai/": "capi device",  # include/
}

# Headers of the operating system, which src/os hides from everyone else.
SYSTEM = re.compile(
    r"(unistd|fcntl|dirent|elf|link|poll|pthread|sched|signal|spawn|dlfcn|malloc|termios|pwd|time|limits|"
    r"stdlib|stdio|string|errno|stdint)\.h$|(sys|linux|asm|arpa|netinet)/")
SYSTEM_FOLDERS = {"os", "apps"}
# The C headers that C++ has under another name.
C_HEADERS = re.compile(r"(assert|errno|limits|math|stdarg|stddef|stdint|stdio|stdlib|string|time)\.h$")
STANDARD = re.compile(r"[a-z_0-9]+$")  # <vector>, <cstdint>

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
KEYWORDS = {"USES", "LIBRARIES", "SOURCES", "TESTS", "TEST_USES", "TEST_LIBRARIES"}


class Module:
    def __init__(self, name, folder, arguments):
        self.name = name
        self.folder = folder
        self.lists = {keyword: [] for keyword in KEYWORDS}
        keyword = None
        for word in arguments:
            if word in KEYWORDS:
                keyword = word
            elif keyword:
                self.lists[keyword].append(word)


def strip_comments(text):
    return re.sub(r"#[^\n]*", "", text)


def read_modules(cmake_file):
    """The tinyai_module calls of one CMakeLists.txt; a variable stands for all values it is set to."""
    text = strip_comments(cmake_file.read_text())
    values = {}
    for name, words in re.findall(r"\bset\(\s*(\w+)\s*([^)]*)\)", text):
        values.setdefault(name, []).extend(words.split())
    modules = []
    for body in re.findall(r"\btinyai_module\(([^()]*)\)", text):
        words = []
        for word in body.split():
            variable = re.fullmatch(r"\$\{(\w+)\}", word)
            words.extend(values.get(variable.group(1), []) if variable else [word])
        modules.append(Module(words[0], cmake_file.parent.name, words[1:]))
    return modules


def read_test_programs(cmake_file):
    """The tinyai_test calls of one CMakeLists.txt: for each, its files and the modules it links."""
    text = strip_comments(cmake_file.read_text())
    for body in re.findall(r"\btinyai_test\(([^()]*)\)", text):
        program = Module("", cmake_file.parent.name, body.split())
        modules = [word.removeprefix("tinyai_") for word in program.lists["LIBRARIES"]]
        yield program.lists["SOURCES"], modules


def has_test_name(path):
    return bool(re.search(r"(_test|_?testing|_test_support|_damage_support)$", path.stem))


class Checker:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.modules = {}  # by name
        self.folders = {}  # folder -> its modules, the one of the folder's name first
        self.owners = {}  # (folder, file name) -> module names
        self.programs = {}  # (folder, stem) of a test program's file -> the modules it links
        self.used = {}  # (module name, keyword) -> modules that its files include

    def fault(self, path, message):
        self.faults.append(f"{path.relative_to(self.root)}: {message}")

    def read_all(self):
        for cmake_file in sorted(self.root.glob("src/*/CMakeLists.txt")):
            folder = cmake_file.parent.name
            modules = read_modules(cmake_file)
            if not modules:
                self.fault(cmake_file, "no tinyai_module here")
            if folder not in MAP:
                self.fault(cmake_file, f"folder '{folder}' is not on the map (MAP in this check)")
            modules.sort(key=lambda module: module.name != folder)
            self.folders[folder] = modules
            for module in modules:
                self.modules[module.name] = module
                for file_name in module.lists["SOURCES"] + module.lists["TESTS"]:
                    self.owners.setdefault((folder, file_name), []).append(module.name)
            for files, linked in read_test_programs(cmake_file):
                for file_name in files:
                    self.owners.setdefault((folder, file_name), []).append(modules[0].name)
                    self.programs[folder, pathlib.PurePath(file_name).stem] = linked
        for module in self.modules.values():
            for keyword in ("USES", "TEST_USES"):
                for name in module.lists[keyword]:
                    if name not in self.modules:
                        self.fault(self.cmake_of(module), f"{keyword} names '{name}', which is no module")

    def cmake_of(self, module):
        return self.root / "src" / module.folder / "CMakeLists.txt"

    def owner_of(self, folder, path):
        """The module that a file belongs to: a header goes with the source of its name."""
        for suffix in (path.suffix, ".cc"):
            names = self.owners.get((folder, path.stem + suffix))
            if names:
                return names[0]
        return self.folders[folder][0].name

    def check_folders(self):
        for folder, modules in self.folders.items():
            if not modules:
                continue
            for path in sorted((self.root / "src" / folder).rglob("*")):
                if path.suffix not in (".cc", ".h", ".c"):
                    continue
                if path.suffix != ".h":
                    names = self.owners.get((folder, path.name), [])
                    if len(names) != 1:
                        self.fault(path, f"named by {len(names)} modules of its CMakeLists.txt, not by one")
                self.check_file(folder, path)

    def is_test(self, folder, path):
        if has_test_name(path) or (folder, path.stem) in self.programs:
            return True
        return any(path.stem + ".cc" in module.lists["TESTS"] for module in self.folders[folder])

    def check_file(self, folder, path):
        module = self.modules[self.owner_of(folder, path)]
        is_test = self.is_test(folder, path)
        for quote, name in INCLUDE.findall(path.read_text()):
            target_folder = name.split("/")[0]
            if quote == '"' and target_folder in self.folders:
                if not (self.root / "src" / name).exists():
                    self.fault(path, f'"{name}" does not exist')
                    continue
                target = self.owner_of(target_folder, pathlib.PurePath(name))
                self.check_arrow(path, module, target, is_test)
            elif quote == '"' and not is_library(name):
                self.check_test_library(path, module, name, is_test)
            elif not is_test:
                self.check_outside(path, folder, name)

    def check_arrow(self, path, module, target, is_test):
        if target == module.name or target in self.programs.get((module.folder, path.stem), []):
            return
        if target in module.lists["USES"]:
            self.used.setdefault((module.name, "TESTS" if is_test else "USES"), set()).add(target)
        elif is_test:
            if target not in module.lists["TEST_USES"]:
                self.fault(path, f"includes from '{target}', which neither USES nor TEST_USES names")
            self.used.setdefault((module.name, "TEST_USES"), set()).add(target)
        else:
            self.fault(path, f"includes from '{target}', which USES does not name")

    def check_test_library(self, path, module, name, is_test):
        library = name.split("/")[0]
        if not is_test or not (self.root / "tests" / library).is_dir():
            self.fault(path, f'"{name}": unknown; our own files are named from src/')
            return
        linked = [word.removeprefix("tinyai_") for word in module.lists["TEST_LIBRARIES"]]
        linked += self.programs.get((module.folder, path.stem), [])
        if not any(word.startswith(library) for word in linked):
            self.fault(path, f"includes from tests/{library}, which its test does not link")

    def check_outside(self, path, folder, name):
        for prefix, allowed in LIBRARIES.items():
            if name.startswith(prefix):
                if folder not in allowed.split():
                    self.fault(path, f"<{name}> belongs to {allowed or 'tests'}, not to {folder}")
                return
        if STANDARD.match(name):
            return
        if C_HEADERS.match(name) and folder not in SYSTEM_FOLDERS:
            self.fault(path, f"<{name}> is <c{name[:-2]}> in C++")
        elif SYSTEM.match(name):
            if folder not in SYSTEM_FOLDERS:
                self.fault(path, f"<{name}> belongs to os, not to {folder}")
        else:
            self.fault(path, f"<{name}> is neither standard nor a library this check knows")

    def check_unused(self):
        for module in self.modules.values():
            for keyword in ("USES", "TEST_USES"):
                unused = set(module.lists[keyword]) - self.used.get((module.name, keyword), set())
                for name in sorted(unused):
                    self.fault(self.cmake_of(module),
                               f"{keyword} of '{module.name}' names '{name}', which no file includes")

    def check_map(self):
        for module in self.modules.values():
            allowed = MAP.get(module.folder, "").split() + [module.folder]
            for name in module.lists["USES"]:
                if name in self.modules and self.modules[name].folder not in allowed:
                    self.fault(self.cmake_of(module), f"'{module.name}' must not use '{name}' (the map)")

    def check_cycles(self):
        done, path = set(), []

        def visit(name):
            if name in path:
                cycle = " -> ".join(path[path.index(name):] + [name])
                self.fault(self.cmake_of(self.modules[name]), f"cycle {cycle}")
                return
            if name in done:
                return
            path.append(name)
            for used in self.modules[name].lists["USES"]:
                if used in self.modules:
                    visit(used)
            path.pop()
            done.add(name)

        for name in self.modules:
            visit(name)

    def check_programs(self):
        """apps/: what they include from src/, and no library that is not theirs."""
        for path in sorted((self.root / "apps").rglob("*")):
            if path.suffix not in (".cc", ".h", ".c") or has_test_name(path):
                continue
            for quote, name in INCLUDE.findall(path.read_text()):
                beside = quote == '"' and (path.parent / name).exists()
                folder = name.split("/")[0]
                if beside or (self.root / "apps" / name).exists():
                    continue
                if (self.root / "src" / name).exists():
                    if folder not in PROGRAMS_USE:
                        self.fault(path, f"programs must not use '{folder}'")
                else:
                    self.check_outside(path, "apps", name)


def is_library(name):
    return any(name.startswith(prefix) for prefix in LIBRARIES)


def main():
    checker = Checker(pathlib.Path(sys.argv[1]).resolve())
    checker.read_all()
    checker.check_folders()
    checker.check_unused()
    checker.check_map()
    checker.check_cycles()
    checker.check_programs()
    for fault in checker.faults:
        print(fault)
    if not checker.modules:
        print("no modules found under src/")
        sys.exit(1)
    print(f"{len(checker.modules)} modules, {len(checker.faults)} faults")
    sys.exit(1 if checker.faults else 0)


if __name__ == "__main__":
    main()
