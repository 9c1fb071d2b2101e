"""Plans as files: written by plan, carried out by run and bench, refused where they do not fit."""
import unittest

from support import Case, environment, tinyai

PROMPT = ["--prompt-tokens", "1,2,3", "-n", "12", "--temp", "0", "--ignore-eos"]


class PlanFiles(Case):
    def setUp(self):
        super().setUp()
        self.tales = self.model("tales-q8_0.gguf")
        least = tinyai("plan", "-m", self.tales, "-t", "1", "--json").json["least_budget_bytes"]
        self.memory = str(least + (1 << 20))
        self.plan = str(self.directory / "tales.plan")

    def save(self, *flags):
        ended = tinyai("plan", "-m", self.tales, "-t", "1", "--memory", self.memory,
                       "--emit", "schedule", "-o", self.plan, *flags)
        self.assertEqual((ended.code, ended.out), (0, b""), ended.err)

    def run_json(self, *flags):
        ended = tinyai("run", "-m", self.tales, *PROMPT, "--json", "--top-logits", "5", *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return ended.json

    def assert_refused(self, ended, key, *parts):
        self.assertEqual(ended.code, 7, ended.err)
        self.assertIn(f"error: {key}: ", ended.err)
        for part in parts:
            self.assertIn(part, ended.err)

    def test_a_saved_plan_gives_the_same_bits(self):
        self.save()
        whole = self.run_json()
        planned = self.run_json("-t", "1", "--memory", self.memory)
        saved = self.run_json("--plan", self.plan)
        for other in (planned, saved):
            self.assertEqual(other["tokens"], whole["tokens"])
            self.assertEqual(other["top_logits"], whole["top_logits"])
        printed = tinyai("plan", "-m", self.tales, "-t", "1", "--memory", self.memory, "--emit",
                         "schedule")
        with open(self.plan, encoding="utf-8") as file:
            self.assertEqual(printed.text, file.read())

    def test_bench_takes_a_saved_plan(self):
        self.save("-c", "64")
        ended = tinyai("bench", "-m", self.tales, "--plan", self.plan, "-r", "1", "-n", "4", "--json")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertEqual((ended.json["context"], ended.json["threads"]), (64, 1))

    def test_a_plan_for_another_occasion_is_refused(self):
        self.save("-c", "64")
        for flags, what in ((["-c", "65"], "context: the plan was made for 64, here it is 65"),
                            (["-ctk", "f32"], "keys: the plan was made for F16, here it is F32"),
                            (["-ub", "3"], "chunk: the plan was made for "),
                            (["--memory", "6M"], f"budget: the plan was made for {self.memory}, here it is 6291456; "
                                                 "leave out --memory, or make the plan again")):
            with self.subTest(what):
                ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan, *flags)
                self.assert_refused(ended, "PLAN_MISMATCH", what)
                self.assertEqual(ended.out, b"")
        ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan, "--memory", self.memory)
        self.assertEqual(ended.code, 0, ended.err)
        other = self.model("tiny-f32.gguf")
        for command in (["run", *PROMPT], ["bench"]):
            ended = tinyai(*command, "-m", other, "--plan", self.plan)
            self.assert_refused(ended, "PLAN_MISMATCH", "tales.plan:1:1: error[P2]", "not for this one")

    def test_a_plan_for_another_machine_is_refused(self):
        self.save()
        with open(self.plan, encoding="utf-8") as file:
            text = file.read()
        machine = text.index('machine "') + len('machine "')
        without_seal = text[:text.rindex("seal ")]
        for changed, field in ((without_seal[:machine] + "Other " + without_seal[machine:], "machine"),
                               (without_seal.replace(", macs ", ", macs 9"), "macs")):
            with self.subTest(field):
                with open(self.plan, "w", encoding="utf-8") as file:
                    file.write(changed)
                ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan)
                self.assert_refused(ended, "PLAN_MISMATCH", f"{field}: the plan was made for ", self.plan)
        self.save()
        other_isa = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan, env=environment(TINYAI_ISA="sse2"))
        if other_isa.code != 6:  # not on this machine
            self.assert_refused(other_isa, "PLAN_MISMATCH", "machine: ")

    def test_the_speed_of_a_saved_plan_is_that_of_the_plan(self):
        self.save()
        planned = tinyai("plan", "-m", self.tales, "-t", "1", "--memory", self.memory, "--json").json
        saved = self.run_json("--plan", self.plan)
        self.assertEqual(saved["predicted_tokens_per_second"], planned["predicted_tokens_per_second"])

    def test_what_decides_a_plan_is_no_flag_beside_it(self):
        self.save()
        ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan, "--mode", "normal")
        self.assert_error(ended, 2, "BAD_USAGE")

    def damage(self, what, by):
        with open(self.plan, encoding="utf-8") as file:
            text = file.read()
        at = text.index(what)
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write(text[:at] + by + text[at + len(what):])
        return text[:at].count("\n") + 1

    def test_a_damaged_plan_is_refused_at_its_place(self):
        for what, by, key in (("sync(", "snyc(", "SCHEDULE_SYNTAX"),
                              ("sync(", "sync(no_", "PLAN_INVALID"),
                              ("seal \"", "seal \"0", "PLAN_INVALID"),
                              (" at ", " at 1", "PLAN_INVALID")):
            with self.subTest(by):
                self.save()
                line = self.damage(what, by)
                ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan, "--json")
                self.assert_refused(ended, key, f"{self.plan}:{line}:")
                first = ended.json["errors"][0]
                self.assertEqual(list(first), ["severity", "code", "file", "line", "column",
                                               "message", "notes", "help"])
                self.assertEqual((first["file"], first["line"]), (self.plan, line))
                self.assertEqual(ended.json["error"]["key"], key)

    def test_a_plan_that_is_no_text_is_refused(self):
        for data in (b"", b"\0" * 100, b"\xff\xfe", b"CPU {"):
            with open(self.plan, "wb") as file:
                file.write(data)
            ended = tinyai("run", "-m", self.tales, *PROMPT, "--plan", self.plan)
            self.assertEqual(ended.code, 7, ended.err)
        self.assert_error(tinyai("run", "-m", self.tales, "--plan", "/nonexistent"), 5, "OPEN")

    def test_nothing_is_written_where_there_is_no_plan(self):
        ended = tinyai("plan", "-m", self.tales, "--memory", "1M", "--emit", "schedule", "-o", self.plan)
        self.assert_error(ended, 4, "BUDGET_INFEASIBLE")
        self.assertEqual(list(self.directory.iterdir()), [])
        missing = str(self.directory / "no" / "such")
        ended = tinyai("plan", "-m", self.tales, "--emit", "schedule", "-o", missing)
        self.assert_error(ended, 5, "IO_WRITE")
        self.assert_error(tinyai("plan", "-m", self.tales, "-o", self.plan), 2, "BAD_USAGE")
        self.assert_error(tinyai("plan", "-m", self.tales, "--emit", "poem"), 2, "BAD_OPTION")


if __name__ == "__main__":
    unittest.main()
