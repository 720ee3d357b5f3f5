#!/usr/bin/env python3
"""Measures backup and restore against plain tar and zstd, on the same data in one run.

Called by ci/bench backup: bench-backup.py MIB RUNS FOLDER PROGRAMS

MIB of mail are written below FOLDER as a server in a folder has it: text, HTML and attachments, half
of the messages compressed one by one as dovecot stores them. Each way is measured RUNS times, in
turns; the medians count. The time is the wall clock's, until what was written is on the disk: a backup
says that it is made only then, and tar's archive is synced within its time. The CPU's time is that of all
processes of a pipeline, and so is the memory, the largest resident set of each.
"""

import base64
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

WORDS = (Path(__file__).parent.parent / "README.md").read_text().split()
PROJECT = Path(__file__).resolve().parent.parent


def message(source, number):
    """About as large as mail is: mostly small, some with attachments of megabytes."""
    head = (
        f"Return-Path: <a{number}@example.com>\nFrom: A <a{number}@example.com>\n"
        f"To: <alice@example.org>\nSubject: {' '.join(source.choices(WORDS, k=6))}\n"
        f"Message-ID: <{source.getrandbits(64):x}@example.com>\n\n"
    ).encode()
    kind = source.random()
    text = " ".join(source.choices(WORDS, k=int(source.lognormvariate(5.5, 1)))).encode()
    if kind < 0.6:
        return head + text
    if kind < 0.85:
        cells = b"".join(b"<td class='cell'>" + w.encode() + b"</td>\n" for w in source.choices(WORDS, k=900))
        return head + b"<html><table>" + cells + b"</table></html>"
    size = min(int(source.lognormvariate(12.5, 1)), 8 << 20)
    return head + base64.encodebytes(source.randbytes(size))


def fill(maildir, mib):
    source = random.Random(1)
    for name in ("cur", "new", "tmp", "plain"):
        (maildir / name).mkdir(parents=True)
    written = number = 0
    while written < mib << 20:
        data = message(source, number)
        stored = source.random() < 0.5
        path = maildir / ("cur" if stored else "plain") / f"{1700000000 + number}.M{number}.mail:2,S"
        path.write_bytes(data)
        written += len(data)
        number += 1
    # one by one, as dovecot's mail_compress writes them
    subprocess.run(
        ["find", maildir / "plain", "-type", "f", "-exec", "zstd", "-q", "--rm", "{}", "+"], check=True
    )
    for path in (maildir / "plain").iterdir():
        path.rename(maildir / "cur" / path.name.removesuffix(".zst"))
    (maildir / "plain").rmdir()
    total = sum(p.stat().st_size for p in (maildir / "cur").iterdir())
    return number, total


def run(commands, stdin=None, stdout=None, on_disk=None):
    """A pipeline: seconds, those of the CPU, and MiB of memory."""
    os.sync()
    begun = time.monotonic()
    processes, previous = [], stdin
    for command in commands:
        last = command is commands[-1]
        process = subprocess.Popen(
            command, stdin=previous or subprocess.DEVNULL,
            stdout=stdout if last else subprocess.PIPE, stderr=subprocess.PIPE if len(commands) == 1 else None,
        )
        if previous not in (None, stdin):
            previous.close()
        processes.append(process)
        previous = process.stdout
    memory = cpu = 0
    for process in processes:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"bench: {process.args} failed: {errors.decode()}")
        memory += usage.ru_maxrss
        cpu += usage.ru_utime + usage.ru_stime
    if on_disk:
        subprocess.run(["sync", "-f" if on_disk.is_dir() else "-d", on_disk], check=True)
    return time.monotonic() - begun, cpu, memory / 1024


def main():
    mib, runs, folder, programs = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    root = folder / "server"
    (root / "etc").mkdir(parents=True)
    answers = PROJECT / "tests/answers/good/small.toml"
    share = root / "usr/share/ezmail"
    share.mkdir(parents=True)
    (share / "templates").symlink_to(PROJECT / "airootfs/usr/share/ezmail/templates")
    subprocess.run(
        [programs / "ezmail-agent", "apply", "--root", root, "--answers", answers],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    messages, total = fill(root / "var/vmail/example.org/alice/Maildir", mib)
    print(f"{messages} messages, {total / 1e6:.0f} MB on the disk", flush=True)
    mailctl = [str(programs / "mailctl"), "--root", str(root)]
    plain, ours, out = folder / "plain.tar.zst", folder / "ours", folder / "out"
    mail = root / "var/vmail"
    results = {}

    def measure(name, commands, **ends):
        results.setdefault(name, []).append(run(commands, **ends))
        tell(name, results[name][-1])

    def tell(name, result):
        seconds, cpu, memory = result
        rate = total / 1e6 / seconds
        print(f"  {name:<24} {seconds:7.2f} s  {cpu:7.2f} s  {rate:7.1f} MB/s  {memory:6.0f} MiB", flush=True)

    # what is read is in memory for all of them then
    run([["tar", "-C", mail, "-cf", "-", "."], ["cat"]], stdout=subprocess.DEVNULL)
    for _ in range(runs):
        with plain.open("wb") as to:
            measure("tar | zstd", [["tar", "-C", mail, "-cf", "-", "."], ["zstd", "-q", "-3"]], stdout=to, on_disk=plain)
        ours.unlink(missing_ok=True)
        measure("backup create", [mailctl + ["backup", "create", "-o", str(ours)]])
    for _ in range(runs):
        out.mkdir()
        with plain.open("rb") as source:
            measure("zstd -d | tar x", [["zstd", "-q", "-d"], ["tar", "-C", out, "-xf", "-"]], stdin=source, on_disk=out)
        shutil.rmtree(out)
        measure("restore", [mailctl + ["restore", str(ours), "--yes"]])
        subprocess.run(mailctl + ["restore", "--drop-old", "--yes"], check=True, stdout=subprocess.DEVNULL)
    middle = {name: [statistics.median(c) for c in zip(*values)] for name, values in results.items()}
    print(f"{'medians of ' + str(runs):<26} {'time':>7}    {'CPU':>6}    {'rate':>10}   {'memory':>8}")
    for name, result in middle.items():
        tell(name, result)
    print(f"sizes: tar | zstd {plain.stat().st_size / 1e6:.1f} MB, backup {ours.stat().st_size / 1e6:.1f} MB")
    for what, theirs, mine in (("backup", "tar | zstd", "backup create"), ("restore", "zstd -d | tar x", "restore")):
        print(f"{what}: {middle[theirs][0] / middle[mine][0]:.2f} of the rate of {theirs}")


main()
