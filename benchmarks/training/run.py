#!/usr/bin/env python3
"""Training on the CPU: Tessera in float32 and bfloat16 beside PyTorch in float32 with its default settings.

    ./tessera bench training [--models cct_7_3x1_32 --batch 64 --threads 2 --rounds 7 --sides python,float32,bfloat16]

A run is a step: forward, cross-entropy, backward, AdamW, on images that lie in memory. Every side is a process that stands all
the time and runs when it is its turn; in every round each has its turn. Before that, all sides take the first --curve steps from
the same weights on the same images, and their losses are compared (dropout draws other numbers on each side). The most memory that
a process had and the pages that the system maps in a step are taken at the end. Needs Debian's python3-torch and python3-numpy, and
./tessera. Writes results.csv, results.md and curves.csv beside this file, or to --out.
"""
import argparse
import array
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402

MODELS = ["cct_7_3x1_32", "vit_tiny_patch4_32"]
SIDES = ["python", "float32", "bfloat16"]
SAMPLES, SIDE, CLASSES = 2048, 32, 10


def data(folder):
    """Images that can be told apart: a picture of each class, coarse as photographs are, under noise."""
    images, labels = folder / "images.f32", folder / "labels.i64"
    if not labels.exists():
        numbers = random.Random(1)
        coarse = [[numbers.gauss(0, 1) for _ in range(3 * 8 * 8)] for _ in range(CLASSES)]
        pictures = [[c[channel * 64 + row // 4 * 8 + column // 4] for channel in range(3) for row in range(SIDE) for column in range(SIDE)] for c in coarse]
        kinds = [numbers.randrange(CLASSES) for _ in range(SAMPLES)]
        with open(images, "wb") as file:
            for kind in kinds:
                array.array("f", (0.3 * value + numbers.gauss(0, 1) for value in pictures[kind])).tofile(file)
        labels.write_bytes(array.array("q", kinds).tobytes())
    return images, labels


def prepared(tessera, model, folder):
    file, facts = folder / f"{model}.safetensors", folder / f"{model}.json"
    if not facts.exists():
        facts.write_text(subprocess.run([*tessera, "prepare", model, str(file)], check=True, capture_output=True, text=True, env=sbs.environment()).stdout)
    return file, json.loads(facts.read_text())


def command(side, tessera, python, model, threads, batch, folder):
    common = [model, prepared(tessera, model, folder)[0], *data(folder), batch, threads]
    return [python, HERE / "worker.py", *common] if side == "python" else [*tessera, side, *common]


def measure(model, threads, tessera, args, folder, peaks):
    workers = [sbs.Worker(side, command(side, tessera, args.python, model, threads, args.batch, folder), threads) for side in args.sides]
    try:
        curves = {w.name: [float(word) for word in w.ask(f"losses {args.curve}", "losses").split()] for w in workers}
        load = sbs.load()
        medians = sbs.alternate(workers, args.rounds, args.seconds)
        memory = {w.name: w.memory() for w in workers}
        faults = {w.name: w.faults(5) for w in workers}
    finally:
        for worker in workers:
            worker.close()
    macs = prepared(tessera, model, folder)[1]["macs"]
    rows = []
    for worker in workers:
        name = worker.name
        ms = statistics.median(medians[name])
        # The backward pass has two products for each of the forward's.
        gflops = 3 * 2 * macs * args.batch / ms / 1e6
        rows.append({"model": model, "batch": args.batch, "threads": threads, "side": name, "ms": round(ms, 2), "images_per_second": round(1000 * args.batch / ms, 1),
                     "share_of_peak": round(gflops / peaks[threads]["bfloat16" if name == "bfloat16" else "float32"], 3), "peak_mb": round(memory[name]),
                     "faults": round(faults[name]), "loss": round(statistics.mean(curves[name][-20:]), 4), "load_before": load})
    return rows, curves, {w.name: w.about["version"] for w in workers}


def learning(rows, losses, curve):
    """Losses of the sides along their first steps, each the mean of the ten up to there."""
    marks = sorted({min(curve, mark) for mark in (10, 20, 30, 50, 75, 100, 150, 200, curve)})
    body = []
    for model, threads in dict.fromkeys((row["model"], row["threads"]) for row in rows):
        steps = [line for line in losses if (line["model"], line["threads"]) == (model, threads)]
        for side in (row["side"] for row in rows if (row["model"], row["threads"]) == (model, threads)):
            body.append([model, threads, side, *(f"{statistics.mean(line[side] for line in steps[max(0, mark - 10):mark]):.4f}" for mark in marks)])
    return "\n## Learning curves\n\nMean loss of the ten steps up to each, from the same weights on the same images.\n\n" + sbs.table(["model", "threads", "side", *map(str, marks)], body)


def summary(rows, facts, losses, curve):
    text = f"# Training on the CPU\n\nWritten by run.py. Faults: pages that the system maps in a step. Loss: mean of the last {min(20, curve)} of the first {curve} steps.\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in facts.items()) + "\n"
    body = []
    for row in rows:
        first = next(r for r in rows if (r["model"], r["batch"], r["threads"]) == (row["model"], row["batch"], row["threads"]))
        body.append([row["model"], row["batch"], row["threads"], row["side"], row["images_per_second"], f"{row['images_per_second'] / first['images_per_second']:.2f}", f"{100 * row['share_of_peak']:.0f} %",
                     row["peak_mb"], f"{row['peak_mb'] / first['peak_mb']:.2f}", f"{row['faults']:,}", row["loss"]])
    first = rows[0]["side"]
    return text + sbs.table(["model", "batch", "threads", "side", "images/s", f"over {first}", "of peak", "peak MB", f"over {first}", "faults", "loss"], body) + learning(rows, losses, curve)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names or beginnings of names, with commas between")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=lambda text: [int(word) for word in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a side's turn")
    parser.add_argument("--curve", type=int, default=200, help="steps whose losses are compared")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=SIDES, help=f"of {', '.join(SIDES)}; the first is what others are compared with")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter with torch and numpy")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder of the results")
    args = parser.parse_args()
    models = [name for name in MODELS if args.models is None or name.startswith(tuple(args.models.split(",")))]
    unknown = [side for side in args.sides if side not in SIDES]
    if not models or unknown:
        parser.error(f"--sides {unknown[0]}: one of {', '.join(SIDES)} is right" if unknown else f"--models {args.models}: beginnings of {', '.join(MODELS)} are right")
    if args.curve < 1 or args.batch > SAMPLES:
        parser.error(f"--curve from 1 and --batch up to {SAMPLES} are right")
    sbs.check_python(args.python)
    tessera = sbs.build("training")
    folder = sbs.CACHE / "training"
    folder.mkdir(parents=True, exist_ok=True)
    facts = sbs.machine()
    print(sbs.describe(facts))
    peaks = {threads: sbs.peak(threads) for threads in args.threads}
    rows, losses, versions = [], [], {}
    for model in models:
        for threads in args.threads:
            new, curves, versions = measure(model, threads, tessera, args, folder, peaks)
            for row in new:
                print(f"{model:20} threads {threads}  {row['side']:8}  {row['images_per_second']:8.1f} images/s ({100 * row['share_of_peak']:.0f} %)  {row['peak_mb']:5} MB  loss {row['loss']:.4f}", flush=True)
            rows += new
            losses += [{"model": model, "threads": threads, "step": i + 1} | {side: curve[i] for side, curve in curves.items()} for i in range(args.curve)]
    facts |= versions | sbs.describe_peaks(peaks) | {"load after": sbs.load()}
    args.out.mkdir(parents=True, exist_ok=True)
    sbs.write_csv(args.out / "results.csv", facts, rows)
    sbs.write_csv(args.out / "curves.csv", facts, losses)
    (args.out / "results.md").write_text(summary(rows, facts, losses, args.curve))
    print(f"written to {os.path.relpath(args.out)}/results.csv, .md and curves.csv")


if __name__ == "__main__":
    main()
