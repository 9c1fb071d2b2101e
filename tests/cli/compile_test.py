"""`tinyai compile` with --device and --cost: places by the formulas, and mistakes with their place."""
import pathlib
import unittest

from support import Case, tinyai

ROOT = pathlib.Path(__file__).resolve().parents[2]

SQUARE = "a = input(f32[64, 64]);\nb = matmul(a, a);\noutput b;\n"
DEVICES = """memory RAM = 1G align 256;
device CPU { memory RAM; coordinator; effects input, print, output; }
device NPU { memory RAM; branch none; }
"""
COSTS = """cost desk {{
  op matmul on CPU = {};
  op matmul(x) on NPU = 1us + x * 1ns;
  objective makespan;
}}
"""


class Machines(Case):
    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def compile(self, devices, costs, *flags):
        return tinyai("compile", self.write("p.value", SQUARE), "--device",
                      self.write("m.device", devices), "--cost", self.write("m.cost", costs), *flags)

    def test_ops_go_where_the_formulas_say(self):
        dear = self.compile(DEVICES, COSTS.format("1ms"))
        self.assertEqual(dear.code, 0, dear.err)
        self.assertIn("NPU {\n", dear.text)
        cheap = self.compile(DEVICES, COSTS.format("1ns"))
        self.assertEqual(cheap.code, 0, cheap.err)
        self.assertNotIn("NPU", cheap.text)

    def test_programs_run_on_what_was_declared(self):
        values = "[" + ", ".join(["0.5"] * 4096) + "]"
        flags = ["--run", "--input", self.write("in.json", values)]
        first = self.compile(DEVICES, COSTS.format("1ms"), *flags)
        second = self.compile(DEVICES, COSTS.format("1ns"), *flags)
        self.assertEqual(first.code, 0, first.err)
        self.assertEqual(first.out, second.out)
        self.assertIn(b"16", first.out)

    def test_mistakes_end_with_7_and_name_their_place(self):
        for devices, costs, key, said in (
                (DEVICES, COSTS.format("-1ms"), "COST_MODEL", "m.cost:2:22: error[I15]"),
                (DEVICES, COSTS.format("1ms; op matmul on CPU = 2ms"), "SCHEDULE_AMBIGUOUS",
                 "m.cost:2:30: error[A8]"),
                (DEVICES.replace("NPU", "TPU"), COSTS.format("1ms"), "SCHEDULE_UNKNOWN",
                 "m.cost:3:19: error[I7]"),
                (DEVICES.replace("branch", "brunch"), COSTS.format("1ms"), "SCHEDULE_SYNTAX",
                 "m.device:3:26: error[S1]")):
            with self.subTest(key):
                ended = self.compile(devices, costs)
                self.assertEqual(ended.code, 7, ended.err)
                self.assertEqual(ended.out, b"")
                self.assertIn(key, ended.err)
                self.assertIn(said, ended.err)


class Formatting(Case):
    def test_only_white_space_changes_and_only_once(self):
        path = self.directory / "p.value"
        path.write_text("x=input();// what is read\nif(x>0){y=-x;}else{y=x;}output y;")
        checked = tinyai("compile", "--format", "--check", str(path))
        self.assertEqual(checked.code, 7)
        self.assertIn("NOT_FORMATTED", checked.err)
        self.assertIn("p.value: line 1 is not written", checked.err)
        first = tinyai("compile", "--format", str(path))
        self.assertEqual(first.code, 0, first.err)
        self.assertEqual(first.text, "x = input();  // what is read\nif (x > 0) {\n  y = -x;\n} else {\n"
                                     "  y = x;\n}\noutput y;\n")
        path.write_text(first.text)
        self.assertEqual(tinyai("compile", "--format", "--check", str(path)).code, 0)

    def test_what_cannot_be_read_is_explained(self):
        path = self.directory / "p.value"
        path.write_text("x = ;\n")
        ended = tinyai("compile", "--format", str(path))
        self.assertEqual(ended.code, 7)
        self.assertIn("p.value:1:5: error[S1]", ended.err)

    def test_the_examples_are_written_as_they_should_be(self):
        for path in sorted((ROOT / "examples" / "programs").iterdir()):
            with self.subTest(path.name):
                self.assertEqual(tinyai("compile", "--format", "--check", str(path)).err, "")


if __name__ == "__main__":
    unittest.main()
