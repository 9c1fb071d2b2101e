#!/usr/bin/env python3
"""Builds the tests of the C++ API over the installed library, shared and static, and runs them.

usage: cpp_test.py BUILD SOURCE
"""
import os
import pathlib
import sys
import unittest

BUILD, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / "tests/capi"))
from installed import InstalledTest, run  # noqa: E402


class CppApi(InstalledTest):
    BUILD = BUILD

    def test_its_tests_pass_with_either_library(self):
        programs = self.build(SOURCE / "tests/cpp/program", "-DCMAKE_BUILD_TYPE=Debug")
        environment = dict(os.environ, TINYAI_TEXT_MODEL=str(SOURCE / "apps/tinyai/models/tales-q8_0.gguf"))
        for program in ("shared", "static"):
            print(run(programs / program, "--gtest_brief=1", cwd=self.work, env=environment))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
