"""The command line itself: rows of sections F and I of the fault catalogue."""
import json
import os
import subprocess
import unittest

from support import LONGEST, TINYAI, Case, environment, tinyai

VERBS = ["run", "plan", "show", "verify", "tokenize", "bench", "doctor"]


class Usage(Case):
    def test_no_arguments_is_an_error_with_a_hint(self):
        ended = tinyai()
        self.assert_error(ended, 2, "BAD_USAGE")
        self.assertIn("--help", ended.err)

    def test_help_and_version_are_answers(self):
        for args in (["--help"], ["-h"], ["--version"], *([verb, "--help"] for verb in VERBS)):
            with self.subTest(args):
                ended = tinyai(*args)
                self.assertEqual((ended.code, ended.err), (0, ""))
                self.assertIn("tinyai", ended.text)
        for verb in VERBS:
            self.assertIn(verb, tinyai("--help").text)

    def test_an_unknown_verb_or_flag_names_the_nearest(self):
        ended = tinyai("rnu")
        self.assert_error(ended, 2, "UNKNOWN_COMMAND")
        self.assertIn("did you mean run?", ended.err)
        ended = tinyai("run", "--tpo-k", "3")
        self.assert_error(ended, 2, "UNKNOWN_FLAG")
        self.assertIn("did you mean --top-k?", ended.err)
        self.assertIn("--help", tinyai("run", "--completely-unlike").err)

    def test_what_is_no_flag_is_refused(self):
        for args in (["-n"], ["--temp"], ["word"], ["--", "word"], ["-n", "1", "-n", "2"],
                     ["--json", "--json"]):
            with self.subTest(args):
                ended = tinyai("run", *args)
                self.assert_error(ended, 2, "BAD_USAGE")
        self.assertIn("--predict wants a value, N;", tinyai("run", "-n").err)

    def test_values_out_of_range_are_refused_and_name_the_flag(self):
        for flag, value in (("-n", "-5"), ("-n", "abc"), ("-n", "1.5"), ("-n", ""), ("--temp", "nan"),
                            ("--temp", "inf"), ("--temp", "-1"), ("--temp", "0,5"), ("--top-p", "2"),
                            ("--min-p", "-1"), ("--top-k", "-2"), ("--repeat-penalty", "0"),
                            ("-c", "-1"), ("-c", "99999999999999999999"), ("-s", "-7"),
                            ("-t", "two"), ("-ctk", "q4_0"), ("--io", "mmap"), ("--io-timeout", "0"),
                            ("--io-timeout", "nan"), ("--activations", "f16"), ("-ub", "-1"),
                            ("--prompt-tokens", "1,,2"), ("--prompt-tokens", "-1")):
            with self.subTest(flag=flag, value=value):
                self.assert_error(tinyai("run", "-p", "x", flag, value), 2, "BAD_OPTION")
        self.assertIn("--predict", tinyai("run", "-n", "-5").err)

    def test_sizes_are_powers_of_1024_and_nothing_else(self):
        for text in ("-1", "5%", "abc", "1.5XiB", "", "2^30", "1e400", "18446744073709551616"):
            with self.subTest(text):
                self.assert_error(tinyai("plan", "--memory", text), 2, "BAD_SIZE")
        for text, size in (("2G", 2 << 30), ("2g", 2 << 30), ("1.5GiB", 3 << 29), ("512M", 1 << 29),
                           ("20971520", 20 << 20)):
            with self.subTest(text):
                self.assertEqual(tinyai("plan", "--memory", text, "--json").json["budget_bytes"], size)

    def test_errors_are_one_json_object_where_json_is_asked_for(self):
        for args, code, key in ((["run", "--json", "-n", "x"], 2, "BAD_OPTION"),
                                (["run", "--json", "--nope"], 2, "UNKNOWN_FLAG"),
                                (["nope", "--json"], 2, "UNKNOWN_COMMAND"),
                                (["run", "-m", "/nonexistent", "--json"], 5, "OPEN"),
                                (["run", "--memory", "1", "-p", "x", "--json"], 4,
                                 "BUDGET_INFEASIBLE")):
            with self.subTest(args):
                ended = tinyai(*args)
                self.assert_error(ended, code, key)
                self.assertTrue(ended.out)

    def test_numbers_do_not_depend_on_the_locale(self):
        for locale in ("C", "tr_TR.UTF-8", "de_DE.UTF-8"):
            ended = tinyai("run", "-p", "The", "-n", "2", "--temp", "0.5", "-s", "1", "--json",
                           env=environment(LC_ALL=locale))
            self.assertEqual(ended.code, 0, ended.err)
            json.loads(ended.out)

    def test_nothing_but_a_terminal_gets_escape_codes(self):
        for term in (None, "dumb", "xterm"):
            ended = tinyai("run", "-s", "1", env=environment(TERM=term, COLUMNS="1"))
            self.assertNotIn(b"\x1b", ended.out + ended.err.encode())

    def test_without_a_home_it_runs_with_at_most_one_note(self):
        for changes in ({"HOME": None, "XDG_CACHE_HOME": None}, {"XDG_CACHE_HOME": "relative"},
                        {"HOME": "/nonexistent", "XDG_CACHE_HOME": None},
                        {"XDG_CACHE_HOME": "/proc/1/nowhere"}):
            with self.subTest(changes):
                ended = tinyai("plan", env=environment(**changes))
                self.assertEqual(ended.code, 0, ended.err)
                self.assertLessEqual(len(ended.err.splitlines()), 1, ended.err)

    def test_the_doctor_measures_where_nothing_can_be_written(self):
        ended = tinyai("doctor", "--json", env=environment(TMPDIR="/nonexistent"))
        self.assertEqual(ended.code, 0, ended.err)
        self.assertTrue(ended.json["disk_bytes_per_second"])
        for rate in ("memory_bytes_per_second", "product_bytes_per_second", "compute_macs_per_second",
                     "request_seconds"):
            self.assertGreater(ended.json[rate], 0, rate)
        self.assertGreaterEqual(ended.json["meeting_seconds"], 0)  # 0: lost in the noise

    def test_the_rates_of_the_doctor_are_those_of_the_plan(self):
        cache = self.directory / "cache"
        env = environment(XDG_CACHE_HOME=str(cache))
        self.assertFalse(tinyai("plan", "--json", env=env).json["rates"]["measured"])
        found = tinyai("doctor", "--json", env=env).json
        rates = tinyai("plan", "--json", env=env).json["rates"]
        self.assertTrue(rates["measured"])
        self.assertAlmostEqual(rates["memory_bytes_per_second"] / found["memory_bytes_per_second"], 1,
                               places=3)
        alone = tinyai("plan", "--json", "-t", "1", env=env).json["rates"]
        for rate in ("memory_bytes_per_second", "product_bytes_per_second"):
            self.assertAlmostEqual(alone[rate] / found["one_thread"][rate], 1, places=3)

    def test_the_number_of_threads_is_clamped_with_a_note(self):
        for threads in ("0", "-1", "1000000"):
            with self.subTest(threads):
                ended = tinyai("run", "-p", "The", "-n", "2", "-t", threads)
                self.assertEqual(ended.code, 0, ended.err)
                self.assertIn(f"note: {threads} threads asked for", ended.err)

    def test_an_instruction_set_this_machine_lacks_is_refused(self):
        self.assert_error(tinyai("run", env=environment(TINYAI_ISA="neon9")), 6, "ISA_UNSUPPORTED")

    def test_every_instruction_set_of_this_machine_runs(self):
        for isa in self.isas():
            with self.subTest(isa):
                ended = tinyai("run", "-p", "The", "-n", "3", "--temp", "0", "--json",
                               env=environment(TINYAI_ISA=isa))
                self.assertEqual(ended.code, 0, ended.err)
                self.assertEqual(len(ended.json["tokens"]), 3)

    def isas(self):
        error = tinyai("run", env=environment(TINYAI_ISA="neon9")).err
        names = [word.strip(",;.()") for word in error.split()]
        known = [name for name in names if name.startswith(("avx", "sse", "ssse", "emu", "scalar"))]
        self.assertTrue(known, error)
        return known

    def test_it_runs_with_few_descriptors_and_says_when_there_are_too_few(self):
        def limited(count):
            command = f"ulimit -n {count}; exec \"$0\" run -p The -n 2 --json"
            return subprocess.run(["bash", "-c", command, TINYAI], capture_output=True,
                                  stdin=subprocess.DEVNULL, timeout=LONGEST, env=environment())
        self.assertEqual(limited(32).returncode, 0)
        few = limited(4)
        self.assertEqual(few.returncode, 5, few.stderr)
        self.assertEqual(json.loads(few.stdout)["error"]["key"], "OPEN")

    def test_closed_standard_descriptors_do_no_harm(self):
        for closing in ("<&-", ">&-", "2>&-", "<&- 2>&-"):
            with self.subTest(closing):
                ended = subprocess.run(["bash", "-c", f"exec \"$0\" run -p The -n 2 {closing}", TINYAI],
                                       capture_output=True, timeout=LONGEST, env=environment())
                self.assertEqual(ended.returncode, 0, ended.stderr)

    def test_a_full_disk_behind_stdout_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            ended = subprocess.run([TINYAI, "run", "-p", "The", "-n", "5"], stdout=full,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=LONGEST,
                                   env=environment())
        self.assertEqual(ended.returncode, 5)
        self.assertIn(b"error: IO_WRITE: ", ended.stderr)


if __name__ == "__main__":
    unittest.main()
