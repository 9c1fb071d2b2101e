"""What the tests of the command line share: the program, and ways to run it."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

TINYAI = os.environ["TINYAI_PROGRAM"]
SHARED = pathlib.Path(os.environ["TINYAI_SHARED"])
MODELS = SHARED / "models"
# Emulated and sanitized builds are slow; nothing here takes a tenth of it otherwise.
LONGEST = 120


def environment(**changes):
    """The environment of a test: no cache of the user, one locale; None removes a variable."""
    out = dict(os.environ, LC_ALL="C", XDG_CACHE_HOME=str(CACHE.name))
    out.pop("TINYAI_ISA", None)
    for name, value in changes.items():
        out.pop(name, None)
        if value is not None:
            out[name] = value
    return out


CACHE = tempfile.TemporaryDirectory(prefix="tinyai-cli-")
os.chmod(CACHE.name, 0o700)


class Ended:
    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr.decode(errors="replace")

    @property
    def text(self):
        return self.out.decode()

    @property
    def json(self):
        """The one object on stdout."""
        return json.loads(self.out)


def tinyai(*args, stdin=b"", env=None, **more):
    """Runs the program with these arguments, which may be bytes, to its end."""
    return Ended(subprocess.run([TINYAI, *args], input=stdin, capture_output=True, timeout=LONGEST,
                                env=env or environment(), **more))


def start(*args, env=None, **more):
    return subprocess.Popen([TINYAI, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=env or environment(), **more)


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="tinyai-cli-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def model(self, name):
        path = MODELS / name
        if not path.exists():
            self.skipTest(f"no {path}")
        return str(path)

    def assert_error(self, ended, code, key):
        """One line on stderr, nothing on stdout (or with --json one object), the exit code."""
        lines = [line for line in ended.err.splitlines() if not line.startswith("note: ")]
        self.assertEqual(ended.code, code, ended.err)
        self.assertEqual(len(lines), 1, ended.err)
        self.assertTrue(lines[0].startswith(f"error: {key}: "), ended.err)
        if ended.out:
            error = ended.json["error"]
            self.assertEqual(list(error), ["code", "key", "message", "file", "offset"])
            self.assertEqual((error["code"], error["key"]), (code, key))
