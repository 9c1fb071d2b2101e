"""What the disk gives, measured by a plain reader that shares nothing with tinyai.

As a program: disk.py FILE SECONDS THREADS SEED reads the file with O_DIRECT in blocks of 2 MiB into
huge pages, each thread every THREADS-th block from a place chosen by SEED on, over and over, and prints
one JSON object. The first second does not count: a throttled group may read faster in it. As a module: best_rates() runs that, and tinyai's own measurement of every I/O path, in one
throttled group.
"""
import ctypes
import itertools
import json
import mmap
import os
import random
import sys
import threading
import time

BLOCK = 2 << 20
SECONDS = 2.5
SETTLING_SECONDS = 1.0
HUGE = getattr(mmap, "MADV_HUGEPAGE", 14)


def _buffer():
    """BLOCK bytes that begin at a huge page."""
    area = mmap.mmap(-1, 2 * BLOCK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        area.madvise(HUGE)
    except OSError:
        pass
    start = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % BLOCK
    return memoryview(area)[start:start + BLOCK]


def read_rate(path, seconds, threads, seed):
    """Bytes per second, whole blocks only, at least one per thread."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECT)
    blocks = os.fstat(handle).st_size // BLOCK
    if blocks == 0:
        raise SystemExit("error: the file has less than one block")
    first = random.Random(seed).randrange(blocks)
    counts = [0] * threads
    buffers = [_buffer() for _ in range(threads)]
    for buffer in buffers:
        buffer[:] = bytes(BLOCK)
    start = time.monotonic() + SETTLING_SECONDS

    def work(index):
        for block in itertools.count(index, threads):
            begin = time.monotonic()
            done = os.preadv(handle, [buffers[index]], (first + block) % blocks * BLOCK)
            if begin >= start:
                counts[index] += done
            if done != BLOCK or time.monotonic() - start >= seconds:
                return

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.monotonic() - start)


def plain_rates(model, disk_mbps=0, seed=1):
    """{"plain, 1 thread": bytes per second, ...}, measured in a group with the disk throttled."""
    from lib import limited
    rates = {}
    for threads in (1, 2):
        command = [sys.executable, __file__, model, SECONDS, threads, seed + threads]
        result = limited.run(command, disk_mbps=disk_mbps, files=[model], timeout=60)
        if result.ok:
            rates[f"plain, {threads} thread{'s' * (threads > 1)}"] = result.json()["bytes_per_second"]
    return rates


def best_rates(model, disk_mbps=0, env=None):
    """{name: bytes per second} by every way to read the model: tinyai's paths and the plain reader."""
    from lib import tinyai
    return {**tinyai.disk_rates(model, disk_mbps, env), **plain_rates(model, disk_mbps)}


def main():
    path, seconds, threads, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    print(json.dumps({"bytes_per_second": read_rate(path, seconds, threads, seed)}))


if __name__ == "__main__":
    main()
