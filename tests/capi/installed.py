"""The library as a stranger has it: installed into a new prefix, for the tests that build programs over it."""
import os
import pathlib
import subprocess
import tempfile
import unittest

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


def run(*command, **options):
    """What the command prints; it has to end well."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class InstalledTest(unittest.TestCase):
    """Installs what was built at BUILD, which the test's file sets, once for the class."""
    BUILD = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.prefix = cls.work / "prefix"
        run("cmake", "--install", cls.BUILD, "--prefix", cls.prefix, "--component", "library")
        cls.library = next(cls.prefix.rglob("libtinyai.so"))
        cls.environment = dict(os.environ, PKG_CONFIG_PATH=str(cls.library.parent / "pkgconfig"),
                               LD_LIBRARY_PATH=str(cls.library.parent))

    @classmethod
    def build(cls, source, *options):
        """Builds a CMake project over it; returns the folder of its programs."""
        run("cmake", "-S", source, "-B", cls.work / "b", f"-DCMAKE_PREFIX_PATH={cls.prefix}", *options)
        run("cmake", "--build", cls.work / "b")
        return cls.work / "b"

    def pkg_config(self, *options):
        return run("pkg-config", *options, "tinyai", env=self.environment).split()
