"""--device: ops of a model on a device that a thread stands for, by a schedule: the CPU's bits, or a reason with its place."""
import json
import re
import unittest

from support import Case, tinyai

PROMPT = ["--prompt-tokens", "1,2,3,4,5", "-n", "10", "--temp", "0", "--ignore-eos"]
MACHINE = """memory RAM = 16G;
memory VRAM = {memory};
device CPU {{ memory RAM; coordinator; effects input, print, output; }}
device GPU {{ memory VRAM; api {api}; }}
link RAM -> VRAM = 10us + bytes / 8G;
link VRAM -> RAM = 10us + bytes / 8G;
"""


class DeviceSchedules(Case):
    def setUp(self):
        super().setUp()
        self.tales = self.model("tales-q8_0.gguf")
        self.device = self.write("gpu.device", MACHINE.format(memory="64M", api="thread"))

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def speed(self, costs):
        schedule = self.write("my.schedule", "GPU { blk.1; }")
        costs = self.write("my.cost", f"cost here {{ {costs} }}")
        return tinyai("plan", "-m", self.tales, "--memory", "100M", "--schedule", schedule,
                      "--device", self.device, "--cost", costs, "--json")

    def test_a_cost_file_says_how_fast_the_device_is(self):
        rates = "op product on GPU = {}; op activation on GPU = bytes / 1GB/s; sync = {};"
        products = 7  # of a block
        slow = self.speed(rates.format("10ms", "0"))
        self.assertEqual(slow.code, 0, slow.err)
        seconds = 1 / slow.json["predicted_tokens_per_second"]
        self.assertGreater(seconds, products * 10e-3)
        self.assertLess(seconds, products * 10e-3 + 5e-3)
        waits = self.speed(rates.format("10ms", "20ms")).json
        self.assertAlmostEqual(1 / waits["predicted_tokens_per_second"],
                               seconds + 20e-3 * waits["syncs"]["value"], delta=21e-3)
        wrong = self.speed(rates.format("bytes / 1GB/s - 1s", "0"))
        self.assertEqual(wrong.code, 7)
        self.assertIn("error[I15]: cost of 'product on GPU' is negative", wrong.err)
        self.assertIn("COST_MODEL", wrong.err)
        unknown = self.speed("op product on NPU = 1ms;")
        self.assertEqual(unknown.code, 7)
        self.assertIn("error[I7]: no device 'NPU'", unknown.err)
        alone = tinyai("plan", "-m", self.tales, "--cost", self.write("a.cost", "cost a { }"))
        self.assertEqual(alone.code, 2)
        self.assertIn("--device", alone.err)

    def ask(self, verb, text, *flags, device=None):
        schedule = self.write("my.schedule", text)
        return tinyai(verb, "-m", self.tales, "--schedule", schedule, "--device",
                      device or self.device, *flags)

    def run_json(self, *flags):
        ended = tinyai("run", "-m", self.tales, *PROMPT, "--json", "--top-logits", "5", *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return ended.json

    def test_where_an_op_is_changes_no_bit(self):
        plain = self.run_json()
        for text in ("GPU { blk.1; }", "place blk.0..2.ffn_up: GPU;", "place blk: GPU; place output: GPU;",
                     "GPU { blk.0.attn; } CPU { evict blk.2; }"):
            for memory in ([], ["--memory", "14M", "-ub", "2"]):
                with self.subTest(f"{text} {memory}"):
                    ended = self.ask("run", text, *PROMPT, "--json", "--top-logits", "5", *memory)
                    self.assertEqual(ended.code, 0, ended.err)
                    self.assertEqual(ended.json["tokens"], plain["tokens"])
                    self.assertEqual(ended.json["top_logits"], plain["top_logits"])

    def test_the_plan_tells_of_the_device_and_can_be_read_back(self):
        text = "GPU { blk.1; }"
        said = self.ask("plan", text)
        self.assertEqual(said.code, 0, said.err)
        for line in ("GPU ", "VRAM ", "moves ", "the least on these places"):
            self.assertIn("\n  " + line if line[0] in "GVm" else line, said.text)
        plan = self.ask("plan", text, "--json").json
        self.assertEqual([queue["name"] for queue in plan["queues"]], ["CPU", "DISK", "DISK.rows", "GPU"])
        self.assertGreaterEqual(plan["syncs"]["value"], plan["syncs"]["lower_bound"])
        self.assertGreaterEqual(plan["syncs"]["lower_bound"], 2)
        printed = self.ask("plan", text, "--emit", "schedule").text
        self.assertIn("GPU {", printed)
        self.assertIn("move blk.0.ffn_add -> GPU;", printed)
        again = self.ask("plan", printed, "--emit", "schedule")
        self.assertEqual((again.code, again.text), (0, printed), again.err)
        ended = self.ask("run", printed, *PROMPT, "--json")
        self.assertEqual(ended.json["tokens"], self.run_json()["tokens"])
        alone = tinyai("run", "-m", self.tales, "--schedule", self.write("whole.schedule", printed))
        self.assertEqual(alone.code, 7)
        self.assertIn("error: PLAN_MISMATCH: device", alone.err)

    def test_traces_and_pages_show_the_device(self):
        trace = json.loads(self.ask("plan", "GPU { blk.1; }", "--emit", "trace").text)
        names = [event["args"].get("name") for event in trace["traceEvents"] if event["ph"] == "M"]
        self.assertIn("GPU", names)
        page = self.ask("plan", "GPU { blk.1; }", "--emit", "html").text
        self.assertIn("move blk.0.ffn_add", page)
        drawn = re.findall(r'\["blk\.0\.ffn_add in VRAM",\d+,(\d+),', page)  # as a buffer, and as a value
        self.assertEqual(len(drawn), 2)
        self.assertEqual(len(set(drawn)), 1)
        measured = str(self.directory / "run.json")
        self.assertEqual(self.ask("run", "GPU { blk.1; }", *PROMPT, "--trace", measured).code, 0)
        with open(measured, encoding="utf-8") as file:
            spans = [event.get("name") for event in json.load(file)["traceEvents"]]
        self.assertIn("move blk.0.ffn_add -> VRAM", spans)

    def test_the_least_budget_is_that_of_the_schedule(self):
        for text in ("GPU { blk.1; }", "CPU { pin blk.0; }"):
            with self.subTest(text):
                small = self.ask("plan", text, "-c", "64", "--memory", "1M", "--json")
                self.assertEqual(small.code, 4, small.err)
                least = small.json["least_budget_bytes"]
                self.assertIn(f"need={least} ", small.err)
                self.assertEqual(self.ask("plan", text, "-c", "64", "--memory", str(least)).code, 0)

    def test_what_cannot_be_is_told_with_its_place(self):
        real = self.write("real.device", MACHINE.format(memory="64M", api="vulkan"))
        small = self.write("small.device", MACHINE.format(memory="100K", api="thread"))
        shared = self.write("shared.device", "memory RAM = 1G;\n"
                            "device CPU { memory RAM; effects input, print, output; }\n"
                            "device GPU { memory RAM; api thread; }\n")
        for device, text, code, place in ((real, "GPU { blk.1; }", "I9", "my.schedule:1:7"),
                                          (small, "CPU { pin blk.0; }\nGPU { blk.1; }", "I10", "my.schedule:2:7"),
                                          (shared, "", "I9", "shared.device:3:8"),
                                          (self.device, "GPU { token_embd; }", "I1", "my.schedule:1:7"),
                                          (self.device, "GPU { blk.1.attn; }\nplace blk.1.attn.cache: CPU;", "I9",
                                           "my.schedule:2:1"),
                                          (self.device, "GPU { blk.1; } CPU { evict blk.1.ffn_up; }", "I9",
                                           "my.schedule:1:22")):
            with self.subTest(text):
                ended = self.ask("run", text, *PROMPT, device=device)
                self.assertEqual(ended.code, 7, ended.err)
                self.assertIn(f"{place}: error[{code}]", ended.err)
                self.assertIn("error: SCHEDULE_IMPOSSIBLE", ended.err)


if __name__ == "__main__":
    unittest.main()
