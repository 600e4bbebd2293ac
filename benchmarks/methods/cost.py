#!/usr/bin/env python3
"""What every method of training costs beside plain training: time of a step, peak of memory, on the small models of run.py.

    benchmarks/methods/cost.py [--steps 40] [--repeats 3] [--threads 2] [--only TEXT] [--out runs/cost]

Each training is a process of its own that takes --steps steps of 50 images of CIFAR-10, method and baseline in turn. Stages that
a method needs before (teachers, guides) are trained for as many steps first, in a process of their own. A step's time is the median
after the first five; memory is the largest resident set of the process, of which some hundred MiB are .NET, libtorch and the
data, the same for all. Writes cost.csv and cost.md beside this file, unless --only is given. Wants a quiet machine, ./tessera
built once, and `tessera data get cifar10`.
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

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BATCH, CLASSES, FIRST = 50, 10, 5
PLAIN = ("deit/cifar10_small_baseline", None)
BOOTSTRAP = ("bootstrapping/cifar10_small_baseline", None)
FLIP = ["augment=[flip]"]
# Method, (recipe, stage), (recipe, stage) of the baseline, settings of the method; {work} is a folder that is empty at first.
ROWS = [
    ("Bootstrapping, shared weights", ("bootstrapping/cifar10_small_published", None), BOOTSTRAP, []),
    ("Bootstrapping, weights of its own", ("bootstrapping/cifar10_small_published", None), BOOTSTRAP, ["objective.mode=joint"]),
    ("Sharpness-aware steps", ("bootstrapping/cifar10_small_sam", None), BOOTSTRAP, []),
    ("Locality guidance", ("locality-guidance/cifar10_small", "student"), PLAIN, []),
    ("Locality guidance, maps stored", ("locality-guidance/cifar10_small", "student"), PLAIN, [*FLIP, "objective.stored={work}"]),
    ("Relative localisation", ("drloc/cifar10_small", None), PLAIN, []),
    ("Masked autoencoding", ("mae/cifar10_small", "pretrain"), PLAIN, []),
    ("Linear probe", ("mae/cifar10_small", "finetune"), PLAIN, ["objective=linear_probe"]),
    ("Distillation of relations", ("tinymim/cifar10_small", "distill"), PLAIN, []),
    ("Distillation of features", ("tinymim/cifar10_small", "distill"), PLAIN, ["objective.target=features", "objective.relations=[]"]),
    ("Token labels", ("lvvit/cifar10_small", "student"), PLAIN, []),
    ("Localisation and token labels", ("drloc/cifar10_small_token_labels", "student"), PLAIN, []),
    ("Soft distillation", ("sret/cifar10_small", "student"), PLAIN, []),
    ("Soft distillation, outputs stored", ("sret/cifar10_small", "student"), PLAIN, [*FLIP, "objective.stored={work}"]),
    ("Distillation token, hard labels", ("deit/cifar10_small_distilled", "student"), ("deit/cifar10_small_distilled_baseline", None), []),
    ("Token sparsification", ("dynamicvit/cifar10_small", "sparse"), ("dynamicvit/cifar10_small", "dense"), []),
    ("Intermediate supervision", ("revcol/cifar10_small", None), ("revcol/cifar10_small_baseline", None), []),
]
FIELDS = ["method", "recipe", "baseline", "threads", "seconds", "baseline_seconds", "mib", "baseline_mib"]


def tessera(*words):
    """Seconds of each step of a training, and the peak of its memory in MiB."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    process = subprocess.Popen([ROOT / "tessera", "train", "--quiet", *map(str, words)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"tessera train {' '.join(map(str, words))}: it failed")
    return usage.ru_maxrss / 1024


def settings(*fields):
    return [word for field in fields for word in ("--set", field)]


def data(args):
    """As many images as there are steps for; a hundred others are enough to measure accuracy on, which nobody asks for."""
    return [f"data.per_class={args.steps * BATCH // CLASSES}", "data.minival=0.002", "evaluation.split=minival"]


def prepared(recipe, args):
    """The runs of all stages, which have taken as many steps as are measured."""
    folder = args.out / "stages" / f"{recipe.replace('/', '-')}-{args.steps}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        count = (ROOT / "recipes" / f"{recipe}.yaml").read_text().count("  - name: ")
        short = [f"stages.{i}.schedule.{field}" for i in range(count) for field in ("epochs=1", "warmup=0")]
        tessera(recipe, "--out", folder, *settings(*short, *data(args), f"train.threads={args.threads}"))
        (folder / "done").touch()
    return folder


def measure(recipe, stage, more, args):
    """Median seconds of a step, and MiB."""
    path = recipe if stage is None else prepared(recipe, args) / stage / "recipe.yaml"
    run, work = args.out / "run", args.out / "work"
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    fields = [*data(args), f"data.batch={BATCH}", "schedule.epochs=1", "schedule.warmup=0", "evaluation.batch=16", "train.log_every=1", f"train.threads={args.threads}"]
    mib = tessera(path, "--out", run, *settings(*fields, *(field.format(work=work) for field in more)))
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [line["seconds"] for line in lines if line["kind"] == "step"]
    return statistics.median(steps[FIRST:]), mib


def row(name, method, baseline, more, args):
    times = [(measure(*baseline, [], args), measure(*method, more, args)) for _ in range(args.repeats)]
    (base, base_mib), (own, own_mib) = ((statistics.median(v[k][0] for v in times), max(v[k][1] for v in times)) for k in range(2))
    print(f"{name:36} {1000 * base:7.1f} -> {1000 * own:7.1f} ms, {base_mib:6.0f} -> {own_mib:6.0f} MiB", flush=True)
    return dict(zip(FIELDS, [name, named(method), named(baseline), args.threads, f"{own:.5f}", f"{base:.5f}", f"{own_mib:.0f}", f"{base_mib:.0f}"]))


def named(pair):
    return pair[0] if pair[1] is None else f"{pair[0]}:{pair[1]}"


def table(rows, args):
    lines = [f"# Cost of the methods\n\n{datetime.date.today()}, {args.threads} of {os.cpu_count()} processors ({platform.machine()}), {args.steps} steps of {BATCH} images, {args.repeats} times each.",
             "The model of a method is that of its baseline; what stands behind a colon is the stage of a recipe. [cost.py](cost.py) says how it is measured.\n",
             "| method | baseline, ms a step | method | times | baseline, MiB | method | more |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for r in rows:
        own, base, mib, base_mib = (float(r[f]) for f in ("seconds", "baseline_seconds", "mib", "baseline_mib"))
        lines.append(f"| {r['method']} (`{r['recipe']}`) | {1000 * base:.1f} | {1000 * own:.1f} | {own / base:.2f} | {base_mib:.0f} | {mib:.0f} | {mib - base_mib:+.0f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help=f"of each training, more than {FIRST}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="methods whose name contains TEXT; nothing is written then")
    parser.add_argument("--out", type=lambda path: pathlib.Path(path).resolve(), default=ROOT / "runs" / "cost")
    args = parser.parse_args()
    if args.steps <= FIRST:
        parser.error(f"--steps: more than {FIRST} are right, the first are not measured")
    rows = [row(*entry, args) for entry in ROWS if args.only.lower() in entry[0].lower()]
    print("\n" + table(rows, args))
    if args.only:
        return
    with (HERE / "cost.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (HERE / "cost.md").write_text(table(rows, args))


if __name__ == "__main__":
    main()
