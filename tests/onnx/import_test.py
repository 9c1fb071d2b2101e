#!/usr/bin/env python3
"""ONNX models through `tinyai convert` and the engine, against onnxruntime on the same file: the nets of nets.py in
every mode, and small models of the ops and patterns that exporters write (onnx_cases.py). Within 1e-4."""
import array
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import nets
import onnx_cases
import onnxruntime

RUNNER, TINYAI = os.environ.get("TINYAI_NET_RUNNER"), os.environ.get("TINYAI")
SKIPPED = 77  # ctest's word for it
MODES = ("normal", "memory", "streaming", "adaptive")


def expected(runtime, model, inputs, outputs):
    session = onnxruntime.Session(runtime, model, inputs, outputs)
    session.run()
    values = [session.result(i)[1] for i in range(len(outputs))]
    session.close()
    return [value for part in values for value in part]


class Import(unittest.TestCase):
    def check(self, name, model, inputs, outputs, modes=MODES[:1], flags=()):
        theirs = expected(onnxruntime.Runtime(), model, inputs, outputs)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "net.onnx").write_bytes(model)
            ended = subprocess.run([TINYAI, "convert", folder / "net.onnx", folder / "net.tmai", *flags],
                                   capture_output=True, text=True, timeout=120)
            self.assertEqual(ended.returncode, 0, ended.stderr)
            (folder / "inputs.bin").write_bytes(b"".join(array.array("f", data).tobytes() for _, _, data in inputs))
            first, largest = None, 0.0
            for mode in modes:
                subprocess.run([RUNNER, folder, mode, "2"], check=True, stdout=subprocess.DEVNULL, timeout=120)
                ours = array.array("f", (folder / "outputs.bin").read_bytes())
                self.assertEqual(len(ours), len(theirs))
                largest = max(largest, max(abs(a - b) for a, b in zip(ours, theirs)))
                self.assertLess(largest, 1e-4, mode)
                first = first or ours.tobytes()
                self.assertEqual(ours.tobytes(), first, mode)
        return largest

    def check_net(self, make):
        net = make()
        model, inputs, output = net.model()
        print(f"{net.name}: off by at most {self.check(net.name, model, inputs, [output], MODES):.2g}", file=sys.stderr)

    def test_a_mobile_net_agrees(self):
        self.check_net(nets.mobile_net)

    def test_a_res_net_agrees(self):
        self.check_net(nets.res_net)

    def test_a_u_net_agrees(self):
        self.check_net(nets.u_net)

    def test_a_transformer_agrees(self):
        self.check_net(nets.transformer)

    def test_an_lstm_agrees(self):
        self.check_net(nets.lstm)

    def test_ops_and_patterns_agree(self):
        for case in onnx_cases.CASES:
            with self.subTest(case.__name__):
                model = onnx_cases.build(case)
                self.check(case.__name__, model.bytes(), model.data, model.results, flags=model.flags)


if __name__ == "__main__":
    if not onnxruntime.is_there():
        print("skipped: no onnxruntime here (tests/onnx/README.md)")
        sys.exit(SKIPPED)
    unittest.main()
