#!/usr/bin/env python3
"""Whether memory grows while training: 10,000 steps of the main job's model at batch 8, ten checkpoints among them.

    benchmarks/main-job/growth.py

Reads the process's resident memory from /proc every 1,000 steps (the steps are those of the run's log), and compares what it
had after 10,000 with what it has after 20,000: before that the runtime compiles its code anew and its collector takes its
first regions, in jumps of up to 4 MB. Epochs are 1,000 steps long, so that whatever happens once an epoch, a checkpoint
included, is measured too. Writes growth.csv beside this file. Needs ./tessera built once.
"""
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
FIRST, LAST, EVERY = 10_000, 20_000, 1_000


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
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    folder = pathlib.Path(tempfile.mkdtemp())
    command = [ROOT / "tessera", "train", "--quiet", "--out", folder / "run", "--set", "data.batch=8", "--set", "data.limit=8000", "--set", "schedule.epochs=22",
               "--set", "evaluation.every=0", "--set", "train.log_every=100"]
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
        f.write(f"# {datetime.date.today()}, batch 8, growth from step {first['step']} on: {growth} kB\n")
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
