"""Model files given to the commands: damaged ones, odd ones, and what show and verify say."""
import os
import shutil
import socket
import struct
import subprocess
import time
import unittest

from support import TINYAI, Case, environment, tinyai


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


class Models(Case):
    def write(self, name, data):
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def tiny(self):
        with open(self.model("tiny-f32.gguf"), "rb") as file:
            return file.read()

    def test_a_cut_file_is_refused_before_any_generation(self):
        data = self.tiny()
        for size in (len(data) - 1, len(data) - 64, len(data) // 2):
            with self.subTest(size):
                path = self.write("cut.gguf", data[:size])
                ended = tinyai("run", "-m", path, "--prompt-tokens", "1,2")
                self.assert_error(ended, 3, "GGUF_TENSOR_RANGE")
                self.assertIn("cut.gguf", ended.err)
                self.assertEqual(ended.out, b"")

    def test_show_tells_everything_before_the_damage(self):
        data = self.tiny()
        whole = tinyai("show", "-m", self.write("whole.gguf", data), "--json").json
        self.assertNotIn("error", whole)
        ended = tinyai("show", "-m", self.write("cut.gguf", data[:1500]), "--json")
        self.assertEqual(ended.code, 3)
        keys = [entry["key"] for entry in ended.json["metadata"]]
        self.assertEqual(keys, [entry["key"] for entry in whole["metadata"]][:len(keys)])
        self.assertGreater(len(keys), 3)
        self.assertEqual(ended.json["error"]["key"], "GGUF_TRUNCATED")
        self.assertLessEqual(ended.json["error"]["offset"], 1500)

    def test_show_prints_no_control_byte_of_a_file(self):
        nasty = "a\x1b[2Jb\nc\x00d"
        head = b"GGUF" + struct.pack("<IQQ", 3, 0, 2)
        entries = string("general.architecture") + struct.pack("<I", 8) + string("llama")
        entries += string("general.name") + struct.pack("<I", 8) + string(nasty)
        ended = tinyai("show", "-m", self.write("nasty.gguf", head + entries))
        self.assertIn("a\\x1B[2Jb\\x0Ac\\x00d", ended.text)
        self.assertFalse(any(byte < 32 and byte != 10 for byte in ended.out))

    def test_a_control_byte_in_a_path_is_escaped(self):
        ended = tinyai("run", "-m", b"/nonexistent/\x1b[2J\xff\n")
        self.assert_error(ended, 5, "OPEN")
        self.assertNotIn("\x1b", ended.err)

    def test_only_regular_files_are_opened_and_nothing_waits(self):
        os.mkfifo(self.directory / "fifo")
        os.symlink("nowhere", self.directory / "broken")
        os.symlink("loop", self.directory / "loop")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(self.directory / "socket"))
        paths = [self.directory / name for name in ("fifo", "broken", "loop", "socket")]
        for path in [self.directory, *paths, "/dev/zero", "/dev/random", "", "-", "x" * 5000]:
            with self.subTest(str(path)[:60]):
                start = time.monotonic()
                self.assert_error(tinyai("run", "-m", str(path), "-p", "x"), 5, "OPEN")
                self.assertLess(time.monotonic() - start, 5)

    def test_names_with_spaces_and_foreign_letters_work(self):
        for name in ("with space.gguf", "Märchen – 童話.gguf", "-dash.gguf"):
            shutil.copyfile(self.model("tiny-q8_0.gguf"), self.directory / name)
            ended = subprocess.run([TINYAI, "run", "-m", name, "--prompt-tokens", "1", "-n", "2"],
                                   cwd=self.directory, capture_output=True, env=environment())
            self.assertEqual(ended.returncode, 0, ended.stderr)
        bad = os.fsencode(self.directory) + b"/\xff\xfe.gguf"
        shutil.copyfile(self.model("tiny-q8_0.gguf"), bad)
        self.assertEqual(tinyai("show", "-m", bad, "--json").code, 0)

    def test_verify_finds_the_first_bad_weight(self):
        data = bytearray(self.tiny())
        tensors = tinyai("show", "-m", self.write("good.gguf", data), "--json").json["tensors"]
        tensor = next(t for t in tensors if t["name"] == "blk.1.ffn_up.weight")
        data[tensor["offset"] + 40:tensor["offset"] + 44] = struct.pack("<f", float("nan"))
        path = self.write("bad.gguf", data)
        self.assertEqual(tinyai("verify", "-m", str(self.directory / "good.gguf")).code, 0)
        ended = tinyai("verify", "-m", path, "--json")
        self.assertEqual(ended.code, 3)
        self.assertEqual(ended.json["defects"],
                         [{"tensor": "blk.1.ffn_up.weight", "nans": 1, "infinities": 0,
                           "first_element": 10, "file": path, "offset": tensor["offset"] + 40}])
        ended = tinyai("run", "-m", path, "--prompt-tokens", "1,2,3")
        self.assert_error(ended, 1, "NUMERIC_NAN")

    def test_weights_of_zero_give_the_lowest_token_and_an_end(self):
        data = bytearray(self.tiny())
        tensors = tinyai("show", "-m", self.write("good.gguf", data), "--json").json["tensors"]
        first = min(t["offset"] for t in tensors)
        path = self.write("zero.gguf", bytes(data[:first]) + bytes(len(data) - first))
        ended = tinyai("run", "-m", path, "--prompt-tokens", "1,2", "-n", "4", "--temp", "0", "--json")
        self.assertEqual(ended.json["tokens"], [0, 0, 0, 0])


if __name__ == "__main__":
    unittest.main()
