#!/usr/bin/env python3
"""Every method of training with little data against its baseline: same model, same images, same epochs, several seeds.

    benchmarks/methods/run.py [--seeds 3] [--only TEXT] [--out runs/methods] [--set FIELD=VALUE]

Trains the recipes */cifar10_small*.yaml (200 images of each class of CIFAR-10), a run per recipe and seed below --out: as many
at a time as there are processors, each on one of its own, as models this small gain little from a second. What is done already
is not done again, and what was stopped in the middle goes on there. Writes results.md (mean and deviation over the seeds, in
percent) and results.svg beside this file. Needs ./tessera built once and `tessera data get cifar10`.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import queue
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAIN = "deit/cifar10_small_baseline"
# Method, its recipe, the recipe of its baseline (or the stage of its own run that is it).
ROWS = [
    ("Bootstrapping, shared weights", "bootstrapping/cifar10_small", "bootstrapping/cifar10_small_baseline"),
    ("Bootstrapping, weights of its own", "bootstrapping/cifar10_small_joint", "bootstrapping/cifar10_small_baseline"),
    ("Bootstrapping, published terms", "bootstrapping/cifar10_small_published", "bootstrapping/cifar10_small_baseline"),
    ("Sharpness-aware steps", "bootstrapping/cifar10_small_sam", "bootstrapping/cifar10_small_baseline"),
    ("Locality guidance", "locality-guidance/cifar10_small", PLAIN),
    ("Relative localisation", "drloc/cifar10_small", PLAIN),
    ("Masked autoencoding", "mae/cifar10_small", PLAIN),
    ("Distillation of relations", "tinymim/cifar10_small", PLAIN),
    ("Token labels", "lvvit/cifar10_small", PLAIN),
    ("Soft distillation", "sret/cifar10_small", PLAIN),
    ("Distillation token, hard labels", "deit/cifar10_small_distilled", "deit/cifar10_small_distilled_baseline"),
    ("Localisation and token labels", "drloc/cifar10_small_token_labels", PLAIN),
    ("Token sparsification", "dynamicvit/cifar10_small", "dynamicvit/cifar10_small:dense"),
    ("Intermediate supervision", "revcol/cifar10_small", "revcol/cifar10_small_baseline"),
    ("Embeddings: one network, codes", "qkv-embedding/cifar10_small", "qkv-embedding/cifar10_small_baseline"),
    ("DHVT instead of a ViT", "dhvt/cifar10_small", PLAIN),
]


def seconds(log):
    """Time of all steps of a run, by the median pace: what else ran on the machine for a while does not count."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    paces = [line["seconds"] / (line["step"] - before) for line, before in zip(steps, [0] + [line["step"] for line in steps])]
    return statistics.median(paces) * steps[-1]["step"]


def stages(folder):
    listing = folder / "stages.json"
    return [folder / name for name in json.loads(listing.read_text())] if listing.exists() else [folder]


def done(folder):
    return folder.exists() and all((stage / "results.json").exists() for stage in stages(folder))


def folder_of(recipe, seed, out):
    return out / recipe.replace("/", "-") / f"seed-{seed}"


def train(recipe, seed, out, settings, processors):
    """Seconds that a run took; none if it was finished before."""
    folder = folder_of(recipe, seed, out)
    if done(folder):
        return 0
    begun = (folder / "stages.json").exists() or (folder / "recipe.yaml").exists()
    command = [ROOT / "tessera", "train", "--quiet"]
    command += ["--resume", folder] if begun else [recipe, "--out", folder, "--set", f"train.seed={seed}", *[word for s in settings for word in ("--set", s)]]
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")} | {"OMP_NUM_THREADS": "1"}
    started, processor = time.monotonic(), processors.get()
    try:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
    finally:
        processors.put(processor)
    return time.monotonic() - started


def train_all(recipes, seeds, out, settings):
    """All runs, a seed of every recipe before the next, with the time that is left."""
    runs = [(recipe, seed) for seed in range(seeds) for recipe in recipes]
    left = sum(not done(folder_of(*run, out)) for run in runs)
    print(f"{len(runs)} runs, {left} of them to do", flush=True)
    processors = queue.SimpleQueue()
    for processor in sorted(os.sched_getaffinity(0)):
        processors.put(processor)
    started, finished = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(processors.qsize()) as pool:
        begun = {pool.submit(train, *run, out, settings, processors): run for run in runs}
        for future in concurrent.futures.as_completed(begun):
            recipe, seed = begun[future]
            try:
                taken = future.result()
            except subprocess.CalledProcessError:
                pool.shutdown(cancel_futures=True)
                sys.exit(f"{recipe}, seed {seed}: training stopped; the same command goes on with it")
            if taken:
                finished += 1
                rest = (time.monotonic() - started) / finished * (left - finished)
                print(f"{finished}/{left}  {recipe}, seed {seed}: {taken:.0f} s; about {datetime.timedelta(seconds=round(rest))} left", flush=True)


def measure(recipe, seeds, out):
    """Accuracies in percent and median seconds, of the last stage or of the one named after a colon."""
    name, _, stage = recipe.partition(":")
    tops, times = [], []
    for seed in range(seeds):
        folder = folder_of(name, seed, out)
        chosen = folder / stage if stage else stages(folder)[-1]
        tops.append(100 * json.loads((chosen / "results.json").read_text())["evaluation"]["top1"])
        times.append(sum(seconds(s / "log.jsonl") for s in ([chosen] if stage else stages(folder))))
    return tops, statistics.median(times)


def shown(tops):
    return f"{statistics.mean(tops):.1f} ± {statistics.stdev(tops):.1f}" if len(tops) > 1 else f"{tops[0]:.1f}"


def picture(rows):
    """Bars with deviations, baseline above method."""
    width, left, row = 740, 230, 46
    top = max(max(b + m) for _, b, m in rows) * 1.1
    scale = (width - left - 90) / top
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {row * len(rows) + 34}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, (name, base, method) in enumerate(rows):
        y = i * row + 8
        svg.append(f'<text x="{left - 10}" y="{y + 20}" text-anchor="end">{name}</text>')
        for k, (values, colour) in enumerate(((base, "#9aa5b1"), (method, "#2266cc"))):
            length, at = statistics.mean(values) * scale, y + k * 17
            svg.append(f'<rect x="{left}" y="{at}" width="{length:.1f}" height="14" fill="{colour}"/>')
            spread = statistics.stdev(values) * scale if len(values) > 1 else 0
            if spread:
                svg.append(f'<path d="M{left + length - spread:.1f} {at + 7}H{left + length + spread:.1f}" stroke="black"/>')
            svg.append(f'<text x="{left + length + spread + 8:.1f}" y="{at + 11}">{shown(values)}</text>')
    svg.append(f'<text x="{left}" y="{row * len(rows) + 24}" fill="#555">top-1 on CIFAR-10 in percent: baseline (grey) and method (blue)</text></svg>')
    return "\n".join(svg) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose recipe contains TEXT; nothing is written then")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "methods")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of all recipes, when runs begin; nothing is written then")
    args = parser.parse_args()
    chosen = [row for row in ROWS if args.only in row[1]]
    train_all(list(dict.fromkeys(recipe.partition(":")[0] for row in chosen for recipe in (row[2], row[1]))), args.seeds, args.out, args.set)
    rows, lines = [], ["| method | baseline, % | method, % | difference | seconds, baseline | seconds, method |", "| --- | --- | --- | --- | --- | --- |"]
    for name, recipe, baseline in chosen:
        base, base_time = measure(baseline, args.seeds, args.out)
        tops, method_time = measure(recipe, args.seeds, args.out)
        rows.append((name, base, tops))
        lines.append(f"| {name} (`{recipe}`) | {shown(base)} | {shown(tops)} | {statistics.mean(tops) - statistics.mean(base):+.1f} | {base_time:.0f} | {method_time:.0f} |")
    table = "\n".join(lines) + "\n"
    print("\n" + table)
    if args.only or args.set:
        return
    head = f"# Methods against their baselines\n\n{datetime.date.today()}, {args.seeds} seeds, {os.cpu_count()} processors, a run on each. Seconds are those of the steps of all stages of a recipe, on one processor.\n\n"
    (HERE / "results.md").write_text(head + table)
    (HERE / "results.svg").write_text(picture(rows))


if __name__ == "__main__":
    main()
