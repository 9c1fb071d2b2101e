"""docs/guides/programs.md: every file and command of it, and every answer."""
import pathlib
import re
import unittest

from support import Case, tinyai

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "guides" / "programs.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Tutorial(Case):
    def test_every_answer_is_what_the_page_shows(self):
        commands = 0
        for kind, text in BLOCK.findall(PAGE.read_text()):
            if kind.startswith("file="):
                (self.directory / kind.removeprefix("file=")).write_text(text)
                continue
            self.assertEqual(kind, "console")
            for command, answer in re.findall(r"^\$ tinyai (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                commands += 1
                with self.subTest(command):
                    ended = tinyai(*command.split(), cwd=self.directory)
                    self.assertEqual(ended.text + ended.err, answer)
        self.assertGreater(commands, 8)


if __name__ == "__main__":
    unittest.main()
