"""`tinyai compile` with --device and --cost: places by the formulas, and mistakes with their place."""
import json
import os
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

    def test_a_run_says_where_its_costs_are_not_those_of_the_machine(self):
        flags = ["--run", "--input", "[" + "1 " * 4096 + "]"]
        far = self.compile(DEVICES, "cost desk { op matmul on * = 1000s; }", *flags, "--json")
        self.assertEqual(far.code, 0, far.err)
        self.assertEqual(far.json["drift"], True)
        self.assertEqual(far.json["outputs"][0]["value"][0][0], 64)
        self.assertEqual(far.json["predicted_seconds"], far.json["makespan_seconds"])
        self.assertLess(far.json["seconds"], far.json["predicted_seconds"])
        self.assertIn("it should have taken 1e+06 ms", far.err)
        alone = tinyai("compile", str(self.directory / "p.value"), *flags, "--json")
        self.assertNotIn("drift", alone.json)  # nothing was promised

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


class Objectives(Case):
    """The examples whose best schedule depends on what is to be least."""

    TABLES = {
        "overlap": """syncs  fences  bytes  recomputed  makespan  peak(RAM)  picked by
    2       2  65536           0  409.2 us      49152  syncs, fences, bytes, recomputed, peak(RAM)
    3       3  65536           0  311.2 us      98304  makespan
""",
        "far": """syncs  fences   bytes  recomputed  makespan  peak(RAM)  peak(VRAM)  picked by
    0       0       0           0  249.5 us     196608           0  syncs, fences, bytes, recomputed, peak(VRAM)
    2       2   65540           0  84.28 us      65536      196608  makespan, peak(RAM)
    2       2  131072           0  99.53 us     196608      131072
""",
        "again": """syncs  fences  bytes  recomputed  makespan  peak(RAM)  picked by
    1       1      4           1     85 us      32776  syncs, fences, bytes
    1       1  16384           1    545 us      16396
    1       1  16384           1    565 us      16392  peak(RAM)
    2       2      4           1     90 us      32772
    2       2      4           1    124 us      16392
    2       2  16388           0     51 us      16392  recomputed, makespan
""",
    }

    def compile(self, name, *flags):
        folder = ROOT / "examples" / "programs"
        files = [str(folder / f"{name}.value")]
        if (folder / f"{name}.schedule").exists():
            files.append(str(folder / f"{name}.schedule"))
        for kind in ("device", "cost"):
            if (folder / f"{name}.{kind}").exists():
                files += [f"--{kind}", str(folder / f"{name}.{kind}")]
        return tinyai("compile", *files, *flags)

    def test_each_has_its_table(self):
        for name, table in self.TABLES.items():
            with self.subTest(name):
                ended = self.compile(name, "--pareto")
                self.assertEqual(ended.code, 0, ended.err)
                self.assertEqual(ended.text, table)

    def test_json_has_the_same_rows_with_their_schedules(self):
        ended = self.compile("again", "--pareto", "--json")
        self.assertEqual(ended.code, 0, ended.err)
        rows = json.loads(ended.text)["pareto"]
        self.assertEqual([row["syncs"] for row in rows], [1, 1, 1, 2, 2, 2])
        self.assertEqual(rows[0]["picked_by"], ["syncs", "fences", "bytes"])
        self.assertEqual(rows[0]["peak"], {"RAM": 32776})
        self.assertIn("GPU {\n  recompute t;\n  high;\n", rows[0]["schedule"])

    def test_how_long_the_best_is_looked_for(self):
        fast = self.compile("again", "--fast", "--check")
        self.assertEqual(fast.code, 0, fast.err)
        self.assertTrue(fast.text.startswith("syncs 2 "), fast.text)  # nothing is computed again
        for flags in (["--exact"], ["--time", "5"], []):
            with self.subTest(flags):
                ended = self.compile("again", "--check", *flags)
                self.assertEqual(ended.code, 0, ended.err)
                self.assertTrue(ended.text.startswith("syncs 1 "), ended.text)
        both = self.compile("again", "--fast", "--exact")
        self.assertEqual(both.code, 2)
        self.assertIn("--fast and --exact exclude each other", both.err)


class Measuring(Case):
    """`tinyai doctor --cost`: a cost file of this machine."""

    def test_the_file_prices_every_op_for_every_place(self):
        costs = self.directory / "here.cost"
        ended = tinyai("doctor", "--cost", str(costs), "--gpu", "none")
        self.assertEqual(ended.code, 0, ended.err)
        for line in ("fence = ", "sync = ", "op matmul on GPU = ", "op exp on CPU = "):
            self.assertIn(line, costs.read_text())
        self.assertNotIn("op product", costs.read_text())  # no device that a model's ops can go to
        self.assertEqual(tinyai("compile", "--format", "--check", str(costs)).code, 0)
        program = self.directory / "p.value"
        program.write_text("x = input(f32[64, 64]);\ny = exp(matmul(x, x));\noutput y;\n")
        wishes = self.directory / "p.schedule"
        wishes.write_text("objective makespan;\n")
        compiled = tinyai("compile", str(program), str(wishes), "--cost", str(costs))
        self.assertEqual(compiled.code, 0, compiled.err)

    def test_the_device_file_is_not_overwritten(self):
        machine = self.directory / "m.device"
        machine.write_text(DEVICES)
        ended = tinyai("doctor", "--device", str(machine), "--cost", str(machine))
        self.assertEqual(ended.code, 5, ended.err)
        self.assertIn("OUTPUT_IS_INPUT", ended.err)
        self.assertEqual(machine.read_text(), DEVICES)
        alone = tinyai("doctor", "--device", str(machine))
        self.assertEqual(alone.code, 2)


class Kernels(Case):
    """--kernels: what extern functions call is what the user gives, and nothing else."""

    FOLDER = ROOT / "examples" / "kernels"
    INPUT = ["--run", "--input", "[3 1 2 9 8 7 4 5 6]"]

    def run_sorted(self, *flags, schedule=True):
        files = [str(self.FOLDER / "sorted.value")] + [str(self.FOLDER / "sorted.schedule")] * schedule
        return tinyai("compile", *files, *self.INPUT, *flags)

    def test_threads_call_a_library(self):
        for schedule in (True, False):
            ended = self.run_sorted("--kernels", os.environ["TINYAI_SORTED"], "--gpu", "none", schedule=schedule)
            self.assertEqual((ended.code, ended.text), (0, "median = 5\noutput = 2\n"), ended.err)

    def test_a_gpu_runs_glsl(self):
        ended = self.run_sorted("--kernels", os.environ["TINYAI_SORTED"], "--kernels", str(self.FOLDER / "sorted.comp"))
        if "note: no GPU" in ended.err:
            self.skipTest(ended.err)
        self.assertEqual((ended.code, ended.text), (0, "median = 5\noutput = 2\n"), ended.err)

    def test_what_was_not_given_is_named_with_its_line(self):
        ended = self.run_sorted("--gpu", "none")
        self.assertEqual(ended.code, 6)
        self.assertIn("error: PROGRAM_EXTERN: ", ended.err)
        self.assertIn(": 'far' at CPU: kernel 'sorted' ", ended.err)
        self.assertIn("--kernels", ended.err)

    def test_names_reach_only_the_table(self):
        program = self.directory / "evil.value"
        for name in ("system", "qsort", "tinyaiKernels", "/bin/sh", "../sorted"):
            with self.subTest(name):
                program.write_text(f'extern fn f(x: i32) -> i32 {{ CPU: "{name}"; }};\noutput f(input());\n')
                ended = tinyai("compile", str(program), "--run", "--kernels", os.environ["TINYAI_SORTED"], "--input", "1")
                self.assertEqual((ended.code, ended.out), (6, b""), ended.err)
                self.assertIn("PROGRAM_EXTERN", ended.err)

    def test_another_type_is_refused(self):
        program = self.directory / "p.value"
        program.write_text('extern fn f(x: f64[2]) -> f64[2] { CPU: "sorted"; };\noutput f(input(f64[2]));\n')
        ended = tinyai("compile", str(program), *self.INPUT, "--kernels", os.environ["TINYAI_SORTED"])
        self.assert_error(ended, 6, "KERNEL_TYPE")

    def test_files_that_are_none(self):
        for file, code, key in ((self.FOLDER / "sorted.value", 3, "KERNEL_FILE"), ("/no/such.so", 5, "OPEN")):
            self.assert_error(self.run_sorted("--kernels", str(file), schedule=False), code, key)


class Loops(Case):
    """What is in a loop over several places is shown in every form."""

    VALUES = """n = input();
for i in 0..1000 carry (s = n) {
  t = s + i;
  for j in 0..3 carry (q = t) {
    w = q * 3;
    next q = w - 1;
  }
  next s = q * 2;
}
output s;
"""
    WISHES = "CPU { loop i { t; loop j { w; } } }\nGPU { loop i { loop j { q; } s; } }\n"

    def emit(self, form):
        values, wishes = self.directory / "p.value", self.directory / "p.schedule"
        values.write_text(self.VALUES)
        wishes.write_text(self.WISHES)
        ended = tinyai("compile", str(values), str(wishes), "--emit", form)
        self.assertEqual(ended.code, 0, ended.err)
        return ended

    def test_json_has_a_plan_of_each_body(self):
        outer = self.emit("json").json["bodies"][0]
        self.assertEqual((outer["name"], outer["iterations"], outer["window"]), ("loop i", 1000, 1))
        self.assertEqual({at["place"] for at in outer["commands"]}, {"CPU", "GPU"})
        inner = outer["plan"]["bodies"][0]
        self.assertEqual((inner["name"], inner["iterations"]), ("loop j", 3))
        self.assertIn("w", [command["op"] for command in inner["plan"]["places"][0]["commands"]])

    def test_the_other_forms_show_them(self):
        dot = self.emit("dot").text
        self.assertIn('label="loop i, 1000 iterations"', dot)
        self.assertIn('l0_l0_o', dot)
        trace = json.loads(self.emit("trace").text)["traceEvents"]
        lanes = [event["args"]["name"] for event in trace if event["name"] == "thread_name"]
        self.assertEqual(lanes, ["CPU", "GPU", "CPU, loop i", "GPU, loop i", "CPU, loop i, loop j", "GPU, loop i, loop j"])
        spans = [event["name"] for event in trace if event["ph"] == "X"]
        self.assertEqual((spans.count("t"), spans.count("turns 5 to 1000"), spans.count("w")), (4, 2, 3))
        self.assertIn('"note":"loop j, 3 iterations"', self.emit("html").text)


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
        for path in sorted([*(ROOT / "examples" / "programs").iterdir(),
                            *(ROOT / "examples" / "kernels").glob("sorted.[vs]*")]):
            with self.subTest(path.name):
                self.assertEqual(tinyai("compile", "--format", "--check", str(path)).err, "")


if __name__ == "__main__":
    unittest.main()
