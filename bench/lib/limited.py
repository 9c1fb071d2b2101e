"""Runs a command under a hard memory limit and a throttled disk, and says what it cost."""
import contextlib
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time

from lib import group as groups

# A run counts as disturbed when others used more than this share of the machine's CPU time in it.
MOST_OTHERS = 0.10
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Run:
    """One run of a command."""
    command: list
    rc: int                   # exit status; minus the number of the signal that ended it
    out: str
    err: str
    memory_limit: int = 0     # of the group; 0: none
    disk_mbps: float = 0      # what the disk was throttled to; 0: not
    oom_kills: int = 0        # processes the kernel killed for the limit
    timed_out: bool = False
    group_peak: int = None    # most bytes the kernel counted in the group
    limit_hits: int = None    # how often the group stood at its limit
    disk_read: int = None     # bytes read from the disk by the group
    wall_s: float = 0
    user_s: float = 0
    system_s: float = 0
    others_s: float = 0       # CPU seconds of everything else on the machine meanwhile
    stolen_s: float = 0       # CPU seconds the host gave to somebody else

    @property
    def ok(self):
        return self.rc == 0

    @property
    def disturbed(self):
        lost = self.others_s + self.stolen_s
        return lost > MOST_OTHERS * max(self.wall_s, 0.1) * os.cpu_count()

    def json(self):
        """The object the command printed, {} if it printed none."""
        try:
            value = json.loads(self.out)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def why(self):
        """In a few words how it ended, for a table."""
        if self.oom_kills:
            return "killed: out of memory"
        if self.timed_out:
            return "too slow"
        if self.rc == 0:
            return "ok"
        lines = self.err.strip().splitlines()
        return f"exit {self.rc}: {lines[-1][:160] if lines else 'nothing on stderr'}"

    def record(self):
        """For a result file: numbers and the end of what was said, not all of it."""
        fields = dataclasses.asdict(self)
        fields["err"] = self.err[-600:]
        fields["out"] = shortened(self.json()) or self.out[-600:]
        fields["disturbed"] = self.disturbed
        return fields


def shortened(value):
    """The printed object without what only fills pages."""
    long = ("top_logits", "prompt_token_ids")
    return {key: item for key, item in value.items() if key not in long}


def machine_cpu():
    """(busy, stolen) CPU seconds of the machine since it started."""
    with open("/proc/stat") as file:
        ticks = [int(word) / TICKS for word in file.readline().split()[1:9]]
    return ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], ticks[7]


def drop_page_cache(files=()):
    """Writes `files` out and empties the page cache, so that every page read is charged to the reader.
    Where the kernel does not let us, only what the cache holds of `files` goes. True if all went."""
    for path in files:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
    try:
        groups.write("/proc/sys/vm/drop_caches", 3)
        return True
    except OSError:
        return False


def end(process):
    """Ends a process and those it started, which share its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _start(command, group, env, stdin):
    def enter():
        os.setsid()
        if group is not None:
            group.join()

    return subprocess.Popen([str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=enter, env={**os.environ, **(env or {})})


def _communicate(process, timeout):
    """(stdout, stderr, whether time ran out); whatever happens, the process is gone afterwards."""
    try:
        out, err = process.communicate(timeout=timeout)
        return out, err, False
    except subprocess.TimeoutExpired:
        end(process)
        return *process.communicate(), True
    except BaseException:
        end(process)
        process.wait()
        raise


def run(command, memory=0, disk_mbps=0, timeout=600, files=(), drop=True, env=None, grouped=True):
    """Runs `command` in a group of its own with at most `memory` bytes (0: no limit) while the disk of
    `files` (the model; all disks if none is named) gives `disk_mbps` million bytes per second (0: all it
    has). A limit is rounded up to whole pages; the kernel would round down. `drop` empties the page cache
    first. With `grouped` False there is no group, and no limit. Raises NoGroup where a group is needed and
    cannot be made."""
    group = groups.make_group() if grouped else None
    memory += -memory % os.sysconf("SC_PAGE_SIZE")
    try:
        disk = groups.disk_of(files[0]) if files else None
        if group is not None and memory:
            group.limit_memory(memory)
        if group is not None and disk_mbps:
            for one in [disk] if disk else groups.disks():
                group.throttle(one, disk_mbps * 1e6)
        if drop:
            drop_page_cache([*files, command[0]])
        return _measure(command, group, disk, memory, disk_mbps, timeout, env)
    finally:
        if group is not None:
            group.close()


def _measure(command, group, disk, memory, disk_mbps, timeout, env):
    before, machine = resource.getrusage(resource.RUSAGE_CHILDREN), machine_cpu()
    start = time.monotonic()
    process = _start(command, group, env, subprocess.DEVNULL)
    out, err, timed_out = _communicate(process, timeout)
    wall = time.monotonic() - start
    after, busy = resource.getrusage(resource.RUSAGE_CHILDREN), machine_cpu()
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    result = Run([str(word) for word in command], process.returncode, out.decode(errors="replace"),
                 err.decode(errors="replace"), memory, disk_mbps, timed_out=timed_out, wall_s=wall,
                 user_s=user, system_s=system, stolen_s=busy[1] - machine[1],
                 others_s=max(0.0, busy[0] - machine[0] - user - system))
    result.disk_read = (after.ru_inblock - before.ru_inblock) * 512  # what the process was charged
    if group is not None:
        result.oom_kills, result.limit_hits = group.oom_kills(), group.limit_hits()
        result.group_peak = group.peak_bytes()
        read = group.read_bytes(disk)
        result.disk_read = result.disk_read if read is None else read
    return result


def end_cleanly_on_signals():
    """Turns SIGTERM and SIGHUP into an exception, so that groups are removed on the way out."""
    def leave(number, _):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
