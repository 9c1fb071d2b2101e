#!/usr/bin/env python3
"""Nets of nets.py through the engine, in every mode and with one thread and two, against onnxruntime on the same
weights: within 1e-4, and always the same bits."""
import array
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import nets
import onnxruntime

RUNNER = os.environ.get("TINYAI_NET_RUNNER")
SKIPPED = 77  # ctest's word for it


def expected(runtime, net):
    model, inputs, output = net.model()
    session = onnxruntime.Session(runtime, model, inputs, [output])
    session.run()
    shape, values = session.result()
    session.close()
    return shape, values


class Nets(unittest.TestCase):
    def check(self, make):
        net = make()
        shape, theirs = expected(onnxruntime.Runtime(), net)
        self.assertEqual(shape[1:], net.values[-1][1])
        with tempfile.TemporaryDirectory() as folder:
            net.write(folder)
            first, largest = None, 0.0
            for mode in ("normal", "memory", "streaming", "adaptive"):
                for threads in ("1", "2"):
                    subprocess.run([RUNNER, folder, mode, threads], check=True, stdout=subprocess.DEVNULL, timeout=120)
                    ours = array.array("f", (pathlib.Path(folder) / "outputs.bin").read_bytes())
                    self.assertEqual(len(ours), len(theirs))
                    largest = max(largest, max(abs(a - b) for a, b in zip(ours, theirs)))
                    self.assertLess(largest, 1e-4, f"{mode}, {threads} threads")
                    first = first or ours.tobytes()
                    self.assertEqual(ours.tobytes(), first, f"{mode}, {threads} threads")
        print(f"{net.name}: off by at most {largest:.2g}", file=sys.stderr)

    def test_a_mobile_net_agrees(self):
        self.check(nets.mobile_net)

    def test_a_res_net_agrees(self):
        self.check(nets.res_net)

    def test_a_u_net_agrees(self):
        self.check(nets.u_net)

    def test_a_transformer_agrees(self):
        self.check(nets.transformer)

    def test_an_lstm_agrees(self):
        self.check(nets.lstm)


if __name__ == "__main__":
    if not onnxruntime.is_there():
        print("skipped: no onnxruntime here (tests/onnx/README.md)")
        sys.exit(SKIPPED)
    unittest.main()
