"""`tinyai solve syncs`: known optima, --check, and what it says of bad files."""
import copy
import json
import random
import unittest

from support import SHARED, Case, tinyai

CHAIN = {"dev": [0, 1, 0], "edges": [[0, 1], [1, 2]]}


def solve(problem, *args):
    return tinyai("solve", "syncs", "-", "--json", *args, stdin=json.dumps(problem).encode())


class SolveSyncs(Case):
    def check(self, problem, solution):
        path = self.directory / "solution.json"
        path.write_text(json.dumps(solution))
        return solve(problem, "--check", str(path))

    def test_the_samples_have_their_certified_values(self):
        path = SHARED / "data/planner/syncs_18.json"
        if not path.exists():
            self.skipTest(f"no {path}")
        nets = json.loads(path.read_text())
        answer = tinyai("solve", "syncs", str(path), "--json").json
        for net, result in zip(nets, answer["results"], strict=True):
            self.assertEqual((result["syncs"], result["fences"]),
                             (net["min_syncs"], net["min_fences"]))
            self.assertEqual(result["lower_bound"], net["min_syncs"])
            self.assertEqual(result["fence_lower_bound"], net["min_fences"])
            self.assertTrue(result["optimal"] and result["fences_optimal"])
        self.assertEqual(self.check(nets, answer).json["value"], answer["value"])

    def test_a_person_sees_the_queues_and_the_reason(self):
        ended = tinyai("solve", "syncs", "-", stdin=json.dumps(CHAIN).encode())
        self.assertEqual(ended.text, "net 0: 2 syncs (least), 2 fences (least)\n"
                                     "  because of 0 -> 1 -> 2\n"
                                     "  0 { 0; --- f0; sync(f1); 2; }\n"
                                     "  1 { sync(f0); 1; --- f1; }\n")

    def test_nothing_is_a_problem_too(self):
        self.assertEqual(solve([]).json["results"], [])
        self.assertEqual(solve({"dev": [], "edges": []}).json["results"][0]["commands"], [])
        self.assertEqual(self.check([], []).json, {"valid": True, "value": 0, "fences": 0})

    def test_large_nets_are_solved_with_a_bound(self):
        random.seed(1)
        size = 20000
        net = {"dev": [random.randrange(4) for _ in range(size)],
               "edges": [[random.randrange(to), to] for to in range(1, size)]}
        result = solve(net, "--fast").json["results"][0]
        self.assertLessEqual(result["lower_bound"], result["syncs"])
        self.assertEqual(self.check(net, [result]).json["value"], result["syncs"])
        net["dev"] = [place % 2 for place in net["dev"]]
        result = solve(net).json["results"][0]
        self.assertTrue(result["optimal"])
        self.assertEqual(self.check(net, [result]).json["value"], result["syncs"])

    def test_bad_problems(self):
        for problem, message in [
                ("3", "the file holds neither a net nor an array of nets"),
                ([3], "[0]: no object"),
                ({"edges": []}, 'net: there is no "dev"'),
                ({"dev": {}, "edges": []}, "net.dev: no array"),
                ({"dev": [-1], "edges": []}, "net.dev[0]: -1 is no number from 0 to 999"),
                ({"dev": [0, 1.5], "edges": []}, "net.dev[1]: 1.5 is no number from 0 to 999"),
                ({"dev": [1 << 64], "edges": []}, "net.dev[0]: "),
                ({"dev": ["CPU"], "edges": []}, 'net.dev[0]: "CPU" is no number'),
                ({"dev": [0], "edges": [[0]]}, "net.edges[0]: [0] is no pair of ops"),
                ({"dev": [0], "edges": [[0, 1]]}, "net.edges[0]: 1 is no number from 0 to 0"),
                ({"dev": [], "edges": [[0, 1]]}, "net.edges[0]: there are no ops"),
                ([CHAIN, {"dev": [0], "edges": [[0, 0]]}],
                 "[1]: the edges make a cycle: 0 -> 0"),
                ({"dev": [0, 1, 0], "edges": [[2, 1], [0, 2], [1, 0]]},
                 "net: the edges make a cycle: "),
        ]:
            ended = solve(problem if problem != "3" else 3)
            self.assert_error(ended, 3, "BAD_PROBLEM")
            self.assertIn(message, ended.json["error"]["message"])
        self.assert_error(tinyai("solve", "syncs", "-", stdin=b"[{"), 3, "BAD_JSON")
        self.assert_error(tinyai("solve", "syncs", "-", stdin=b'[{"dev":[NaN]}]'), 3, "BAD_JSON")

    def test_bad_solutions(self):
        good = solve(CHAIN).json
        # Place 0: run 0, fence 0, sync 1, run 2; place 1: sync 0, run 1, fence 1.
        def damaged(change):
            bad = copy.deepcopy(good)
            change(bad["results"][0], bad["results"][0]["commands"])
            return bad
        for solution, message in [
                ([], "no array of 1 results"),
                ("x", "no array of 1 results"),
                ([{}], 'net 0: there is no array "commands"'),
                ([3], 'net 0: there is no array "commands"'),
                ([{"commands": [3, []]}], "net 0: commands of a place: no array"),
                ([{"commands": [[{"run": "x"}]]}], 'net 0: {"run":"x"} is no {"run": op}'),
                (damaged(lambda r, c: c[1].pop(0)), "does not know that op 0 is complete"),
                (damaged(lambda r, c: c[1].append({"sync": 0})), "stale sync: "),
                (damaged(lambda r, c: c[0].insert(1, c[0].pop(2))), "deadlock: "),
                (damaged(lambda r, c: c[0].pop()), "op 2 is missing"),
                (damaged(lambda r, c: r.update(syncs=1)), "2 syncs, not 1"),
                (damaged(lambda r, c: r.update(fences="two")), '2 fences, not "two"'),
        ]:
            ended = self.check(CHAIN, solution)
            self.assert_error(ended, 1, "BAD_SOLUTION")
            self.assertIn(message, ended.json["error"]["message"])
        self.assertEqual(self.check(CHAIN, good["results"][0]).json["value"], 2)


if __name__ == "__main__":
    unittest.main()
