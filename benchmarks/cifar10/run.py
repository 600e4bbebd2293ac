#!/usr/bin/env python3
"""What recipes reach on CIFAR-10 on this machine, and in what time.

    benchmarks/cifar10/run.py [RECIPE...] [--keep FOLDER]     trains (by default the three of the table), one after the other
    benchmarks/cifar10/run.py --of RUN...                     takes runs that are there already

Adds a row for each to results.csv beside this file: accuracy on the 10,000 test images, seconds of training steps and of
evaluations (from the run's log), images a second, threads, precision. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset.
"""
import argparse
import csv
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RECIPES = ["recipes/cct/cct_2_3x2_cifar10_10epochs.yaml", "recipes/resnet/resnet20_cifar10_8min.yaml", "recipes/resnet/resnet32_cifar10_30min.yaml"]
FIELDS = ["date", "model", "epochs", "top1", "train_seconds", "evaluation_seconds", "images_per_second", "precision", "threads", "machine"]


def processor():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def field(yaml, name):
    """A field of a resolved recipe: names are followed by a colon, values end with a comma, a brace or the line."""
    return re.search(rf"\b{name}: ([^,}}\n]+)", yaml).group(1).strip()


def row(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    yaml = (run / "recipe.yaml").read_text()
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    steps = sum(line.get("seconds", 0) for line in lines if line["kind"] == "step")
    epochs = int(field(yaml, "epochs"))
    threads = int(field(yaml, "threads")) or os.cpu_count()
    model = yaml[yaml.index("model:"):]
    return {
        "date": datetime.date.today(), "model": field(model, "name"), "epochs": epochs, "top1": evaluations[-1]["top1"],
        "train_seconds": round(steps), "evaluation_seconds": round(sum(line["seconds"] for line in evaluations)),
        "images_per_second": round(epochs * 50_000 / steps), "precision": field(yaml, "precision"), "threads": threads, "machine": processor(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--of", nargs="+", type=pathlib.Path, metavar="RUN")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the runs; a temporary one by default")
    args = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    runs = args.of or []
    if not runs:
        folder = args.keep or pathlib.Path(tempfile.mkdtemp())
        for recipe in args.recipes:
            runs.append(folder / pathlib.Path(recipe).stem)
            if subprocess.run([ROOT / "tessera", "train", recipe, "--out", runs[-1]], env=environment, cwd=ROOT).returncode != 0:
                sys.exit(f"{recipe} did not train to its end")
    table = HERE / "results.csv"
    rows = list(csv.DictReader(open(table))) if table.exists() else []
    rows += [row(run) for run in runs]
    temporary = table.with_suffix(".tmp")
    with open(temporary, "w", newline="") as f:
        writer = csv.DictWriter(f, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    temporary.rename(table)
    for one in rows:
        print("  ".join(str(value) for value in one.values()))


if __name__ == "__main__":
    main()
