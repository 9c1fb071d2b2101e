"""`tinyai solve offsets`: answers, --check, and what is refused."""
import json
import unittest

from support import SHARED, Case, tinyai

SMALL = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"


class SolveOffsets(Case):
    def file(self, text, name="problem.csv"):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def test_an_answer_says_value_bound_and_solution(self):
        ended = tinyai("solve", "offsets", self.file(SMALL), "--json")
        self.assertEqual((ended.code, ended.err), (0, ""))
        answer = ended.json
        self.assertEqual((answer["value"], answer["lower_bound"], answer["optimal"]), (12, 12, True))
        self.assertEqual(sorted(answer["solution"]), ["b1", "b2", "b3", "b4", "b5"])
        self.assertGreaterEqual(answer["seconds"], 0)
        self.assertIn("height 12", tinyai("solve", "offsets", self.file(SMALL)).text)

    def test_a_capacity_is_met_or_not(self):
        ended = tinyai("solve", "offsets", self.file(SMALL), "--json", "--capacity", "12")
        self.assertEqual((ended.code, ended.json["fits"]), (0, True))
        ended = tinyai("solve", "offsets", self.file(SMALL), "--json", "--capacity", "11")
        self.assertEqual((ended.code, ended.json["fits"], ended.json["proved"]), (4, False, True))
        self.assertEqual(ended.json["value"], 12)

    def test_check_takes_whole_answers_and_bare_solutions(self):
        problem = self.file(SMALL)
        ended = tinyai("solve", "offsets", problem, "--json")
        for text in (ended.text, json.dumps(ended.json["solution"])):
            checked = tinyai("solve", "offsets", problem, "--json", "--check", self.file(text, "s"))
            self.assertEqual((checked.code, checked.json), (0, {"valid": True, "value": 12}))

    def test_check_says_what_is_wrong(self):
        problem = self.file("id,lower,upper,size,alignment\na,0,2,4,1\nb,1,3,4,2\n")
        for solution, said in (({"a": 0, "b": 2}, "share bytes"), ({"a": 0}, "no offset for 'b'"),
                               ({"a": 0, "b": 4, "c": 0}, "no buffer 'c'"), ([0, 4], "no object"),
                               ({"a": 0, "b": -4}, "whole number"), ({"a": 0, "b": 5}, "multiple"),
                               ({"a": 0, "b": 2 ** 64 - 2}, "beyond 2^64")):
            with self.subTest(solution):
                ended = tinyai("solve", "offsets", problem, "--check",
                               self.file(json.dumps(solution), "s"))
                self.assert_error(ended, 1, "BAD_SOLUTION")
                self.assertIn(said, ended.err)

    def test_columns_may_come_in_any_order(self):
        text = "size, alignment,upper,id,lower\r\n3,4,2,x y,0\r\n\r\n5,8,2,\"z,0\r\n"
        answer = tinyai("solve", "offsets", self.file(text), "--json").json
        self.assertEqual((answer["value"], answer["solution"]), (11, {"x y": 8, '"z': 0}))

    def test_an_empty_problem_has_an_answer(self):
        answer = tinyai("solve", "offsets", self.file("id,lower,upper,size\n"), "--json").json
        self.assertEqual((answer["value"], answer["solution"]), (0, {}))

    def test_bad_problems_are_refused_with_the_line(self):
        head = "id,lower,upper,size\n"
        for text, said in (("", "line 1"), ("id,lower,upper\n", "'size' is missing"),
                           ("id,lower,upper,size,colour\n", "'colour'"),
                           ("id,id,lower,upper,size\n", "twice"),
                           (head + "a,0,1\n", "line 2: 3 cells"),
                           (head + "a,0,1,2\na,0,1,2\n", "line 3: id 'a' is there twice"),
                           (head + "a,1,1,2\n", "line 2: upper"), (head + "a,2,1,2\n", "upper"),
                           (head + "a,0,1,-2\n", "line 2: size is '-2'"),
                           (head + "a,0,1,nan\n", "size"), (head + "a,0,1e3,4\n", "upper"),
                           (head + "a,0,1,18446744073709551616\n", "size"),
                           (head + "a,0,1,4611686018427387904\n", "2^62"),
                           ("id,lower,upper,size,alignment\na,0,1,2,0\n", "alignment")):
            with self.subTest(text):
                ended = tinyai("solve", "offsets", self.file(text))
                self.assert_error(ended, 3, "BAD_PROBLEM")
                self.assertIn(said, ended.err)

    def test_the_public_samples_reach_their_capacity(self):
        for name in "ABC":
            path = SHARED / "data" / "planner" / f"{name}.1048576.csv"
            if not path.exists():
                self.skipTest(f"no {path}")
            ended = tinyai("solve", "offsets", str(path), "--json", "--capacity", "1M")
            self.assertEqual((ended.code, ended.json["fits"]), (0, True))
            checked = tinyai("solve", "offsets", str(path), "--json", "--check",
                             self.file(ended.text, "s"))
            self.assertEqual(checked.json["value"], ended.json["value"])
            self.assertLessEqual(ended.json["value"], 1 << 20)


if __name__ == "__main__":
    unittest.main()
