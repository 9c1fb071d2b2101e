"""--schedule: what a person wishes of a plan is obeyed without changing a bit, or refused with its place."""
import unittest

from support import Case, tinyai

PROMPT = ["--prompt-tokens", "1,2,3,4,5", "-n", "10", "--temp", "0", "--ignore-eos"]


class Schedules(Case):
    def setUp(self):
        super().setUp()
        self.tales = self.model("tales-q8_0.gguf")
        least = tinyai("plan", "-m", self.tales, "--json").json["least_budget_bytes"]
        self.memory = str(least + (1 << 20))

    def write(self, text):
        path = self.directory / "wish.sched"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def plan(self, text, *flags):
        return tinyai("plan", "-m", self.tales, "--memory", self.memory, "--schedule",
                      self.write(text), *flags)

    def run_json(self, *flags):
        ended = tinyai("run", "-m", self.tales, *PROMPT, "--json", "--top-logits", "5", *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return ended.json

    def test_wishes_change_no_bit(self):
        plain = self.run_json()
        for text in ("CPU { pin blk.1.ffn_up; }",
                     "CPU { evict blk; evict output; }",
                     "CPU { evict blk; blk.0.attn_v; blk.0.attn_q; prefetch blk.2.ffn_down; blk.1; }",
                     "DISK { evict blk.0..1; blk.1.ffn_up; blk.0.ffn_down; }",
                     "closed CPU { ???; blk.3.attn_v; blk.3.attn_k; ???; }",
                     "before blk.1.attn_v, blk.1.attn_q;\nbudget RAM <= 100G;",
                     "CPU { evict blk; blk.0.attn_add; --- f; } DISK { sync(f); blk.2.ffn_up; --- g; }"
                     " CPU { sync(g); blk.2.attn_norm; }"):
            with self.subTest(text):
                path = self.write(text)
                for memory in ([], ["--memory", self.memory, "-ub", "2"]):
                    wished = self.run_json("--schedule", path, *memory)
                    self.assertEqual(wished["tokens"], plain["tokens"])
                    self.assertEqual(wished["top_logits"], plain["top_logits"])

    def test_pins_stay_and_what_is_evicted_is_streamed(self):
        plain = self.plan("", "--json").json
        self.assertGreater(plain["streamed_bytes_per_token"], 0)
        roomy = ["--memory", "1G"]
        all_stay = tinyai("plan", "-m", self.tales, *roomy, "--json").json
        self.assertEqual(all_stay["streamed_bytes_per_token"], 0)
        path = self.write("CPU { evict blk.0.ffn_up; }")
        one = tinyai("plan", "-m", self.tales, *roomy, "--schedule", path, "--json").json
        size = 512 * 256 // 32 * 34
        self.assertEqual(all_stay["resident_bytes"] - one["resident_bytes"], size)
        self.assertGreaterEqual(one["streamed_bytes_per_token"], size)
        none = self.plan("CPU { evict blk; evict output; }", "--json").json
        self.assertGreater(none["streamed_bytes_per_token"], plain["streamed_bytes_per_token"])

    def test_bench_obeys_too(self):
        path = self.write("CPU { evict blk; }")
        ended = tinyai("bench", "-m", self.tales, "--schedule", path, "-p", "0", "-n", "4", "-r", "1",
                       "--json")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertGreater(ended.json["rows"][0]["read_bytes_per_token"], 1 << 20)

    def test_a_printed_plan_is_a_schedule(self):
        printed = self.plan("CPU { evict blk.0; }", "--emit", "schedule").text
        again = tinyai("plan", "-m", self.tales, "--schedule", self.write(printed), "--emit",
                       "schedule")
        self.assertEqual((again.code, again.text), (0, printed), again.err)
        plain = self.run_json()
        self.assertEqual(self.run_json("--schedule", self.write(printed))["tokens"], plain["tokens"])
        self.assertEqual(tinyai("plan", "-m", self.tales, "--schedule", self.write(printed)).code, 0)
        other = tinyai("run", "-m", self.model("tiny-f32.gguf"), "--schedule", self.write(printed))
        self.assertEqual(other.code, 7)
        self.assertIn("error: PLAN_MISMATCH", other.err)

    def test_what_cannot_be_obeyed_is_told_with_its_place(self):
        for text, key, place in (
                ("CPU { blk.0.attn_add;\n blk.0.attn_k; }", "SCHEDULE_IMPOSSIBLE", "2:2: error[I3]"),
                ("GPU { print(output); }", "SCHEDULE_IMPOSSIBLE", "1:7: error[I2]"),
                ("GPU { token_embd; }", "SCHEDULE_IMPOSSIBLE", "1:7: error[I1]"),
                ("CPU { blk.0.attn; } GPU { blk.0.attn; }", "SCHEDULE_AMBIGUOUS", "1:27: error[A1]"),
                ("CPU { pin blk.4; }", "SCHEDULE_UNKNOWN", "1:11: error[I7]"),
                ("CPU { pin blk; }", "SCHEDULE_IMPOSSIBLE", "1:7: error[I12]"),
                ("budget RAM <= 1M;", "SCHEDULE_IMPOSSIBLE", "1:1: error[I10]"),
                ("CPU { pin", "SCHEDULE_SYNTAX", "1:10: error[S1]")):
            for command in (["plan"], ["run", *PROMPT], ["bench"]):
                with self.subTest(text=text, command=command[0]):
                    path = self.write(text)
                    ended = tinyai(*command, "-m", self.tales, "--memory", self.memory, "-c", "256",
                                   "--schedule", path, "--json")
                    self.assertEqual(ended.code, 7, ended.err)
                    self.assertIn(f"{path}:{place}", ended.err)
                    self.assertIn(f"error: {key}: ", ended.err)
                    self.assertEqual(ended.json["error"]["key"], key)
                    error = ended.json["errors"][0]
                    at = f"{error['line']}:{error['column']}: error[{error['code']}]"
                    self.assertEqual(at, place)
                    self.assertTrue(error["help"] or key == "SCHEDULE_SYNTAX")

    def test_several_mistakes_are_told_at_once(self):
        ended = self.plan("CPU { pin no; pin nor; }\nTPU { }", "--json")
        self.assertEqual([error["code"] for error in ended.json["errors"]], ["I7", "I7", "I7"])

    def test_a_command_outside_of_a_block_is_told_where_it_belongs(self):
        ended = self.plan("pin blk.0;")
        self.assertIn("help: 'pin' stands in the block of a place: CPU { .. }", ended.err)

    def test_usage(self):
        path = self.write("")
        ended = tinyai("run", "-m", self.tales, "--schedule", path, "--plan", path)
        self.assert_error(ended, 2, "BAD_USAGE")
        self.assert_error(tinyai("plan", "-m", self.tales, "--schedule", "/nonexistent"), 5, "OPEN")
        ended = tinyai("plan", "-m", self.tales, "--mode", "normal", "--schedule",
                       self.write("CPU { evict blk.0; }"))
        self.assert_error(ended, 2, "BAD_OPTION")


if __name__ == "__main__":
    unittest.main()
