"""--time 0 and 0.001: whatever the size of the problem, an answer that is valid (faults.md, K8)."""
import json
import pathlib
import random
import signal
import time as clock
import unittest

from support import Case, start, tinyai

TIMES = ("0", "0.001")
SIZES = (0, 1, 100_000)


class TimeLimits(Case):
    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def solve(self, verb, text, *flags):
        """Solves in no time, and has every answer checked."""
        problem = self.write("problem", text)
        for time in TIMES:
            with self.subTest(f"{verb} --time {time}"):
                ended = tinyai("solve", verb, problem, "--json", "--time", time, *flags)
                self.assertEqual(ended.code, 0, ended.err)
                solution = self.write("solution", ended.text)
                checked = tinyai("solve", verb, problem, "--json", "--check", solution, *flags)
                self.assertEqual(checked.code, 0, checked.err)
                self.assertTrue(checked.json["valid"])
                self.assertEqual(checked.json["value"], ended.json["value"])

    def wait_for_search(self, pid):
        """Until there is the thread that would end the search."""
        end = clock.monotonic() + 30
        while clock.monotonic() < end:
            names = [task.read_text() for task in pathlib.Path(f"/proc/{pid}/task").glob("*/comm")]
            if "stop-watcher\n" in names:
                return
            clock.sleep(0.01)
        self.fail("no search has begun")

    def test_orders(self):
        for size in SIZES:
            names = ["x", *(f"t{i}" for i in range(size))]
            ops = [{"op": f"o{i}", "ins": [names[i], *({names[i // 2]} - {names[i]})], "outs": [names[i + 1]]}
                   for i in range(size)]
            tensors = {name: 8 + i % 7 for i, name in enumerate(names)}
            self.solve("order", json.dumps({"tensors": tensors, "inputs": ["x"], "outputs": names[-1:], "ops": ops}))

    def test_offsets(self):
        rng = random.Random(1)
        for size in SIZES:
            rows = [f"{i},{i},{i + rng.randint(1, 30)},{64 * rng.randint(1, 9)}" for i in range(size)]
            self.solve("offsets", "\n".join(["id,lower,upper,size", *rows]) + "\n")

    def test_syncs(self):
        rng = random.Random(1)
        for size in SIZES:
            net = {"dev": [rng.randrange(3) for _ in range(size)],
                   "edges": [[to - rng.randint(1, min(to, 50)), to] for to in range(1, size)]}
            self.solve("syncs", json.dumps([net]))

    def test_makespans(self):
        for size in SIZES:
            rows = [f"{i} {i % 9} {1 if i else 0} {i // 2 if i else ''}" for i in range(size)]
            self.solve("makespan", "\n".join([str(max(size - 2, 0)), *rows]) + "\n", "--processors", "2")

    def test_programs(self):
        for size in SIZES:
            lines = [f"v{i} = v{i - 1} + v{i // 2};" if i else "v0 = input();" for i in range(size)]
            lines += [f"output v{size - 1};"] if size else []
            program = self.write("p.value", "".join(line + "\n" for line in lines))
            for time in TIMES:
                with self.subTest(f"{size} lines, --time {time}"):
                    ended = tinyai("compile", program, "--time", time)
                    self.assertEqual(ended.code, 0, ended.err)
                    completed = self.write("p.sched", ended.text)
                    again = tinyai("compile", program, completed, "--check", "--time", time)
                    self.assertEqual(again.code, 0, again.err)

    def test_plans_of_a_model(self):
        for effort in ("--fast", "--exact", ""):
            for time in TIMES:
                with self.subTest(f"{effort} --time {time}"):
                    ended = tinyai("plan", "--json", "--time", time, *effort.split())
                    self.assertEqual(ended.code, 0, ended.err)
                    self.assertGreater(ended.json["predicted_peak_bytes"], 0)
        self.assert_error(tinyai("plan", "--fast", "--exact"), 2, "BAD_OPTION")

    def test_a_signal_ends_a_search_with_the_best_so_far(self):
        lines = [f"x{i} = input();" for i in range(200)]
        lines += [f"y{i} = x{i} * x{i * 37 % 200};" for i in range(200)]
        program = self.write("p.value", "".join(line + "\n" for line in lines))
        process = start("compile", "--exact", program)
        self.wait_for_search(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"best found so far", err)
        completed = self.write("p.sched", out.decode())
        self.assertEqual(tinyai("compile", program, completed, "--check", "--fast").code, 0)


if __name__ == "__main__":
    unittest.main()
