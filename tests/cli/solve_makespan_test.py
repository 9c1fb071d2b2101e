"""`tinyai solve makespan`: answers, --check, and every way in which a file can be wrong."""
import json
import unittest

from support import SHARED, Case, tinyai

# Two chains of two and a dummy at each end: 7 on two processors.
SMALL = "4\n0 0 0\n1 3 1 0\n2 4 1 1\n3 2 1 0\n4 4 1 3\n5 0 2 2 4\n# a comment\n"


class SolveMakespan(Case):
    def solve(self, text, *flags):
        return tinyai("solve", "makespan", "-", *flags, stdin=text.encode())

    def check(self, solution, *flags):
        path = self.directory / "solution.json"
        path.write_text(json.dumps(solution))
        return self.solve(SMALL, "--json", "--check", str(path), *flags)

    def test_an_answer_is_proved_and_checked(self):
        for flags in ([], ["--fast"], ["--exact"], ["--time", "0"]):
            with self.subTest(flags):
                answer = self.solve(SMALL, "--json", *flags).json
                self.assertEqual((answer["value"], answer["lower_bound"], answer["optimal"]), (7, 7, True))
                self.assertEqual([one["task"] for one in answer["solution"]], [0, 1, 2, 3, 4, 5])
                self.assertGreaterEqual(answer["seconds"], 0)
                for solution in (answer, answer["solution"]):
                    self.assertEqual(self.check(solution).json, {"valid": True, "value": 7})
        self.assertEqual(self.solve(SMALL, "--json", "--processors", "1").json["value"], 13)
        self.assertIn("makespan 7", self.solve(SMALL).text)

    def test_a_solution_that_is_none_is_refused(self):
        good = self.solve(SMALL, "--json").json["solution"]
        for change in (lambda s: s.pop(), lambda s: s.append(s[0]), lambda s: s[0].update(task=6),
                       lambda s: s[2].update(start=0), lambda s: s[2].update(start=-1),
                       lambda s: s[2].update(start=1.5), lambda s: s[2].update(start=2**64 - 1),
                       lambda s: s[2].update(processor=2), lambda s: s[2].update(processor=2**32 + 1),
                       lambda s: s[3].update(processor=s[1]["processor"], start=0),
                       lambda s: s[1].pop("start"), lambda s: s.insert(0, 7)):
            solution = json.loads(json.dumps(good))
            change(solution)
            self.assert_error(self.check(solution), 1, "BAD_SOLUTION")
        for solution in (7, {}, {"solution": {}}, None):
            self.assert_error(self.check(solution), 1, "BAD_SOLUTION")

    def test_a_problem_without_tasks_has_an_answer(self):
        for text in ("0", "0\n0 0 0\n1 0 1 0\n"):
            self.assertEqual(self.solve(text, "--json").json["value"], 0)

    def test_bad_problems_are_refused(self):
        for text, says in (
                ("", "number of tasks"), ("x", "line 1"), ("-1", "line 1"), ("nan", "line 1"), ("1.5", "line 1"),
                ("99999999999999999999", "line 1"), ("2\n0 1 0\n", "1 are there"), ("1\n\n0 1", "line 3"),
                ("1\n0 1 1\n", "the file ends"), ("1\n0 -1 0\n", "line 2"), ("1\n0 inf 0\n", "line 2"),
                ("1\n1 1 0\n", "task 1 where task 0"), ("2\n0 1 0\n0 1 0\n", "task 0 where task 1"),
                ("1\n0 1 1 7\n", "task 7"), ("1\n0 1 1 99999999999\n", "task 99999999999"),
                ("1\n0 1 18446744073709551615 0\n", "the file ends"), ("1\n0 1 1 0\n", "cycle"),
                ("2\n0 1 1 1\n1 1 1 0\n", "cycle"), ("0\n0 1 0\n1 1 0\n2 1 0\n", "more than"),
                ("18446744073709551615\n0 1 0\n", "1 are there"),
                (f"2\n0 {2**62 - 1} 0\n1 1 0\n", "2^62"), ("1\n0 1 0\x1b[2J", "line 2")):
            with self.subTest(text):
                ended = self.solve(text)
                self.assert_error(ended, 3, "BAD_PROBLEM")
                self.assertIn(says, ended.err)
                self.assertNotIn("\x1b", ended.err)

    def test_processors_are_at_least_one(self):
        for value in ("0", "-1", "x", "1000001"):
            self.assert_error(self.solve(SMALL, "--processors", value), 2, "BAD_OPTION")

    def test_long_chains_and_many_tasks(self):
        count = 100_000
        chain = "".join(f"{i} 1 {int(i > 0)} {i - 1 if i else ''}\n" for i in range(count))
        self.assertEqual(self.solve(f"{count}\n{chain}", "--json", "--fast").json["value"], count)
        loose = "".join(f"{i} 1 0\n" for i in range(count))
        answer = self.solve(f"{count}\n{loose}", "--json", "--processors", "8").json
        self.assertEqual((answer["value"], answer["optimal"]), (count / 8, True))

    def test_samples_reach_their_published_optimum(self):
        folder = SHARED / "data" / "planner"
        if not folder.exists():
            self.skipTest(f"no {folder}")
        for line in (folder / "stg_optima.csv").read_text().splitlines()[1:]:
            name, processors, optimum = line.split(",")
            answer = tinyai("solve", "makespan", str(folder / name), "--processors", processors, "--json").json
            self.assertEqual((answer["value"], answer["optimal"]), (int(optimum), True), line)


if __name__ == "__main__":
    unittest.main()
