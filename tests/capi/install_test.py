#!/usr/bin/env python3
"""Installs the library into a new prefix, and uses it from there as a stranger would.

usage: install_test.py BUILD
With pkg-config, shared and static, as C11 and as C++; with find_package; and the shared library
exports nothing but tinyai*.
"""
import pathlib
import sys
import unittest

from installed import STRICT, InstalledTest, run

PROGRAM = """
#include <stdio.h>
#include <string.h>
#include <tinyai/utils/mmap_loader.h>

int main(void) {
    TinyAIMappedModel* model = tinyaiOpenMappedModel("no such file", NULL);
    printf("%s %s\\n", tinyaiGetVersion(), tinyaiGetLastErrorKey());
    return model == NULL && strcmp(tinyaiGetLastErrorKey(), "OPEN") == 0 ? 0 : 1;
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(stranger C CXX)
find_package(tinyai 0.1 REQUIRED)
add_executable(shared program.c)
target_link_libraries(shared PRIVATE tinyai::tinyai)
add_executable(static program.c)
target_link_libraries(static PRIVATE tinyai::static)
set_target_properties(static PROPERTIES LINKER_LANGUAGE CXX)
"""


class Installed(InstalledTest):
    BUILD = pathlib.Path(sys.argv[1])

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.work / "program.c").write_text(PROGRAM)

    def compile_and_run(self, compiler, flags, libraries):
        program = self.work / "program"
        run(compiler, *STRICT, *flags, "program.c", "-o", program, *libraries, cwd=self.work)
        self.assertIn("OPEN", run(program, cwd=self.work, env=self.environment))

    def test_shared_with_pkg_config_from_c_and_cpp(self):
        flags, libraries = self.pkg_config("--cflags"), self.pkg_config("--libs")
        self.compile_and_run("cc", ["-std=c11", *flags], libraries)
        self.compile_and_run("c++", ["-std=c++20", "-xc++", *flags], ["-xnone", *libraries])

    def test_static_with_pkg_config(self):
        libraries = [str(self.library.parent / "libtinyai.a") if word == "-ltinyai" else word
                     for word in self.pkg_config("--static", "--libs")]
        self.compile_and_run("cc", ["-std=c11", *self.pkg_config("--cflags")], libraries)

    def test_find_package(self):
        (self.work / "CMakeLists.txt").write_text(CMAKE)
        programs = self.build(self.work)
        for program in ("shared", "static"):
            self.assertIn("OPEN", run(programs / program, env=self.environment))

    def test_only_the_api_is_exported(self):
        names = {line.split()[-1].split("@")[0]
                 for line in run("nm", "-D", "--defined-only", self.library).splitlines()}
        names.discard("TINYAI_0")  # the version itself
        self.assertEqual([name for name in sorted(names) if not name.startswith("tinyai")], [])
        headers = "".join(path.read_text() for path in self.prefix.rglob("*.h"))
        self.assertEqual([name for name in sorted(names) if f"{name}(" not in headers], [])

    def test_it_has_a_soname(self):
        self.assertIn("libtinyai.so.0", run("readelf", "-d", self.library))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
