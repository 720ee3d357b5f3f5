#!/usr/bin/env python3
"""Measures the builder: bench-build.py PROGRAMS BASE RUNS COLD_RUNS

Prints a table: what, median seconds, all runs, the largest process in MiB. PROGRAMS is a folder with a
release build. Nothing outside of a scratch folder is written but the cache of results.
"""

import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS, BASE, RUNS, COLD_RUNS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
EZMAIL = os.path.join(PROGRAMS, "ezmail")
# releng's, as upstream ships them
XZ = "('-comp' 'xz' '-Xbcj' 'x86' '-b' '1M' '-Xdict-size' '1M')"


class Checkout:
    """A copy of the checkout, in which something may be changed."""

    def __init__(self, scratch):
        self.root = pathlib.Path(scratch) / "checkout"
        names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True).stdout
        for name in filter(None, names.decode().split("\0")):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target, follow_symlinks=False)
        self.out = pathlib.Path(scratch) / "out"
        self.environment = dict(os.environ, SOURCE_DATE_EPOCH="1700000000")

    def build(self, *words, cache=None):
        """Runs a build: its time, the largest process in KiB, its events."""
        command = [EZMAIL, *words, "--json", "--base", BASE, "--programs", PROGRAMS]
        command += ["--project", str(self.root), "--out", str(self.out)]
        environment = dict(self.environment)
        if cache:
            environment["EZMAIL_CACHE"] = str(cache)
        with tempfile.TemporaryFile() as output:
            begun = time.monotonic()
            process = subprocess.Popen(command, env=environment, stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
            taken = time.monotonic() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                sys.exit(f"bench: {' '.join(command)} failed")
            output.seek(0)
            events = [json.loads(line) for line in output]
        return taken, usage.ru_maxrss, events


def row(what, results):
    """A line of the table."""
    times = [taken for taken, *_ in results]
    peak = max(memory for _, memory, *_ in results) / 1024
    runs = " ".join(f"{t:.2f}" for t in times)
    print(f"{what:<44} {statistics.median(times):>8.2f} s {peak:>7.0f} MiB   {runs}", flush=True)
    return statistics.median(times)


def steps(events, stage="image"):
    """How long the steps of a stage took."""
    return sum(e["seconds"] for e in events if e["event"] == "done" and e["stage"] == stage)


def cold(checkout, scratch):
    """Every stage from nothing, each on what came before it."""
    for stage in ["base", "packages", "build"]:
        results = []
        for run in range(COLD_RUNS):
            cache = pathlib.Path(scratch) / f"cache-{run}"
            results.append(checkout.build(stage, cache=cache))
            shutil.rmtree(checkout.out, ignore_errors=True)
        row(f"cold: {stage}", results)
    runs = [packages_of(pathlib.Path(scratch) / f"cache-{run}") for run in range(COLD_RUNS)]
    names = sorted({name for run in runs for name in run})
    differing = [name for name in names if len({run.get(name) for run in runs}) > 1]
    if not names:
        sys.exit("bench: the caches have no packages")
    if differing:
        sys.exit(f"bench: these packages differ from run to run: {' '.join(differing)}")
    if COLD_RUNS > 1:
        print(f"all {len(names)} packages of ours have the same bits in {COLD_RUNS} runs from nothing")


def packages_of(cache):
    """SHA-256 of each package of ours in a cache, by the name of its file."""
    files = (cache / "packages").rglob("*.pkg.tar.zst")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def warm(checkout):
    """What a person waits for again and again; the ISO."""
    checkout.build("build")
    row("nothing changed", [checkout.build("build") for _ in range(RUNS)])
    results = [after_a_change(checkout, str(run)) for run in range(RUNS)]
    row("a changed template, to a new ISO", results)
    iso = next(checkout.out.glob("*.iso"))
    print(f"the ISO has {iso.stat().st_size / 1e6:.1f} MB")
    return iso


def after_a_change(checkout, text):
    """A build with another template, by our own engine."""
    template = checkout.root / "airootfs/usr/share/ezmail/templates/etc/rspamd/override.d/options.inc"
    before = template.read_text()
    template.write_text(f"{before}# {text}\n")
    result = checkout.build("build")
    template.write_text(before)
    return result


def embed(scratch, iso):
    """Answers into a copy of the image, and in place."""
    answers = "tests/answers/good/small.toml"
    for what, words in [("embed, a copy", ["-o", f"{scratch}/my.iso"]), ("embed, in place", ["--replace"])]:
        results = []
        for run in range(RUNS):
            target = iso if words[0] == "-o" else f"{scratch}/my.iso"
            if words[0] == "-o":
                words[1] = f"{scratch}/my.iso" if run == 0 else f"{scratch}/my-{run}.iso"
            begun = time.monotonic()
            process = subprocess.Popen([EZMAIL, "embed", answers, str(target), *words], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                sys.exit("bench: ezmail embed failed")
            results.append((time.monotonic() - begun, usage.ru_maxrss))
        row(what, results)


def against_mkarchiso(checkout, iso):
    """The same profile and mirror by upstream's mkarchiso, in turn with our own: times as ratios."""
    if not shutil.which("mkarchiso"):
        print("mkarchiso is not installed: it is not compared with")
        return
    loader = "airootfs/usr/lib/systemd/boot/efi/systemd-bootia32.efi"
    if "-standin-" in iso.name and not (checkout.root / loader).exists():
        print(f"mkarchiso asks for {loader}, which the stand-in base has not: it is not compared with")
        return
    ours = iso.stat().st_size
    definition = checkout.root / "profile/profiledef.sh.tera"
    text = definition.read_text()
    start = text.index("airootfs_image_tool_options=")
    end = text.index("\n", start)
    upstream, native = {}, []
    for name, changed in [("zstd", text), ("xz", f"{text[:start]}airootfs_image_tool_options={XZ}{text[end:]}")]:
        definition.write_text(changed)
        results, sizes = [], []
        for run in range(RUNS if name == "zstd" else 1):
            if name == "zstd":
                # in turn: a machine that others slow down slows both
                _, memory, events = after_a_change(checkout, f"turn {run}")
                native.append((steps(events), memory))
            iso.unlink(missing_ok=True)
            taken, memory, events = checkout.build("build", "--engine", "mkarchiso")
            results.append((steps(events), memory))
            sizes.append(iso.stat().st_size)
        upstream[name] = (row(f"mkarchiso, {name}", results), sizes[0])
    definition.write_text(text)
    native = row("ours, the image stage", native)
    (zstd, _), (xz, xz_size) = upstream["zstd"], upstream["xz"]
    print(f"the image stage, native, {native:.2f} s: {native / zstd:.2f} of mkarchiso's with the same compression")
    print(f"  {native / xz:.2f} of mkarchiso's with releng's xz; {ours / xz_size:.2f} of that ISO's size")


def main():
    """Measures all of it."""
    scratch = tempfile.mkdtemp(prefix="bench-build-", dir=os.environ.get("EZMAIL_BENCH_SCRATCH"))
    try:
        checkout = Checkout(scratch)
        if COLD_RUNS:
            cold(checkout, scratch)
        iso = warm(checkout)
        embed(scratch, iso)
        against_mkarchiso(checkout, iso)
    finally:
        for run in range(COLD_RUNS):
            # an ordinary user's cache has files of other ids
            subprocess.run([EZMAIL, "clean", "--yes"], check=False, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, EZMAIL_CACHE=f"{scratch}/cache-{run}"))
        shutil.rmtree(scratch, ignore_errors=True)


main()
