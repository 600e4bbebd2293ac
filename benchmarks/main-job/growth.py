#!/usr/bin/env python3
"""Whether memory grows while training: 10,000 steps of the main job's model at batch 8, ten checkpoints among them.

    benchmarks/main-job/growth.py [--threads N]

Reads the process's resident memory from /proc every 1,000 steps (the steps are those of the run's log), and compares what it
had after 2,000 with what it has after 12,000: the first checkpoints, of steps 1,000 and 2,000, load code that checkpoints
need. Epochs are 1,000 steps long, so that whatever happens once an epoch, a checkpoint included, is measured too. Writes
growth.csv beside this file; fails when the growth is 1 MB or more. Needs ./tessera built once.
"""
import argparse
import csv
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIRST, LAST, EVERY, BOUND_KB = 2_000, 12_000, 1_000, 1_000


def step_of(log):
    """The last step in the log, 0 before there is one."""
    try:
        lines = log.read_text().splitlines()
    except FileNotFoundError:
        return 0
    return max((json.loads(line).get("step", 0) for line in lines[-3:]), default=0)


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="of the engine; all cores by default")
    threads = parser.parse_args().threads
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    folder = pathlib.Path(tempfile.mkdtemp())
    command = [ROOT / "tessera", "train", "--quiet", "--out", folder / "run", "--set", "data.batch=8", "--set", "data.limit=8000", "--set", "schedule.epochs=14",
               "--set", "evaluation.every=0", "--set", "train.log_every=100"]
    if threads:
        command += ["--set", f"train.threads={threads}"]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    rows, wanted = [], EVERY
    try:
        while wanted <= LAST:
            if process.poll() is not None:
                sys.exit(f"training ended with {process.returncode} before step {wanted}")
            step = step_of(folder / "run" / "log.jsonl")
            if step >= wanted:
                rows.append({"step": step, "resident_kb": resident_kb(process.pid)})
                print(f"step {step:6}  {rows[-1]['resident_kb']:,} kB", flush=True)
                wanted += EVERY
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    first = next(row for row in rows if row["step"] >= FIRST)
    growth = rows[-1]["resident_kb"] - first["resident_kb"]
    print(f"growth from step {first['step']:,} to {rows[-1]['step']:,}: {growth:,} kB")
    with open(HERE / "growth.csv", "w", newline="") as f:
        f.write(f"# {datetime.date.today()}, batch 8, {threads or os.cpu_count()} threads, growth from step {first['step']} on: {growth} kB\n")
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    if growth >= BOUND_KB:
        sys.exit(f"that is more than {BOUND_KB:,} kB")


if __name__ == "__main__":
    main()
