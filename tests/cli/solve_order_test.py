"""`tinyai solve order`: certified samples, checking of solutions, and files that make no sense."""
import json
import unittest

from support import SHARED, Case, tinyai

SMALL = {"tensors": {"x": 10, "a": 20, "b": 1, "y": 5}, "inputs": ["x"], "outputs": ["y"],
         "ops": [{"op": "f", "ins": ["x"], "outs": ["a"]}, {"op": "g", "ins": ["x"], "outs": ["b"]},
                 {"op": "h", "ins": ["a", "b"], "outs": ["y"]}]}
CERTIFIED = {"swiftnet_cellA": 275968, "nasnet_a_normal_28c44": 448448, "intree_deep_n300": 241664,
             "randwire_ws16_4_75_s0_h56c39": 1223040, "seriespar_n50_s0": 282624,
             "layered_n50_s0": 503808}


class SolveOrder(Case):
    def solve(self, problem, *flags):
        return tinyai("solve", "order", "-", *flags, stdin=json.dumps(problem).encode())

    def check(self, problem, solution):
        path = self.directory / "solution.json"
        path.write_text(json.dumps(solution))
        return self.solve(problem, "--check", str(path), "--json")

    def assert_bad(self, problem, words):
        ended = self.solve(problem)
        self.assert_error(ended, 3, "BAD_PROBLEM")
        self.assertIn(words, ended.err)

    def changed(self, **changes):
        return dict(SMALL, **changes)

    def test_the_certified_samples_reach_their_values(self):
        for name, value in CERTIFIED.items():
            path = SHARED / "data" / "planner" / f"order_{name}.json"
            if not path.exists():
                self.skipTest(f"no {path}")
            with self.subTest(name):
                answer = tinyai("solve", "order", str(path), "--json").json
                self.assertEqual((answer["value"], answer["lower_bound"], answer["optimal"]),
                                 (value, value, True))
                checked = self.check(json.loads(path.read_text()), answer)
                self.assertEqual(checked.json, {"valid": True, "value": value})

    def test_names_and_numbers_give_the_same_answer(self):
        named = self.solve(SMALL, "--json").json
        self.assertEqual((named["value"], named["optimal"], named["file_order"]), (31, True, 31))
        numbers = {"x": 0, "a": 1, "b": 2, "y": 3}
        numbered = {"tensors": [10, 20, 1, 5], "inputs": [0], "outputs": [3],
                    "ops": [{"ins": [numbers[i] for i in op["ins"]],
                             "outs": [numbers[i] for i in op["outs"]]} for op in SMALL["ops"]]}
        self.assertEqual(self.solve(numbered, "--json").json["value"], 31)

    def test_a_person_gets_lines(self):
        ended = self.solve(SMALL)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("least peak 31 bytes, proved", ended.text)

    def test_workspace_counts_while_its_op_runs(self):
        ops = [dict(SMALL["ops"][0], workspace=100)] + SMALL["ops"][1:]
        self.assertEqual(self.solve(self.changed(ops=ops), "--json").json["value"], 130)

    def test_nothing_to_do_is_an_answer(self):
        answer = self.solve({"tensors": {}, "inputs": [], "outputs": [], "ops": []}, "--json").json
        self.assertEqual((answer["value"], answer["optimal"], answer["solution"]), (0, True, []))

    def test_effort_and_time_give_valid_answers(self):
        for flags in (["--fast"], ["--exact"], ["--time", "0"]):
            with self.subTest(flags):
                answer = self.solve(SMALL, "--json", *flags).json
                self.assertEqual(self.check(SMALL, answer).json["value"], answer["value"])

    def test_what_is_no_solution_is_told(self):
        self.assertEqual(self.check(SMALL, [0, 1, 2]).json, {"valid": True, "value": 31})
        for solution, words in (([0, 1], "2 of 3 ops"), ([0, 0, 1], "twice"), ([0, 1, 3], "no op"),
                                ([2, 1, 0], "before tensor"), ([0, 1, -1], "no op"), ({}, "no array"),
                                ({"solution": "x"}, "no array"), ([0, 1, 1.5], "no op"),
                                (None, "no array")):
            with self.subTest(solution):
                ended = self.check(SMALL, solution)
                self.assert_error(ended, 1, "BAD_SOLUTION")
                self.assertIn(words, ended.err)

    def test_what_makes_no_sense_is_refused_by_name(self):
        op = SMALL["ops"][0]
        for problem, words in (
                ([], "no object"), ({}, '"tensors"'), (self.changed(tensors=3), "tensors"),
                (self.changed(tensors={"x": -1}), "tensors.x: -1"),
                (self.changed(tensors={"x": 1.5}), "tensors.x: 1.5"),
                (self.changed(tensors={"x": "1"}), "tensors.x"),
                (self.changed(tensors=dict(SMALL["tensors"], x=2 ** 60)), "sum up"),
                (self.changed(inputs="x"), "inputs"), (self.changed(inputs=["z"]), "inputs"),
                (self.changed(inputs=[]), "reads tensor 'x'"), (self.changed(inputs=["x", "a"]), "'a'"),
                (self.changed(outputs=[["y"]]), "outputs"), (self.changed(outputs=[-1]), "outputs"),
                (self.changed(ops={}), "ops"), (self.changed(ops=[3]), "ops[0]"),
                (self.changed(ops=[{"ins": []}]), '"outs"'),
                (self.changed(ops=[dict(op, ins=["q"])]), "ops[0].ins"),
                (self.changed(ops=[dict(op, workspace=-3)]), "ops[0].workspace"),
                (self.changed(ops=SMALL["ops"] + [op]), "again by op 3"),
                (self.changed(ops=[dict(op, ins=["y"])] + SMALL["ops"][1:]), "cycle")):
            with self.subTest(words):
                self.assert_bad(problem, words)

    def test_what_is_no_json_is_refused(self):
        for text in (b"", b"{", b'{"tensors":{"x":NaN}}', b'{"tensors":{"x":1,"x":2}}',
                     b"[" * 100 + b"]" * 100, b"\xff"):
            with self.subTest(text[:20]):
                self.assert_error(tinyai("solve", "order", "-", stdin=text), 3, "BAD_JSON")

    def test_a_hundred_thousand_named_tensors_are_read(self):
        count = 100_000
        problem = {"tensors": {f"t{i}": i % 7 for i in range(count + 1)}, "inputs": ["t0"],
                   "outputs": [f"t{count}"],
                   "ops": [{"ins": [f"t{i}"], "outs": [f"t{i + 1}"]} for i in range(count)]}
        answer = self.solve(problem, "--json").json
        self.assertEqual((answer["value"], answer["optimal"]), (11, True))


if __name__ == "__main__":
    unittest.main()
