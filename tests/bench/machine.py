"""The machine under the figures: disk, processor, load, and the memory of our processes."""

import os
import platform
import time
from pathlib import Path

import apsw

from tests.bench.figures import percentile

# In memory a commit costs nothing; what is measured there says nothing of a disk.
NO_DISK = {"tmpfs", "ramfs"}


def file_system(folder):
    """Return the type of the file system a folder lies on."""
    real, best, kind = os.fspath(Path(folder).resolve()), "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount = line.split()[4]
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, line.partition(" - ")[2].split()[0]
    return kind


def fdatasync_ms(folder, count=100):
    """Return the median of writing a page of 4 KiB and having it on the disk, milliseconds."""
    spent = []
    path = Path(folder) / "fdatasync"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for number in range(count):
            began = time.perf_counter()
            os.pwrite(handle, os.urandom(4096), number * 4096)
            os.fdatasync(handle)
            spent.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(handle)
        path.unlink()
    return percentile(spent, 50)


def durable_commit_ms(folder, size_bytes, count=100):
    """Return the median of one bare commit of so many bytes (SQLite, WAL, FULL), in ms."""
    spent = []
    db = apsw.Connection(str(Path(folder) / "floor.db"))
    db.pragma("journal_mode", "WAL")
    db.pragma("synchronous", "FULL")
    db.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, body BLOB)")
    for _ in range(count):
        body = os.urandom(size_bytes)
        began = time.perf_counter()
        db.execute("INSERT INTO row (body) VALUES (?)", (body,))
        spent.append((time.perf_counter() - began) * 1000)
    db.close()
    return percentile(spent, 50)


def describe(folder):
    """Return what a reader must know of this machine to read the figures."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "file_system": file_system(folder),
        "fdatasync_p50_ms": round(fdatasync_ms(folder), 3),
        "load_1min_before": round(os.getloadavg()[0], 2),
    }


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def pss_mb(pids):
    """Return the proportional set size of several processes together, MB of 10⁶ bytes."""
    total_kb = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6


def cpu_s(pids):
    """Return the processor time of several processes and of their ended children, seconds."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def once_mb(pids):
    """Return what several processes have in memory, each shared page once, MB of 10⁶ bytes.

    PSS divides a page of the interpreter by all that map it, and the simulated outside runs on
    the same interpreter; here nothing is divided. Of a part of a file that several map, the one
    with the most of it in memory counts.
    """
    private_kb, shared_kb = 0, {}
    for pid in pids:
        part = None
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                part = tuple(words[2:5])  # offset, device, inode
            elif words[0].startswith("Private_"):
                private_kb += int(words[1])
            elif words[0] in ("Shared_Clean:", "Shared_Dirty:"):
                key = (part, pid) if part[2] == "0" else part
                own = shared_kb.setdefault(key, {})
                own[pid] = own.get(pid, 0) + int(words[1])
    return (private_kb + sum(max(own.values()) for own in shared_kb.values())) * 1024 / 1e6
