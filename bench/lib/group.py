"""A control group of our own: a hard memory limit, a throttled disk, and what the kernel counted.

Version 1 and 2 of the kernel's interface. A group is made at the top of the mounted hierarchy or, where
that is not allowed, below the group this process is in. Groups are named after the process that made
them, so what a killed benchmark left behind is found and removed by the next one.
"""
import os
import pathlib
import re
import signal
import time

PREFIX = "tinyai_bench_"
_made = 0


class NoGroup(Exception):
    """No group can be made here; the text says why."""


def read(path):
    return pathlib.Path(path).read_text()


def write(path, text):
    with open(path, "w") as file:
        file.write(str(text))


def _number(path):
    try:
        return int(read(path).split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _keyed(path, key):
    """The number after `key` in lines of the form "key number"; 0 if there is none."""
    for line in read(path).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == key:
            return int(words[1])
    return 0


def hierarchies():
    """{"memory": mount point, ...} of version 1, and {"": mount point} of version 2."""
    found = {}
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), before.split()[4])
        if kind == "cgroup2":
            found.setdefault("", point)
        elif kind == "cgroup":
            for controller in options.split()[-1].split(","):
                found.setdefault(controller, point)
    return found


def _own_group(controller):
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if (controllers == "") if controller == "" else controller in controllers.split(","):
            return group.strip("/")
    return ""


def disk_of(path):
    """"major:minor" of the whole disk that holds `path`, None where it has none (tmpfs, overlays)."""
    device = os.stat(path).st_dev
    folder = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not folder.exists():
        return None
    folder = folder.resolve()
    if (folder / "partition").exists():
        folder = folder.parent
    return read(folder / "dev").strip()


def disks():
    """"major:minor" of every disk with a device behind it."""
    return [read(path / "dev").strip() for path in pathlib.Path("/sys/block").iterdir()
            if (path / "device").exists()]


def _remove(folder):
    """Removes a group, ending first what still runs in it (it was started by the group's maker)."""
    for _ in range(100):
        try:
            os.rmdir(folder)
            return
        except FileNotFoundError:
            return
        except OSError:
            for pid in _processes(folder):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)


def _processes(folder):
    try:
        return [int(pid) for pid in read(folder / "cgroup.procs").split()]
    except OSError:
        return []


def _remove_stale(parent):
    """Removes groups whose maker is gone."""
    for folder in parent.glob(PREFIX + "*"):
        pid = folder.name[len(PREFIX):].split("_")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            _remove(folder)


def _make_below(parents, usable):
    """Makes a group below the first of `parents` that allows it; `usable` raises where it has no use."""
    global _made
    _made += 1
    reasons = []
    for parent in parents:
        folder = parent / f"{PREFIX}{os.getpid()}_{_made}"
        try:
            _remove_stale(parent)
            os.mkdir(folder)
            usable(folder)
            return folder
        except (OSError, NoGroup) as failure:
            reasons.append(f"{parent}: {getattr(failure, 'strerror', None) or failure}")
            if folder.exists():
                _remove(folder)
    raise NoGroup("; ".join(reasons))


def _parents(mounts, controller):
    top = pathlib.Path(mounts[controller])
    own = top / _own_group(controller)
    return [top] if own == top or not own.exists() else [top, own]


class GroupV1:
    """`memory` and `blkio` of version 1, a group in each."""
    version = 1

    def __init__(self, mounts):
        if "memory" not in mounts:
            raise NoGroup("the memory controller of version 1 is not mounted")
        self.memory = _make_below(_parents(mounts, "memory"), lambda folder: None)
        self.io = None
        if "blkio" in mounts:
            try:
                self.io = _make_below(_parents(mounts, "blkio"), lambda folder: None)
            except NoGroup:
                pass

    def limit_memory(self, size):
        write(self.memory / "memory.limit_in_bytes", size)
        try:  # and no swap beside it
            write(self.memory / "memory.memsw.limit_in_bytes", size)
        except OSError:
            pass

    def throttle(self, disk, bytes_per_second):
        if self.io is None:
            raise NoGroup("the blkio controller is not there, so the disk cannot be throttled")
        write(self.io / "blkio.throttle.read_bps_device", f"{disk} {int(bytes_per_second)}")

    def join(self):
        """Moves the calling process in."""
        for folder in filter(None, (self.memory, self.io)):
            write(folder / "cgroup.procs", os.getpid())

    def used_bytes(self):
        return _number(self.memory / "memory.usage_in_bytes")

    def peak_bytes(self):
        return _number(self.memory / "memory.max_usage_in_bytes")

    def oom_kills(self):
        return _keyed(self.memory / "memory.oom_control", "oom_kill")

    def limit_hits(self):
        hits = [_number(self.memory / f"memory.{kind}failcnt") for kind in ("", "memsw.")]
        return sum(filter(None, hits))

    def read_bytes(self, disk=None):
        """Bytes read from `disk`, or from all; None where the kernel does not say."""
        if self.io is None:
            return None
        total = 0
        for line in read(self.io / "blkio.throttle.io_service_bytes").splitlines():
            words = line.split()
            if len(words) == 3 and words[1] == "Read" and disk in (None, words[0]):
                total += int(words[2])
        return total

    def close(self):
        for folder in filter(None, (self.memory, self.io)):
            _remove(folder)


class GroupV2:
    """One group of version 2 with the controllers memory and, where it is there, io."""
    version = 2

    def __init__(self, mounts):
        if "" not in mounts:
            raise NoGroup("version 2 is not mounted")
        parents = [p for p in _parents(mounts, "") if "memory" in read(p / "cgroup.controllers").split()]
        if not parents:
            raise NoGroup(f"version 2 at {mounts['']} has no memory controller")
        for parent in parents:
            self._enable(parent)
        self.memory = _make_below(parents, self._check)
        self.has_io = (self.memory / "io.stat").exists()

    @staticmethod
    def _enable(parent):
        """Hands the controllers to the groups below. A group that holds processes may not; if this one
        alone is in it (a scope with Delegate=yes), it moves to a group of its own."""
        if parent != pathlib.Path(hierarchies()[""]) and _processes(parent) == [os.getpid()]:
            leaf = parent / f"{PREFIX}{os.getpid()}_self"
            try:
                leaf.mkdir(exist_ok=True)
                write(leaf / "cgroup.procs", os.getpid())
            except OSError:
                pass
        for controller in ("+memory", "+io"):
            try:
                write(parent / "cgroup.subtree_control", controller)
            except OSError:
                pass  # it may be handed down already; _check sees what came of it

    @staticmethod
    def _check(folder):
        if not (folder / "memory.max").exists():
            raise NoGroup("the memory controller is not handed down to groups made here")
        if not os.access(folder / "memory.max", os.W_OK):
            raise NoGroup("the limit may not be written")

    def limit_memory(self, size):
        write(self.memory / "memory.max", size)
        if (self.memory / "memory.swap.max").exists():
            write(self.memory / "memory.swap.max", 0)

    def throttle(self, disk, bytes_per_second):
        if not (self.memory / "io.max").exists():
            raise NoGroup("the io controller is not handed down, so the disk cannot be throttled")
        write(self.memory / "io.max", f"{disk} rbps={int(bytes_per_second)}")

    def join(self):
        write(self.memory / "cgroup.procs", os.getpid())

    def used_bytes(self):
        return _number(self.memory / "memory.current")

    def peak_bytes(self):
        return _number(self.memory / "memory.peak")  # since Linux 5.19

    def oom_kills(self):
        return _keyed(self.memory / "memory.events", "oom_kill")

    def limit_hits(self):
        return _keyed(self.memory / "memory.events", "max")

    def read_bytes(self, disk=None):
        if not self.has_io:
            return None
        total = 0
        for line in read(self.memory / "io.stat").splitlines():
            name, *pairs = line.split()
            if disk in (None, name):
                total += sum(int(pair[7:]) for pair in pairs if pair.startswith("rbytes="))
        return total

    def close(self):
        _remove(self.memory)


def make_group():
    """A new group, of the version whose memory controller works here. Raises NoGroup with every reason.
    Close it."""
    mounts = hierarchies()
    reasons = []
    for kind in (GroupV1, GroupV2):
        try:
            return kind(mounts)
        except (OSError, NoGroup) as failure:
            reasons.append(f"cgroup v{kind.version}: {failure}")
    raise NoGroup("; ".join(reasons) + " (root can, or 'systemd-run --user --scope -p Delegate=yes')")


def why_none():
    """None where groups with a memory limit can be made, else the reason."""
    try:
        make_group().close()
        return None
    except NoGroup as failure:
        return str(failure)


def require():
    """Ends the program where no control group can be made."""
    if reason := why_none():
        raise SystemExit(f"error: no control group with a memory limit can be made here: {reason}")
