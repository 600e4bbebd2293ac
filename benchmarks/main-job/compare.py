#!/usr/bin/env python3
"""The main job's training step in Tessera and in plain PyTorch, in turn, on this machine.

    benchmarks/main-job/compare.py [--rounds 3] [--steps 200]

Both sides train CCT-2/3x2 on Fashion-MNIST at batch 128 (flips, shifts, AdamW, label smoothing) with as many threads as
there are processors, OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset. Prints each run and the ratio of the medians, and
writes results.csv beside this file. Needs Debian's python3-torch and python3-numpy, and ./tessera built once.
"""
import argparse
import csv
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BATCH = 128


def run(command, environment):
    """Runs a command; gives its last line of output as JSON and the most memory that it took, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed with status {status}")
    return json.loads(output[output.index("{"):]), usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    threads = os.cpu_count()
    rows = []
    for round_ in range(1, args.rounds + 1):
        for side in ("PyTorch", "Tessera"):
            load = os.getloadavg()[0]
            if side == "PyTorch":
                result, memory = run(["/usr/bin/python3", HERE / "train_step.py", "--steps", str(args.steps), "--threads", str(threads)], environment)
                rate, version = result["images_per_second"], result["version"]
            else:
                folder = tempfile.mkdtemp()
                try:
                    result, memory = run([ROOT / "tessera", "train", "--json", "--out", f"{folder}/run", "--set", "schedule.epochs=1",
                                          "--set", f"data.limit={(args.steps + 30) * BATCH}", "--set", f"data.batch={BATCH}", "--set", "augment=[flip, {shift: 2}]",
                                          "--set", "model.attention_dropout=0.1", "--set", "model.drop_path=0.1", "--set", "objective.smoothing=0.1"], environment)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                rate, version = result["images_per_second"], "of this checkout"
            rows.append({"round": round_, "side": side, "images_per_second": round(rate, 1), "peak_mb": round(memory), "version": version,
                         "threads": threads, "load_before": round(load, 2)})
            print(f"round {round_}  {side:8}  {rate:7.0f} images/s  {memory:6.0f} MB  load before {load:.2f}", flush=True)
    medians = {side: (statistics.median(r["images_per_second"] for r in rows if r["side"] == side),
                      statistics.median(r["peak_mb"] for r in rows if r["side"] == side)) for side in ("PyTorch", "Tessera")}
    print(f"Tessera / PyTorch: {medians['Tessera'][0] / medians['PyTorch'][0]:.2f} times the images a second, "
          f"{medians['Tessera'][1] / medians['PyTorch'][1]:.2f} times the memory")
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    with open(HERE / "results.csv", "w", newline="") as f:
        f.write(f"# {datetime.date.today()}, {cpu}, {threads} threads, OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset\n")
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
