"""Greedy tokens and logits against exact arithmetic (../shared/models/references.json)."""
import json
import unittest

from support import MODELS, Case, tinyai

SURE = 0.2  # a larger margin between the two best is not turned by rounding activations to 8 bits
CLOSE = 1e-4  # of the largest logit


def references():
    path = MODELS / "references.json"
    if not path.exists():
        raise unittest.SkipTest(f"no {path}")
    return json.loads(path.read_text())


class Golden(Case):
    def run_reference(self, reference, *flags):
        prompt = ",".join(str(token) for token in reference["prompt_tokens"])
        count = len(reference["greedy_tokens"])
        ended = tinyai("run", "-m", self.model(reference["model"]), "--prompt-tokens", prompt, "-n",
                       str(count), "--temp", "0", "--ignore-eos", "--top-logits", "5", "--json",
                       *flags)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertEqual(ended.json["prompt_token_ids"], reference["prompt_tokens"])
        return ended.json

    def test_eight_bit_activations_give_the_tokens_that_are_sure(self):
        for reference in references():
            with self.subTest(reference["model"]):
                answer = self.run_reference(reference)
                for i, step in enumerate(reference["steps"]):
                    if step["margin"] < SURE:
                        break
                    self.assertEqual(answer["tokens"][i], reference["greedy_tokens"][i], f"token {i}")

    def test_float_activations_give_every_token_and_the_logits(self):
        for reference in references():
            with self.subTest(reference["model"]):
                answer = self.run_reference(reference, "--activations", "f32")
                self.assertEqual(answer["tokens"], reference["greedy_tokens"])
                for i, (step, top) in enumerate(zip(reference["steps"], answer["top_logits"])):
                    logits = dict(map(tuple, top))
                    largest = max(abs(logit) for _, logit in step["top"])
                    self.assertEqual(len(top), 5)
                    for token, logit in step["top"]:
                        if token in logits:
                            self.assertLess(abs(logits[token] - logit), CLOSE * largest + 1e-6,
                                            f"token {i}, logit of {token}")
                    self.assertGreaterEqual(len(set(logits) & {t for t, _ in step["top"]}), 4)

    def test_neither_budget_nor_threads_nor_chunks_nor_paths_change_a_bit(self):
        reference = next(r for r in references() if r["model"] == "tales-q8_0.gguf")
        wanted = self.run_reference(reference)
        plan = tinyai("plan", "-m", self.model(reference["model"]), "--json").json
        least = str(plan["least_budget_bytes"] + (1 << 20))
        for flags in (["-t", "1"], ["-ub", "1"], ["-ub", "7"], ["--memory", least],
                      ["--memory", least, "--io", "direct"], ["--io", "buffered"]):
            with self.subTest(flags):
                answer = self.run_reference(reference, *flags)
                self.assertEqual(answer["tokens"], wanted["tokens"])
                self.assertEqual(answer["top_logits"], wanted["top_logits"])


if __name__ == "__main__":
    unittest.main()
