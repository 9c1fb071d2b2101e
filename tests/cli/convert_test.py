"""tinyai convert: the file it writes, what it refuses, and how it ends when it is stopped."""
import array
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "onnx"))
import onnx_model
from support import TINYAI, Case, environment, start, tinyai


class Convert(Case):
    def setUp(self):
        super().setUp()
        self.gguf = self.model("tiny-f32.gguf")
        self.out = self.directory / "out.tmai"

    def names(self):
        return sorted(path.name for path in self.directory.iterdir())

    def test_a_converted_model_answers_the_same(self):
        ended = tinyai("convert", self.gguf, str(self.out), "--json")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertEqual(ended.json["bytes"], self.out.stat().st_size)
        flags = ["--prompt-tokens", "1,2,3", "-n", "12", "--temp", "0", "-c", "64"]
        before = tinyai("run", "-m", self.gguf, *flags)
        after = tinyai("run", "-m", str(self.out), *flags)
        self.assertEqual(after.code, 0, after.err)
        self.assertEqual(after.out, before.out)
        show = tinyai("show", "-m", str(self.out), "--json").json
        self.assertEqual(show["format"], "TMAI v1")
        self.assertEqual(len(show["tensors"]), ended.json["tensors"])
        self.assertEqual(tinyai("verify", "-m", str(self.out)).code, 0)

    def test_weights_take_fewer_bits_and_zeros_on_the_way(self):
        ended = tinyai("convert", self.gguf, str(self.out), "--precision", "int8,ffn=int4,output=int2", "--prune", "0.5",
                       "--prune-block", "2")
        self.assertEqual(ended.code, 0, ended.err)
        types = {t["name"]: t["type"] for t in tinyai("show", "-m", str(self.out), "--json").json["tensors"]}
        self.assertEqual((types["blk.0.attn_q.weight"], types["blk.0.ffn_up.weight"], types["output.weight"],
                          types["output_norm.weight"]), ("Q8_0", "Q4_0", "INT2", "F32"))
        flags = ["--prompt-tokens", "1,2,3", "-n", "12", "--temp", "0", "-c", "64"]
        self.assertEqual(tinyai("run", "-m", str(self.out), *flags).code, 0)
        self.assertEqual(tinyai("verify", "-m", str(self.out)).code, 0)
        # From what was converted already, again; by what there was, not by what it is now called.
        again = self.directory / "again.tmai"
        self.assertEqual(tinyai("convert", str(self.out), str(again), "--precision", "f16").code, 0)
        types = {t["type"] for t in tinyai("show", "-m", str(again), "--json").json["tensors"]}
        self.assertEqual(types, {"F16", "F32"})
        for flags in (["--precision", "int3"], ["--precision", "nose=int8"], ["--prune", "1.5"], ["--prune", "nan"],
                      ["--prune-block", "0"]):
            ended = tinyai("convert", self.gguf, str(self.directory / "new.tmai"), *flags)
            self.assert_error(ended, 2, "BAD_OPTION")
        self.assertEqual(self.names(), ["again.tmai", "out.tmai"])

    def onnx(self, *nodes, weights=None):
        """A file of nodes (op, operands), one after the other; `w` is a weight of [3, 2]."""
        model = onnx_model.Model()
        value = model.input("x", [1, 3])
        if weights is None:
            model.weight([3, 2], array.array("f", range(6)), name="w")
        else:
            model.tensors.append(weights)
        for op, *operands in nodes:
            value = model.op(op, [value, *operands])
        model.output(value)
        path = self.directory / "net.onnx"
        path.write_bytes(model.bytes())
        return str(path)

    def test_an_onnx_model_becomes_a_layer_graph(self):
        path = self.onnx(("MatMul", "w"), ("Relu",))
        ended = tinyai("convert", path, str(self.out), "--json")
        self.assertEqual((ended.code, ended.json["tensors"]), (0, 1), ended.err)
        show = tinyai("show", "-m", str(self.out), "--json").json
        self.assertEqual([layer["role"] for layer in show["layers"]], ["output", "other"])
        self.assertEqual(tinyai("verify", "-m", str(self.out)).code, 0)
        self.assert_error(tinyai("convert", path, path, "--force"), 5, "OUTPUT_IS_INPUT")
        self.assert_error(tinyai("convert", path, str(self.out), "--force", "--precision", "f16"), 2, "BAD_OPTION")
        self.assert_error(tinyai("convert", path, str(self.out), "--dim", "n=0"), 2, "BAD_OPTION")
        self.assertEqual(tinyai("verify", "-m", path).code, 0)

    def test_an_onnx_model_reads_nothing_outside_of_its_folder(self):
        def external(location):
            entries = b"".join(onnx_model.field(13, onnx_model.field(1, key) + onnx_model.field(2, value))
                               for key, value in (("location", location), ("offset", "0")))
            shape = onnx_model.field(1, 3) + onnx_model.field(1, 2)
            return shape + onnx_model.field(2, 1) + onnx_model.field(8, "w") + entries + onnx_model.field(14, 1)
        secret = self.directory / "secret"
        secret.write_bytes(bytes(24))
        folder = self.directory / "model"
        folder.mkdir()
        (folder / "link").symlink_to(secret)
        for location, code, key in (("../secret", 3, "ONNX_PATH"), (str(secret), 3, "ONNX_PATH"),
                                    ("link", 3, "ONNX_PATH"), ("missing", 3, "ONNX_DATA")):
            path = folder / "net.onnx"
            os.replace(self.onnx(("MatMul", "w"), weights=external(location)), path)
            self.assert_error(tinyai("convert", str(path), str(self.out)), code, key)
        (folder / "weights").write_bytes(bytes(24))
        os.replace(self.onnx(("MatMul", "w"), weights=external("weights")), path)
        self.assertEqual(tinyai("convert", str(path), str(self.out)).code, 0)

    def large_onnx(self, rows, cols):
        """Two products of weights that are zeros and holes in the file: one as it lies, one turned."""
        field, varint = onnx_model.field, onnx_model.varint
        head = b"".join(field(1, size) for size in (rows, cols)) + field(2, onnx_model.FLOAT)
        size = rows * cols * 4
        tensors = [head + field(8, name) + varint(9 << 3 | 2) + varint(size) for name in ("a", "b")]
        model = onnx_model.Model()
        x = model.op("Gemm", [model.input("x", [1, cols]), "a"], transB=1)
        model.output(model.op("MatMul", [x, "b"]))
        nodes = b"".join(field(1, node) for node in model.nodes) + field(11, model.inputs[0]) + field(12, model.outputs[0])
        whole = [varint(5 << 3 | 2) + varint(len(tensor) + size) + tensor for tensor in tensors]
        length = len(nodes) + sum(len(part) + size for part in whole)
        path = self.directory / f"{rows}.onnx"
        with path.open("wb") as file:
            file.write(field(1, 8) + field(8, field(1, "") + field(2, 17)) + varint(7 << 3 | 2) + varint(length) + nodes)
            for part in whole:
                file.write(part)
                file.truncate(file.tell() + size)
                file.seek(size, os.SEEK_CUR)
        return path

    def test_an_onnx_model_of_any_size_takes_the_same_memory(self):
        peaks = []
        for rows, cols in ((2048, 1024), (8192, 2048)):  # 16 and 128 MiB
            path = self.large_onnx(rows, cols)
            process = subprocess.Popen([str(TINYAI), "convert", str(path), str(self.out), "--force", "-q"],
                                       env=environment(), stdout=subprocess.DEVNULL)
            _, process.returncode, usage = os.wait4(process.pid, 0)
            self.assertEqual(process.returncode, 0)
            self.assertGreater(self.out.stat().st_size, 8 * rows * cols)
            peaks.append(usage.ru_maxrss // 1024)
        print(f"peak of converting 16 MiB: {peaks[0]} MiB, 128 MiB: {peaks[1]} MiB", file=sys.stderr)
        self.assertLessEqual(peaks[1], peaks[0] + 4)
        self.assertLess(peaks[1], 48)

    def test_what_an_onnx_model_lacks_is_said(self):
        ended = tinyai("convert", self.onnx(("Cumsum", "w")), str(self.out))
        self.assert_error(ended, 6, "ONNX_OP")
        self.assertIn("Cumsum", ended.err)
        path = self.directory / "net.onnx"
        path.write_bytes(path.read_bytes()[:-30])
        self.assert_error(tinyai("convert", str(path), str(self.out)), 3, "ONNX_PARSE")

    def test_show_lists_the_layers_in_order(self):
        self.assertEqual(tinyai("convert", self.gguf, str(self.out)).code, 0)
        show = tinyai("show", "-m", str(self.out), "--json").json
        layers = show["layers"]
        self.assertEqual([layer["role"] for layer in layers[:3] + layers[-1:]],
                         ["embedding", "attention", "ffn", "output"])
        in_layers = sum(layer["weight_bytes"] for layer in layers)
        self.assertLessEqual(in_layers, sum(tensor["bytes"] for tensor in show["tensors"]))
        self.assertGreater(in_layers, 0)
        text = tinyai("show", "-m", str(self.out)).text
        self.assertRegex(text, r"Layers:\n +name +role")
        self.assertRegex(text, r"\n +1 +\S+ +attention ")

    def test_a_damaged_block_is_found_by_verify_and_stops_a_run(self):
        self.assertEqual(tinyai("convert", self.gguf, str(self.out)).code, 0)
        tensors = tinyai("show", "-m", str(self.out), "--json").json["tensors"]
        tensor = next(t for t in tensors if t["name"] == "blk.0.ffn_up.weight")
        with open(self.out, "r+b") as file:
            file.seek(tensor["offset"])
            byte = file.read(1)
            file.seek(tensor["offset"])
            file.write(bytes([byte[0] ^ 1]))
        run = tinyai("run", "-m", str(self.out), "--prompt-tokens", "1,2", "-n", "2")
        self.assert_error(run, 3, "TMAI_CHECKSUM")
        verify = tinyai("verify", "-m", str(self.out), "--json")
        self.assertEqual(verify.code, 3)
        self.assertIn(tensor["name"], [defect["tensor"] for defect in verify.json["defects"]])

    def test_what_is_there_is_kept_unless_forced(self):
        self.out.write_text("old")
        self.assert_error(tinyai("convert", self.gguf, str(self.out)), 5, "OUTPUT_EXISTS")
        self.assertEqual(self.out.read_text(), "old")
        self.assertEqual(tinyai("convert", self.gguf, str(self.out), "--force").code, 0)
        self.assertEqual(tinyai("verify", "-m", str(self.out)).code, 0)
        self.assertEqual(self.names(), ["out.tmai"])

    def test_refusals(self):
        copy = self.directory / "in.gguf"
        with open(self.gguf, "rb") as file:
            copy.write_bytes(file.read())
        os.link(copy, self.directory / "hard")
        os.symlink(copy, self.directory / "soft")
        for name in ("in.gguf", "hard", "soft"):
            with self.subTest(name):
                ended = tinyai("convert", str(copy), str(self.directory / name), "--force")
                self.assert_error(ended, 5, "OUTPUT_IS_INPUT")
        ended = tinyai("convert", str(copy), str(self.directory), "--force")
        self.assert_error(ended, 5, "OUTPUT_TARGET")
        self.assert_error(tinyai("convert", str(copy)), 2, "BAD_USAGE")
        self.assertEqual(tinyai("convert", str(copy), str(self.out)).code, 0)
        ended = tinyai("convert", str(self.out), str(self.directory / "again"))
        self.assert_error(ended, 2, "ALREADY_CONVERTED")
        self.assertEqual(self.names(), ["hard", "in.gguf", "out.tmai", "soft"])

    def test_a_full_disk_is_an_error_and_leaves_the_old_file(self):
        self.out.write_text("old")
        limit = 100 * 1024  # as a disk that is full in the middle: writes beyond fail with EFBIG
        ended = subprocess.run(
            ["prlimit", f"--fsize={limit}", TINYAI, "convert", self.gguf, str(self.out), "--force"],
            capture_output=True, env=environment(), timeout=60)
        self.assertEqual(ended.returncode, 5, ended.stderr)
        self.assertIn(b"error: IO_WRITE: ", ended.stderr)
        self.assertEqual(self.out.read_text(), "old")
        self.assertEqual(self.names(), ["out.tmai"])

    def large(self):
        """A model that takes a while to write: of one large tensor, most of it a hole."""
        path = self.directory / "large.gguf"
        with open(self.gguf, "rb") as file:
            head = file.read(8)
        rows = 1 << 18  # of 4096 floats: 4 GiB
        import struct
        name = b"w"
        record = struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, 4096, rows, 0, 0)
        header = head + struct.pack("<QQ", 1, 0) + record
        with open(path, "wb") as file:
            file.write(header)
            file.truncate((len(header) + 31) // 32 * 32 + 4096 * 4 * rows)
        return str(path)

    def test_signals_end_it_at_once_and_leave_nothing(self):
        large = self.large()
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number):
                process = start("convert", large, str(self.out))
                time.sleep(0.3)
                process.send_signal(number)
                _, err = process.communicate(timeout=20)
                self.assertEqual(process.returncode, code, err)
                self.assertEqual(self.names(), ["large.gguf"])

    def test_a_kill_at_any_time_leaves_old_or_nothing(self):
        large = self.large()
        self.out.write_text("old")
        for delay in (0.01, 0.05, 0.2):
            process = start("convert", large, str(self.out), "--force")
            time.sleep(delay)
            process.kill()
            process.communicate(timeout=20)
            self.assertEqual(self.out.read_text(), "old")
            self.assertEqual(self.names(), ["large.gguf", "out.tmai"])


if __name__ == "__main__":
    unittest.main()
