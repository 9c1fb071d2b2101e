"""Layer graphs on the command line: planned, computed, measured, with inputs and outputs as files of NumPy."""
import array
import json
import pathlib
import signal
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "onnx"))
import nets
import onnx_model
from support import Case, start, tinyai


def npy(shape, values, descr="<f4", fortran=False, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({''.join(f'{n}, ' for n in shape)}), }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + values.tobytes()


def read_npy(path):
    data = path.read_bytes()
    size = struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:10 + size], {"__builtins__": {}})  # what we have written ourselves
    assert data[:8] == b"\x93NUMPY\x01\x00" and header["descr"] == "<f4" and not header["fortran_order"]
    return header["shape"], array.array("f", data[10 + size:])


class LayerGraphs(Case):
    def net(self, net):
        """A net of nets.py as .tmai, with its input as .npy: both paths."""
        onnx, inputs, _ = net.model()
        (self.directory / "net.onnx").write_bytes(onnx)
        path = self.directory / "net.tmai"
        ended = tinyai("convert", str(self.directory / "net.onnx"), str(path), "--force")
        self.assertEqual(ended.code, 0, ended.err)
        for name, shape, values in inputs:
            (self.directory / f"{name}.npy").write_bytes(npy(shape, values))
        return str(path), str(self.directory / f"{inputs[0][0]}.npy")

    def chain(self, width=64, layers=24):
        net = nets.Net("chain")
        x = net.input([width])
        for _ in range(layers):
            x = net.activation(net.dense(x, width), "relu")
        return self.net(net)

    def wide(self):
        """Maps of half a MiB, the first of which waits for the last."""
        net = nets.Net("wide")

        def conv(x, outs):
            return net.activation(net.conv(x, outs, 3), "relu")
        first = conv(net.input([2, 64, 64]), 32)
        x = conv(net.pool(first, "max", 2, 2), 32)
        net.conv(net.concat([first, net.resize(x, [64, 64], "nearest")]), 2, 3)
        return self.net(net)

    def small(self):
        """relu(x w), with weights that are whole numbers: the path, and what it makes of its input."""
        model = onnx_model.Model()
        model.weight([3, 2], array.array("f", range(6)), name="w")
        model.output(model.op("Relu", [model.op("MatMul", [model.input("x", [1, 3]), "w"])]))
        onnx, path = self.directory / "small.onnx", self.directory / "small.tmai"
        onnx.write_bytes(model.bytes())
        self.assertEqual(tinyai("convert", str(onnx), str(path)).code, 0)
        return str(path)

    def file(self, name, data):
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def plan(self, model, *flags):
        ended = tinyai("plan", "-m", model, "--json", *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return ended.json

    def output(self, model, given, *flags):
        """The bytes of the one output, and the answer."""
        out = self.directory / "out.npy"
        ended = tinyai("run", "-m", model, "--input", given, "-o", str(out), "--json", *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return read_npy(out)[1].tobytes(), ended.json

    # --- what is planned ---

    def test_the_least_budget_is_true(self):
        for make in (self.wide, self.chain):
            model, _ = make()
            least = self.plan(model)["least_budget_bytes"]
            self.assertLessEqual(self.plan(model, "--memory", str(least))["predicted_peak_bytes"], least)
            ended = tinyai("plan", "-m", model, "--memory", str(least * 99 // 100), "--json")
            self.assertEqual(ended.code, 4, ended.err)
            self.assertIn(f"need={least} ", ended.err)
            self.assertEqual((ended.json["feasible"], ended.json["least_budget_bytes"]), (False, least))
            ended = tinyai("run", "-m", model, "--memory", str(least * 99 // 100), "--input", self.directory / "input0.npy")
            self.assert_error(ended, 4, "BUDGET_INFEASIBLE")

    def test_a_plan_tells_what_it_does(self):
        model, _ = self.net(nets.u_net())
        plan = self.plan(model)
        self.assertEqual((plan["batch"], plan["streamed_bytes_per_pass"]), (1, 0))
        self.assertEqual(sum(part["bytes"] for part in plan["components"]), plan["predicted_peak_bytes"])
        self.assertGreaterEqual(plan["largest_batch"], 1)
        text = tinyai("plan", "-m", model, "--explain").text
        for part in ("per pass", "passes/s", "One pass:", "batches of 1", "inputs", "Why:"):
            self.assertIn(part, text)
        self.assertNotIn("token", text)
        for form in ("schedule", "json", "trace", "html", "dot"):
            ended = tinyai("plan", "-m", model, "--emit", form)
            self.assertEqual(ended.code, 0, ended.err)
            self.assertGreater(len(ended.out), 1000)

    def test_less_memory_changes_the_graph_and_no_bit(self):
        model, given = self.wide()
        plain, answer = self.output(model, given)
        self.assertEqual(answer["outputs"][0]["not_finite"], 0)
        least = self.plan(model)["least_budget_bytes"]
        peaks, changed = [], 0
        for flags in (["--mode", "streaming"], ["--mode", "memory"], ["--mode", "normal"], ["-t", "1"],
                      ["--memory", str(least)], ["--speed", "0"], ["--speed", "0.5"], ["--io", "buffered"]):
            with self.subTest(flags):
                same, answer = self.output(model, given, *flags)
                self.assertEqual(same, plain)
                plan = self.plan(model, *flags)
                self.assertEqual(answer["counted_peak_bytes"], plan["predicted_peak_bytes"])
                changed += len(plan["changes"])
                peaks.append(plan["predicted_peak_bytes"])
        self.assertEqual(peaks[:3], sorted(peaks[:3]))
        self.assertGreater(changed, 0)  # bands, or what is computed again or put away

    def test_weights_are_streamed_where_they_do_not_fit(self):
        model, given = self.chain()
        plain, _ = self.output(model, given)
        plan = self.plan(model, "--mode", "memory")
        self.assertGreater(plan["streamed_bytes_per_pass"], 24 * 64 * 64 * 4 // 2)
        same, answer = self.output(model, given, "--mode", "memory")
        self.assertEqual(same, plain)
        self.assertGreaterEqual(answer["weights_read_bytes"], plan["streamed_bytes_per_pass"])

    # --- inputs and outputs ---

    def test_numbers_are_those_of_the_model(self):
        model = self.small()
        given = self.file("x.npy", npy([3], array.array("f", [1, 2, -3])))
        ended = tinyai("run", "-m", model, "--input", given, "--json")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertEqual([it["first"] for it in ended.json["outputs"]], [[0, 0]])
        given = self.file("x.npy", npy([3], array.array("f", [1, 2, 3]), version=2))
        ended = tinyai("run", "-m", model, "--input", f"x={given}")
        self.assertIn("first 16 22\n", ended.text)
        self.assertIn("best  1: 22  0: 16\n", ended.text)

    def test_samples_go_through_in_batches(self):
        model = self.small()
        values = array.array("f", range(15))
        given = self.file("x.npy", npy([5, 3], values))
        wanted = [max(0, sum(values[3 * n + i] * (2 * i + j) for i in range(3))) for n in range(5) for j in range(2)]
        for batch in ("1", "2", "5", "9", "0"):
            with self.subTest(batch):
                out = self.directory / "out.npy"
                ended = tinyai("run", "-m", model, "--input", given, "-o", str(out), "--batch", batch, "--memory", "32M",
                               "--json")
                self.assertEqual(ended.code, 0, ended.err)
                shape, numbers = read_npy(out)
                self.assertEqual((shape, list(numbers)), ((5, 2), wanted))
                self.assertEqual(ended.json["samples"], 5)

    def test_what_is_no_input_is_told(self):
        model = self.small()
        floats = array.array("f", range(12))
        bad = {"shape": ("INPUT_SHAPE", 2, npy([4], floats[:4])), "rank": ("INPUT_SHAPE", 2, npy([1, 1, 3], floats[:3])),
               "none": ("INPUT_SHAPE", 2, npy([0, 3], floats[:0])),
               "type": ("NPY_TYPE", 6, npy([3], array.array("d", range(3)), "<f8")),
               "order": ("NPY_ORDER", 6, npy([4, 3], floats, fortran=True)),
               "cut": ("NPY_SIZE", 3, npy([3], floats[:3])[:-1]), "long": ("NPY_SIZE", 3, npy([3], floats[:4])),
               "gguf": ("NPY_HEADER", 3, b"GGUF" + bytes(100)), "empty": ("NPY_HEADER", 3, b"")}
        for name, (key, code, data) in bad.items():
            with self.subTest(name):
                path = self.file("bad.npy", data)
                ended = tinyai("run", "-m", model, "--input", path, "--json")
                self.assert_error(ended, code, key)
                self.assertIn(path, ended.err)
        ended = tinyai("run", "-m", model)
        self.assert_error(ended, 2, "INPUT_MISSING")
        self.assertIn("x [3]", ended.err)
        good = self.file("x.npy", npy([3], floats[:3]))
        ended = tinyai("run", "-m", model, "--input", f"y={good}")
        self.assert_error(ended, 2, "NO_SUCH_VALUE")
        self.assert_error(tinyai("run", "-m", model, "--input", good, "--input", f"x={good}"), 2, "BAD_USAGE")
        self.assert_error(tinyai("run", "-m", model, "--input", str(self.directory / "none.npy")), 5, "OPEN")
        self.assert_error(tinyai("run", "-m", model, "--input", good, "-o", good), 5, "OUTPUT_IS_INPUT")
        self.assert_error(tinyai("run", "-m", model, "--input", good, "-p", "x"), 2, "BAD_USAGE")
        self.assert_error(tinyai("run", "--input", good), 2, "BAD_USAGE")
        self.assert_error(tinyai("run", "-m", model, "--input", good, "-c", "5"), 2, "BAD_OPTION")
        self.assert_error(tinyai("plan", "--batch", "2"), 2, "BAD_OPTION")

    def test_numbers_that_are_none_are_told(self):
        model = self.small()
        given = self.file("x.npy", npy([3], array.array("f", [1, float("nan"), float("inf")])))
        ended = tinyai("run", "-m", model, "--input", given)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("note: 2 numbers of input 'x' are infinite or none", ended.err)

    def test_several_inputs_have_names(self):
        net = nets.Net("two")
        net.add(net.input([4]), net.input([4]))
        model, _ = self.net(net)
        one, two = (self.file(name, npy([4], array.array("f", [value] * 4))) for name, value in (("a", 1), ("b", 2)))
        ended = tinyai("run", "-m", model, "--input", f"input1={two}", "--input", f"input0={one}", "--json")
        self.assertEqual(ended.json["outputs"][0]["first"], [3, 3, 3, 3], ended.err)
        ended = tinyai("run", "-m", model, "--input", one)
        self.assert_error(ended, 2, "BAD_USAGE")
        self.assertIn("input0 [4], input1 [4]", ended.err)
        self.assert_error(tinyai("run", "-m", model, "--input", f"input0={one}"), 2, "INPUT_MISSING")
        more = self.file("c", npy([2, 4], array.array("f", [0] * 8)))
        ended = tinyai("run", "-m", model, "--input", f"input0={one}", "--input", f"input1={more}")
        self.assert_error(ended, 2, "INPUT_SHAPE")

    # --- schedules and plans ---

    def test_schedules_are_obeyed(self):
        model, given = self.chain()
        plain, _ = self.output(model, given)
        show = tinyai("show", "-m", model, "--json").json
        first = show["tensors"][0]["name"]
        path = self.file("evict.sched", f'CPU {{ evict "{first}"; }}'.encode())
        plan = self.plan(model, "--schedule", path)
        self.assertGreaterEqual(plan["streamed_bytes_per_pass"], 64 * 64 * 4)
        self.assertEqual(self.output(model, given, "--schedule", path)[0], plain)
        path = self.file("bad.sched", b'CPU { pin "no such thing"; }')
        ended = tinyai("run", "-m", model, "--input", given, "--schedule", path)
        self.assertEqual(ended.code, 7)
        self.assertIn("error: SCHEDULE_UNKNOWN", ended.err)

    def test_ops_may_run_on_a_device(self):
        model, given = self.wide()
        plain, _ = self.output(model, given)
        device = self.file("a.device", b"memory RAM = 16G; memory VRAM = 64M; device CPU { memory RAM; coordinator; effects "
                           b"input, print, output; } device GPU { memory VRAM; api thread; } link RAM -> VRAM = 1us + bytes / 8G; "
                           b"link VRAM -> RAM = 1us + bytes / 8G;")
        ops = [layer["name"] for layer in tinyai("show", "-m", model, "--json").json["layers"]]
        flags = ["--device", device, "--schedule"]
        path = self.file("a.sched", f"GPU {{ {'; '.join(ops[2:5])}; }}".encode())
        same, _ = self.output(model, given, *flags, path)
        self.assertEqual(same, plain)
        plan = self.plan(model, *flags, path)
        self.assertIn("GPU", [queue["name"] for queue in plan["queues"]])
        inputs = tinyai("show", "-m", model, "--json").json["inputs"]
        path = self.file("b.sched", f"GPU {{ {inputs[0]['name']}; }}".encode())
        ended = tinyai("plan", "-m", model, *flags, path)
        self.assertEqual(ended.code, 7)
        self.assertIn("error[I1]", ended.err)

    def test_a_saved_plan_is_carried_out(self):
        model, given = self.wide()
        plain, _ = self.output(model, given)
        least = str(self.plan(model)["least_budget_bytes"])
        saved = str(self.directory / "net.plan")
        for flags in ([], ["--memory", least], ["--mode", "streaming"], ["--batch", "2"]):
            with self.subTest(flags):
                ended = tinyai("plan", "-m", model, *flags, "--emit", "schedule", "-o", saved)
                self.assertEqual(ended.code, 0, ended.err)
                same, answer = self.output(model, given, "--plan", saved)
                self.assertEqual(same, plain)
                self.assertEqual(answer["counted_peak_bytes"], self.plan(model, *flags)["predicted_peak_bytes"])
                again = tinyai("plan", "-m", model, "--schedule", saved, "--emit", "schedule")
                self.assertEqual(again.text, pathlib.Path(saved).read_text(encoding="utf-8"), again.err)
        text = pathlib.Path(saved).read_text(encoding="utf-8")
        other = self.small()
        self.assertIn("error: PLAN_MISMATCH", tinyai("bench", "-m", other, "--plan", saved).err)
        head = text.index("\n") + 1
        for record in ("change \"x\": bands, first 0, second 9999, count 2;", "change \"x\": spill, first 7;",
                       "change \"x\": recompute, first 0, second 1;", "change \"x\": bands, recompute, first 0, second 1;"):
            path = self.file("bad.plan", (text[:head] + record + "\n" + text[head:]).encode())
            ended = tinyai("run", "-m", model, "--input", given, "--plan", path)
            self.assertEqual(ended.code, 7, ended.err)

    # --- the rest ---

    def test_bench_counts_passes(self):
        model, _ = self.chain()
        ended = tinyai("bench", "-m", model, "-n", "5", "-r", "2", "--memory", "64M", "--json")
        self.assertEqual(ended.code, 0, ended.err)
        row = ended.json["rows"][0]
        self.assertEqual((row["test"], row["passes"], len(row["all_passes_per_second"])), ("pass5", 5, 2))
        self.assertEqual(ended.json["counted_peak_bytes"], ended.json["predicted_peak_bytes"])
        self.assertGreater(row["predicted_passes_per_second"], 0)
        text = tinyai("bench", "-m", model, "-n", "1", "-r", "1").text
        self.assertTrue(text.startswith("net.tmai in "), text)
        self.assertIn("passes/s", text)

    def test_an_onnx_model_needs_no_converting(self):
        model, given = self.net(nets.u_net())
        plain, answer = self.output(model, given)
        onnx = str(self.directory / "net.onnx")
        same, direct = self.output(onnx, given)
        self.assertEqual((same, direct["counted_peak_bytes"]), (plain, answer["counted_peak_bytes"]))
        self.assertEqual(self.plan(onnx)["least_budget_bytes"], self.plan(model)["least_budget_bytes"])
        self.assertEqual(tinyai("bench", "-m", onnx, "-n", "1", "-r", "1").code, 0)
        self.assertEqual(tinyai("show", "-m", onnx, "--json").json["layers"], tinyai("show", "-m", model, "--json").json["layers"])
        self.assert_error(tinyai("plan", "-m", model, "--dim", "n=1"), 2, "BAD_OPTION")
        self.assertEqual(tinyai("run", "-m", onnx, "--input", given, env=dict(PATH="", TMPDIR="/dev/null/no")).code, 0)

    def test_a_trace_is_written(self):
        model, given = self.chain()
        trace = self.directory / "trace.json"
        ended = tinyai("run", "-m", model, "--input", given, "--trace", str(trace))
        self.assertEqual(ended.code, 0, ended.err)
        names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
        self.assertIn("pass 0", names)

    def test_a_signal_leaves_no_file(self):
        model, _ = self.chain(width=512, layers=40)
        samples = 20000
        given = self.directory / "many.npy"
        with given.open("wb") as file:
            file.write(npy([samples, 512], array.array("f")))
            file.truncate(file.tell() + samples * 512 * 4)
        out = self.directory / "out.npy"
        process = start("run", "-m", model, "--input", str(given), "-o", str(out), "--json")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        answer, _ = process.communicate(timeout=60)
        if process.returncode == 0:
            self.skipTest("it was done before the signal came")
        self.assertEqual(process.returncode, 130)
        self.assertLess(json.loads(answer)["samples"], samples)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
