"""`tinyai run`, `plan`, `tokenize` and `bench`: answers, budgets, prompts, signals, closed pipes."""
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import time
import unittest

from support import LONGEST, TINYAI, Case, environment, start, tinyai

RUN_FIELDS = ["text", "tokens", "prompt_token_ids", "top_logits", "prompt_tokens_per_second",
              "tokens_per_second", "predicted_tokens_per_second", "budget_bytes", "counted_peak_bytes", "process_peak_bytes",
              "resident_weight_bytes", "weights_read_bytes", "weights_read_bytes_per_token",
              "disk_read_bytes", "io_path", "replans", "stall_ms", "load_ms"]
PLAN_FIELDS = ["feasible", "least_budget_bytes", "model_bytes", "pass_bytes", "resident_bytes",
               "streamed_bytes_per_token", "predicted_tokens_per_second", "predicted_peak_bytes",
               "rates", "components"]
# More than a test ever waits for: the small model is fast.
ENDLESS = ["-n", "60000", "--ignore-eos", "-c", "60000"]


class Run(Case):
    def test_alone_it_tells_a_tale_that_ends_with_a_sentence(self):
        for seed in ("1", "2", "3"):
            ended = tinyai("run", "-s", seed)
            self.assertEqual(ended.code, 0, ended.err)
            self.assertTrue(ended.text.startswith("Once upon a time"), ended.text)
            self.assertRegex(ended.text, r"""[.!?]["']*\s*$""")
            self.assertGreater(len(ended.text), 300)
            self.assertRegex(ended.err, r"generation\s+\d+ tokens, [\d.]+ tokens/s")

    def test_json_is_one_object_with_the_fields_promised(self):
        ended = tinyai("run", "-p", "The fox", "-n", "5", "--temp", "0", "--top-logits", "3", "--json")
        self.assertEqual(ended.err, "")
        answer = ended.json
        self.assertEqual(list(answer), RUN_FIELDS)
        self.assertEqual(ended.out.count(b"\n"), 1)
        self.assertEqual(len(answer["tokens"]), 5)
        self.assertEqual([len(top) for top in answer["top_logits"]], [3] * 5)
        self.assertEqual([top[0][0] for top in answer["top_logits"]], answer["tokens"])
        self.assertLessEqual(answer["counted_peak_bytes"], answer["budget_bytes"])
        self.assertIn(answer["io_path"], ("uring", "direct", "buffered"))
        plain = tinyai("run", "-p", "The fox", "-n", "5", "--temp", "0", "-q")
        self.assertEqual(plain.text.rstrip("\n"), answer["text"].rstrip("\n"))
        self.assertEqual(plain.err, "")

    def test_a_plan_that_was_far_off_is_reported(self):
        env = environment(XDG_CACHE_HOME=str(self.directory))
        os.chmod(self.directory, 0o700)
        self.assertEqual(tinyai("doctor", env=env).code, 0)
        rates = self.directory / "tinyai" / "rates"
        wrong = re.sub(r"(product_bytes_per_second) .*", r"\1 1e18", rates.read_text())
        rates.write_text(re.sub(r"(meeting_seconds) .*", r"\1 1e-9", wrong))
        with start("run", "-p", "A", *ENDLESS, env=env) as process:
            process.stdout.read(1)
            time.sleep(2.5)  # too short a run tells nothing
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=LONGEST)[1].decode()
        self.assertEqual(process.returncode, 130, errors)
        self.assertRegex(errors, r"note: the plan said .* tokens/s, it was .*tinyai doctor")

    def test_a_logit_is_written_with_all_its_bits(self):
        answer = tinyai("run", "-p", "The", "-n", "1", "--top-logits", "50", "--json").json
        import struct
        for _, logit in answer["top_logits"][0]:
            narrow = struct.unpack("f", struct.pack("f", logit))[0]
            self.assertLess(abs(narrow - logit), 1e-7 * max(1, abs(logit)))

    def test_equal_seeds_give_equal_tales(self):
        tales = [tinyai("run", "-s", seed, "-n", "20", "-p", "A").text for seed in ("5", "5", "6")]
        self.assertEqual(tales[0], tales[1])
        self.assertNotEqual(tales[0], tales[2])

    def test_no_tokens_is_a_number_too(self):
        answer = tinyai("run", "-p", "The", "-n", "0", "--json").json
        self.assertEqual((answer["tokens"], answer["text"]), ([], ""))

    def test_the_prompt_comes_from_ids_then_p_then_f_then_stdin(self):
        path = self.directory / "prompt.txt"
        path.write_text("The fox\n")
        def ids(*flags, stdin=b""):
            ended = tinyai("run", "-n", "1", "--json", *flags, stdin=stdin)
            self.assertEqual(ended.code, 0, ended.err)
            return ended.json["prompt_token_ids"]
        fox = ids("-p", "The fox")
        wolf = ids("-p", "A wolf")
        self.assertNotEqual(fox, wolf)
        self.assertEqual(ids("-f", str(path)), fox)
        self.assertEqual(ids(stdin=b"The fox"), fox)
        self.assertEqual(ids("-f", "-", stdin=b"The fox\n"), fox)
        self.assertEqual(ids("-f", str(path), stdin=b"A wolf"), fox)
        self.assertEqual(ids("-p", "A wolf", "-f", str(path), stdin=b"x"), wolf)
        self.assertEqual(ids("--prompt-tokens", "5,6", "-p", "A wolf"), [5, 6])

    def test_any_bytes_can_be_a_prompt(self):
        for data in (b"\x00", b"\xff\xfe\x80", b"a\x00b\n\n", os.urandom(64), "童話 🦊".encode()):
            with self.subTest(data):
                ended = tinyai("run", "-n", "2", "--json", stdin=data)
                self.assertEqual(ended.code, 0, ended.err)
                ended.json

    def test_a_prompt_that_does_not_fit_is_refused(self):
        ended = tinyai("run", "-c", "256", stdin=b"one two three " * 200)
        self.assert_error(ended, 2, "CONTEXT_FULL")
        ended = tinyai("run", "-f", "/dev/zero")
        self.assert_error(ended, 2, "TEXT_TOO_LONG")
        self.assert_error(tinyai("run", "-f", "/nonexistent"), 5, "OPEN")
        self.assert_error(tinyai("run", "--prompt-tokens", "2048"), 2, "BAD_TOKEN")

    def test_a_silent_stdin_does_not_hang(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        begin = time.monotonic()
        ended = subprocess.run([TINYAI, "run", "-n", "2"], stdin=reading, capture_output=True,
                               timeout=LONGEST, env=environment())
        os.close(reading)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertLess(time.monotonic() - begin, 10)

    def test_the_least_budget_works_and_a_byte_less_does_not(self):
        plan = tinyai("plan", "--json").json
        least = plan["least_budget_bytes"]
        answer = tinyai("run", "-p", "The", "-n", "3", "--memory", str(least), "--json")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertLessEqual(answer.json["counted_peak_bytes"], least)
        for budget in ("0", "1", str(least - 1)):
            with self.subTest(budget):
                begin = time.monotonic()
                ended = tinyai("run", "-p", "The", "--memory", budget)
                self.assert_error(ended, 4, "BUDGET_INFEASIBLE")
                self.assertIn(f"need={least}", ended.err)
                self.assertLess(time.monotonic() - begin, 2)

    def test_a_cache_type_that_heads_do_not_fit_is_refused(self):
        for flag in ("-ctk", "-ctv", "--cache-type-k"):
            self.assertEqual(tinyai("run", "-p", "x", "-n", "1", flag, "q8_0").code, 0)
        ended = tinyai("run", "-m", self.model("tiny-f32.gguf"), "--prompt-tokens", "1", "-ctk", "q8_0")
        self.assert_error(ended, 2, "BAD_OPTION")


class Plan(Case):
    def test_the_object_has_the_fields_promised_and_adds_up(self):
        from support import CACHE
        empty = environment(XDG_CACHE_HOME=CACHE.name + "/plan")
        plan = tinyai("plan", "--json", env=empty).json
        for field in PLAN_FIELDS:
            self.assertIn(field, plan)
        self.assertTrue(plan["feasible"])
        self.assertFalse(plan["rates"]["measured"])
        self.assertEqual(sum(part["bytes"] for part in plan["components"]),
                         plan["predicted_peak_bytes"])

    def test_the_counted_peak_is_the_predicted_one(self):
        plan = tinyai("plan", "--json", "--memory", "64M").json
        answer = tinyai("run", "-n", "3", "--json", "--memory", "64M").json
        self.assertEqual(answer["counted_peak_bytes"], plan["predicted_peak_bytes"])
        self.assertEqual(answer["resident_weight_bytes"], plan["resident_bytes"])

    def test_an_infeasible_budget_prints_the_object_and_exits_4(self):
        ended = tinyai("plan", "--memory", "1M", "--json")
        self.assertEqual(ended.code, 4)
        self.assertFalse(ended.json["feasible"])
        self.assertGreater(ended.json["least_budget_bytes"], 1 << 20)
        self.assertTrue(ended.err.startswith("error: BUDGET_INFEASIBLE: "))
        ended = tinyai("plan", "--memory", "1M")
        self.assertEqual(ended.code, 4)
        self.assertIn("too small", ended.text)

    def test_the_summary_tells_where_the_time_goes_and_explain_why(self):
        plain = tinyai("plan", "--memory", "64M").text
        self.assertRegex(plain, r"time per token +[\d.]+ [mu]?s")
        self.assertRegex(plain, r"syncs +\d+")
        self.assertNotIn("Why:", plain)
        explained = tinyai("plan", "--memory", "64M", "--explain").text
        self.assertTrue(explained.startswith(plain))
        for choice in ("ring", "chunk", "weights", "embedding", "order"):
            self.assertRegex(explained, rf"(?m)^  {choice} +\S")
        syncs = tinyai("plan", "--memory", "64M", "--json").json["syncs"]["value"]
        counts = re.findall(r"(?m)^  (\d+) x \S+ waits for ", explained)
        self.assertEqual(sum(map(int, counts)), syncs)
        self.assertRegex(explained, r"(?m)^    \S+ \d+: .* waits for ")


class Emit(Case):
    LEAST = ["-c", "128"]

    def emitted(self, form, *budget):
        ended = tinyai("plan", "--emit", form, *self.LEAST, *(budget or ["--memory", "64M"]))
        self.assertEqual(ended.code, 0, ended.err)
        return ended.text

    def tight(self):
        """A budget in which weights are streamed."""
        plan = tinyai("plan", "--json", *self.LEAST).json
        return ["--memory", str(plan["least_budget_bytes"] + (1 << 18))]

    def test_every_form_is_written_to_stdout_or_whole_to_a_file(self):
        for form in ("schedule", "json", "trace", "html", "dot"):
            with self.subTest(form):
                text = self.emitted(form)
                path = self.directory / f"plan.{form}"
                path.write_text("before")
                ended = tinyai("plan", "--emit", form, "-o", str(path), "--memory", "64M",
                               *self.LEAST)
                self.assertEqual(ended.code, 0, ended.err)
                self.assertEqual(path.read_text(), text)
                self.assertEqual(ended.text, "")
        self.assertEqual(len(list(self.directory.iterdir())), 5)

    def test_json_and_trace_hold_every_step_of_the_plan(self):
        tight = self.tight()
        plan = json.loads(self.emitted("json", *tight))
        ops = [command["op"] for place in plan["places"] for command in place["commands"]]
        self.assertEqual(len(ops), len(set(ops)))
        self.assertEqual([place["name"] for place in plan["places"]], ["CPU", "DISK", "DISK.rows"])
        events = json.loads(self.emitted("trace", *tight))["traceEvents"]
        lanes = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
        self.assertEqual(lanes, ["CPU", "DISK", "DISK.rows"])
        once = [c["op"] for p in plan["places"] for c in p["commands"] if c.get("once")]
        spans = [e["name"] for e in events if e["ph"] == "X"]
        self.assertEqual(sorted(spans + once), sorted(ops))
        for budget in ([], tight):
            self.assertEqual(len(json.loads(self.emitted("json", *budget))["memories"]), 1)

    def test_the_dot_has_a_node_for_each_op_and_a_dashed_edge_for_each_sync(self):
        tight = self.tight()
        dot = self.emitted("dot", *tight)
        plan = json.loads(self.emitted("json", *tight))
        commands = [c for place in plan["places"] for c in place["commands"]]
        self.assertEqual(len(re.findall(r"(?m)^ +o\d+ \[label", dot)), len(commands))
        self.assertEqual(dot.count("style=dashed"), sum(len(c["syncs"]) for c in commands))
        self.assertEqual(dot.count("subgraph cluster_"), 3)

    def test_the_page_stands_alone(self):
        page = self.emitted("html", *self.tight())
        self.assertNotRegex(page, r"https?:|src=|href=")
        data = re.search(r'(?s)<script type="application/json" id="plan">(.*?)</script>', page)
        self.assertEqual(len(json.loads(data.group(1))["places"]), 3)
        self.assertLess(len(page), 1 << 20)

    def test_what_cannot_be_emitted_or_written_is_an_error(self):
        self.assert_error(tinyai("plan", "--emit", "pdf"), 2, "BAD_OPTION")
        self.assert_error(tinyai("plan", "-o", "x"), 2, "BAD_USAGE")
        self.assert_error(tinyai("plan", "--emit", "dot", "--json"), 2, "BAD_USAGE")
        self.assert_error(tinyai("plan", "--emit", "json", "--memory", "1M"), 4, "BUDGET_INFEASIBLE")
        for path, key in ((self.directory, "OUTPUT_TARGET"),
                          (self.directory / "none" / "plan", "IO_WRITE"), ("/dev/full", "IO_WRITE")):
            with self.subTest(path):
                ended = tinyai("plan", "--emit", "json", "-o", str(path))
                self.assert_error(ended, 5, key)
        self.assertEqual(list(self.directory.iterdir()), [])
        self.assert_error(tinyai("plan", "--emit", "json", "-o", "/dev/full", "--json"), 5, "IO_WRITE")

    def test_a_link_is_followed_and_a_pipe_written_to(self):
        path, link = self.directory / "plan", self.directory / "link"
        link.symlink_to(path)
        self.assertEqual(tinyai("plan", "--emit", "dot", "-o", str(link)).code, 0)
        self.assertTrue(link.is_symlink())
        self.assertTrue(path.read_text().startswith("digraph"))
        self.assertEqual(tinyai("plan", "--emit", "dot", "-o", "/dev/null").code, 0)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))


class Trace(Case):
    RECORDS = 4 << 20  # held for them while it runs

    def lanes(self, events):
        return {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}

    def spans(self, events, wanted=lambda span: True):
        """By lane, the names in order."""
        lanes = self.lanes(events)
        out = {name: [] for name in lanes.values()}
        for event in events:
            if event["ph"] == "X" and wanted(event):
                out[lanes[event["tid"]]].append(event["name"])
        return out

    def measured(self, *flags):
        path = self.directory / "trace.json"
        ended = tinyai("run", "-p", "The fox", "-n", "6", "--ignore-eos", "--json", "--trace",
                       str(path), *flags)
        self.assertEqual(ended.code, 0, ended.err)
        return json.loads(path.read_text())["traceEvents"], ended.json

    def test_the_measured_trace_has_the_lanes_and_names_of_the_planned_one(self):
        least = tinyai("plan", "--json", "-c", "128").json["least_budget_bytes"]
        for budget in (least, least + (1 << 20), 1 << 26):
            with self.subTest(budget):
                planned = json.loads(tinyai("plan", "-c", "128", "--memory", str(budget), "--emit",
                                            "trace").text)["traceEvents"]
                measured, answer = self.measured("-c", "128", "--memory", str(budget + self.RECORDS))
                self.assertEqual(self.lanes(measured), self.lanes(planned))
                last = max(e["args"]["pass"] for e in measured if e["ph"] == "X" and e["tid"] == 1)
                self.assertEqual(self.spans(measured, lambda e: e["args"]["pass"] == last),
                                 self.spans(planned))
                self.assertLessEqual(answer["counted_peak_bytes"], budget + self.RECORDS)

    def test_spans_of_a_lane_never_overlap(self):
        measured, _ = self.measured()
        end = {}
        for event in measured:
            if event["ph"] != "X":
                continue
            self.assertGreaterEqual(event["ts"], end.get(event["tid"], 0) - 0.001)
            end[event["tid"]] = event["ts"] + event["dur"]

    def test_a_saved_plan_is_traced_too(self):
        path = str(self.directory / "plan")
        ended = tinyai("plan", "-c", "128", "--memory", "64M", "--emit", "schedule", "-o", path)
        self.assertEqual(ended.code, 0, ended.err)
        planned = json.loads(tinyai("plan", "-c", "128", "--memory", "64M", "--emit",
                                    "trace").text)["traceEvents"]
        measured, _ = self.measured("--plan", path)
        self.assertLessEqual(set(self.spans(planned)["CPU"]), set(self.spans(measured)["CPU"]))

    def test_the_model_is_not_replaced_by_it_whatever_its_name(self):
        path, link = self.directory / "model.gguf", self.directory / "link"
        model = self.model("tiny-q8_0.gguf")
        shutil.copyfile(model, path)
        before = path.read_bytes()
        link.symlink_to(path)
        for words in (["run", "-p", "The", "-n", "2", "--trace"], ["plan", "--emit", "schedule", "-o"]):
            ended = tinyai(words[0], "-m", str(path), *words[1:], str(link))
            self.assertEqual(ended.code, 5, ended.err)
            self.assertIn("OUTPUT_IS_INPUT", ended.err)
            self.assertEqual(path.read_bytes(), before)

    def test_it_is_written_after_a_signal_too_and_only_then_there(self):
        path = self.directory / "trace.json"
        process = start("run", "-p", "The", "--trace", str(path), *ENDLESS)
        self.assertTrue(select.select([process.stdout], [], [], LONGEST)[0])
        os.read(process.stdout.fileno(), 64)
        self.assertFalse(path.exists())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LONGEST)
        self.assertEqual(process.returncode, 130, err)
        events = json.loads(path.read_text())["traceEvents"]
        self.assertGreater(len(events), 50)  # of one pass at least
        self.assertEqual([entry.name for entry in self.directory.iterdir()], ["trace.json"])

    def test_where_it_cannot_be_written_nothing_is_run(self):
        for path, key in ((self.directory, "OUTPUT_TARGET"),
                          (self.directory / "none" / "trace", "IO_WRITE")):
            ended = tinyai("run", "-p", "The", "--trace", str(path))
            self.assert_error(ended, 5, key)
            self.assertEqual(ended.out, b"")


class Tokenize(Case):
    def test_text_becomes_ids_and_text_again(self):
        text = "The fox said: \"What a time!\" 童話"
        answer = tinyai("tokenize", "-p", text, "--json").json
        self.assertEqual(answer["text"], text)
        back = tinyai("tokenize", "--ids", ",".join(map(str, answer["tokens"])))
        self.assertEqual(back.text.rstrip("\n"), text)
        self.assert_error(tinyai("tokenize", "--ids", "99999"), 2, "BAD_TOKEN")

    def test_no_text_is_taken_for_a_flag_or_a_list(self):
        for text in ("-x", "--temp", "-n", "[a, b]", "{}", "a=b", '"quoted"', "%%", "-ctk"):
            with self.subTest(text):
                ended = tinyai("tokenize", "-p", text, "--json")
                self.assertEqual(ended.code, 0, ended.err)
                self.assertEqual(ended.json["text"], text)
        self.assertEqual(tinyai("tokenize", "--prompt=[a,b]", "--json").json["text"], "[a,b]")

    def test_special_tokens_are_text_unless_asked_for(self):
        text = "a<|endoftext|>b"
        plain = tinyai("tokenize", "-p", text, "--no-bos", "--json").json["tokens"]
        special = tinyai("tokenize", "-p", text, "--no-bos", "--special", "--json").json["tokens"]
        self.assertNotIn(2047, plain)
        self.assertIn(2047, special)


class Bench(Case):
    def test_it_reports_both_tests(self):
        answer = tinyai("bench", "-p", "16", "-n", "4", "-r", "1", "--json").json
        self.assertEqual([row["test"] for row in answer["rows"]], ["pp16", "tg4"])
        for row in answer["rows"]:
            self.assertGreater(row["tokens_per_second"], 0)
        table = tinyai("bench", "-p", "16", "-n", "4", "-r", "1")
        self.assertRegex(table.text, r"pp16 +[\d.]+")


class Stopping(Case):
    def wait_for_output(self, process):
        ready, _, _ = select.select([process.stdout], [], [], LONGEST)
        self.assertTrue(ready, "no output")
        return os.read(process.stdout.fileno(), 64)

    def test_a_signal_ends_the_generation_soon_with_its_code_and_the_timing(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = start("run", "-p", "The", *ENDLESS)
            self.wait_for_output(process)
            begin = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=LONGEST)
            self.assertLess(time.monotonic() - begin, 2)
            self.assertEqual(process.returncode, code, err)
            self.assertIn(b"generation", err)

    def test_with_json_a_stopped_run_still_answers(self):
        process = start("run", "-p", "The", "--json", *ENDLESS)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONGEST)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("tokens", json.loads(out))

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        process = start("run", "-q", "-p", "The", *ENDLESS)
        self.wait_for_output(process)
        process.stdout.close()
        err = process.stderr.read()
        self.assertEqual(process.wait(timeout=10), 0)
        self.assertEqual(err, b"")
        process.stderr.close()

    def test_head_gets_its_line(self):
        ended = subprocess.run(["bash", "-c", "set -o pipefail; \"$0\" run -s 1 | head -c 5", TINYAI],
                               capture_output=True, stdin=subprocess.DEVNULL, timeout=LONGEST,
                               env=environment())
        self.assertEqual((ended.returncode, ended.stdout), (0, b"Once "))
        self.assertNotIn(b"error", ended.stderr)

    def test_a_full_pipe_can_be_left_by_a_signal(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, bytes(4096))
        except BlockingIOError:
            pass
        os.set_blocking(writing, True)
        process = subprocess.Popen([TINYAI, "run", "-p", "The", *ENDLESS], stdout=writing,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=environment())
        os.close(writing)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 130, err)

    def test_on_a_terminal_the_prompt_is_not_waited_for(self):
        main, terminal = pty.openpty()
        self.addCleanup(os.close, main)
        ended = subprocess.run([TINYAI, "run", "-n", "3"], stdin=terminal, capture_output=True,
                               timeout=10, env=environment())
        os.close(terminal)
        self.assertEqual(ended.returncode, 0)
        self.assertTrue(re.match(rb"Once upon", ended.stdout))


if __name__ == "__main__":
    unittest.main()
