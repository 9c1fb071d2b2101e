#!/usr/bin/env python3
"""Builds the programs of examples/ over the installed library, without a warning, and runs them.

usage: example_programs_test.py BUILD SOURCE
With its CMake package, and one of them with pkg-config as README.md shows; each has to do what it says.
"""
import os
import pathlib
import re
import sys
import unittest

from installed import STRICT, InstalledTest, run

BUILD, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
EXAMPLES = SOURCE / "examples"
TEXT_MODEL = SOURCE / "apps/tinyai/models/tales-q8_0.gguf"
FLAGS = [*STRICT, "-O1"]


class ExamplePrograms(InstalledTest):
    BUILD = BUILD

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = cls.build(EXAMPLES, f"-DCMAKE_C_FLAGS={' '.join(FLAGS)}", f"-DCMAKE_CXX_FLAGS={' '.join(FLAGS)}")

    def example(self, name, *arguments):
        return run(self.programs / name, *arguments, cwd=self.work)

    def numbers(self, pattern, text):
        found = re.search(pattern, text)
        self.assertIsNotNone(found, text)
        return [float(group) for group in found.groups()]

    def test_every_source_is_a_program(self):
        sources = {path.stem for path in EXAMPLES.iterdir() if path.suffix in (".c", ".cc")}
        self.assertEqual(sources, {path.name for path in self.programs.iterdir()
                                   if path.is_file() and not path.suffix and os.access(path, os.X_OK)})

    def test_kernels_of_ones_own(self):
        program = EXAMPLES / "kernels" / "sorted.value"
        out = run(BUILD / "tinyai", "compile", program, "--run", "--kernels",
                  self.programs / "libsorted.so", "--input", "[3 1 2 9 8 7 4 5 6]")
        self.assertEqual(out, "median = 5\noutput = 2\n")

    def test_a_model_larger_than_its_memory(self):
        out = self.example("larger_than_memory")
        (weights,) = self.numbers(r"32 layers, (\d+) bytes", out)
        peak, limit = self.numbers(r"peak (\d+) of at most (\d+)", out)
        self.assertGreaterEqual(weights, 16 * limit)
        self.assertLessEqual(peak, limit)

    def test_a_residual_connection_keeps_what_it_reads(self):
        plain, wired = self.example("residual").split("with a residual connection:")
        self.assertIn("layer 2 reads 1; layer 0 is gone", plain)
        self.assertIn("layer 2 reads 1; layer 0 is held", wired)
        self.assertIn("layer 4 reads 3 0", wired)

    def test_fewer_bits_take_fewer_bytes_and_move_the_result(self):
        out = self.example("mixed_precision")
        bytes_and_error = [self.numbers(rf"{name} +(\d+) bytes, farthest (\S+)", out)
                           for name in ("as in the file", "FP16", "INT8", "INT4")]
        whole = bytes_and_error[0][0]
        self.assertEqual([round(whole / size, 2) for size, _ in bytes_and_error], [1, 2, 3.76, 7.11])
        errors = [error for _, error in bytes_and_error]
        self.assertEqual(errors[0], 0)
        self.assertEqual(errors, sorted(errors))
        self.assertLess(errors[2], 0.2)

    def test_a_text_goes_on(self):
        out = self.example("text", TEXT_MODEL, "Once upon a time")
        self.assertTrue(out.startswith("Once upon a time"), out)
        self.assertGreater(len(out), 60)

    def test_the_adaptive_cache_finds_what_the_plain_one_does_not(self):
        plain, adaptive = self.numbers(r"(\d+) % found, adaptive (\d+) %", self.example("adaptive_cache"))
        self.assertEqual(plain, 0)
        self.assertGreaterEqual(adaptive, 45)

    def test_with_pkg_config(self):
        run("cc", "-std=c11", *FLAGS, EXAMPLES / "adaptive_cache.c", "-o", self.work / "program",
            *self.pkg_config("--cflags", "--libs"))
        self.assertIn("found, adaptive", run(self.work / "program", cwd=self.work, env=self.environment))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
