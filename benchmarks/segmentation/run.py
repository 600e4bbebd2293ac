#!/usr/bin/env python3
"""Segmenters and TransKD on CamVid: 11 classes, 367 training and 233 test images, mIoU over all pixels of the test images.

    benchmarks/segmentation/run.py [--quick] [--only TEXT] [--seeds 3] [--out FOLDER] [--set FIELD=VALUE]

Trains the recipes segmentation/camvid_*.yaml one after the other on all processors: what is done already is not done again, and what
was stopped in the middle goes on there. TransKD is judged against the student alone only if the teacher is at least 3 points better.
Writes results-PROCESSOR.md and .svg beside this file; --quick trains every row for two epochs to see that it works (under 15 minutes)
and writes nothing. Needs ./tessera built once and the folder of CamVid: $TESSERA_DATA/camvid, or --set data.root=FOLDER.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEACHER, STUDENT = "transkd_teacher", "transkd_student"
# Recipe below segmentation/, what it is, and whether it has as many seeds as asked for.
ROWS = [
    ("segformer_b0", "SegFormer-B0", False),
    ("semantic_fpn_pvt_v2_b0", "semantic FPN, PVTv2-B0", False),
    ("upernet_swin_micro", "UPerNet of 64 channels, small Swin", False),
    ("fpn_resnet18", "FPN, ResNet-18", False),
    ("vt_fpn_resnet18", "VT-FPN, ResNet-18", False),
    (TEACHER, "teacher", True),
    (STUDENT, "student alone", True),
    ("transkd_base", "TransKD-Base", True),
    ("transkd_gl", "TransKD-GL", True),
    ("transkd_ea", "TransKD-EA", True),
]
LEAD = 3  # points that the teacher must be ahead


def recipe_of(name):
    return f"segmentation/camvid_{name}"


def folder_of(name, seed, out):
    return out / name / f"seed-{seed}"


def done(folder):
    return (folder / "results.json").exists()


def train(name, seed, out, settings):
    """Seconds that a run took; 0 if it was finished before."""
    folder = folder_of(name, seed, out)
    if done(folder):
        return 0
    command = [ROOT / "tessera", "train", "--quiet"]
    if (folder / "recipe.yaml").exists():
        command += ["--resume", folder]
    else:
        given = [f"train.seed={seed}", *settings]
        if name.startswith("transkd_") and name not in (TEACHER, STUDENT):
            given.append(f"objective.teacher.run={folder_of(TEACHER, seed, out)}")
        command += [recipe_of(name), "--out", folder, *[word for setting in given for word in ("--set", setting)]]
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def evaluations(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "evaluation"], [line for line in lines if line["kind"] == "step"]


def measure(name, seeds, out):
    """mIoU of every seed in percent after the last epoch, the curve of the first, and the hours of its steps."""
    scores = [100 * json.loads((folder_of(name, seed, out) / "results.json").read_text())["evaluation"]["miou"] for seed in seeds]
    measured, steps = evaluations(folder_of(name, seeds[0], out))
    paces = [line["seconds"] / (line["step"] - before) for line, before in zip(steps, [0] + [line["step"] for line in steps])]
    hours = statistics.median(paces) * steps[-1]["step"] / 3600
    return scores, [(line["epoch"], 100 * line["miou"]) for line in measured], hours


def shown(scores):
    return f"{statistics.mean(scores):.1f} ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else f"{scores[0]:.1f}"


def judgement(found):
    if not all(name in found for name in (TEACHER, STUDENT)):
        return ""
    teacher, student = (statistics.mean(found[name][0]) for name in (TEACHER, STUDENT))
    if teacher - student < LEAD:
        return f"TransKD is not judged: the teacher leads the student alone by {teacher - student:.1f} points, less than {LEAD}.\n"
    gains = ", ".join(
        f"{label} {statistics.mean(found[name][0]) - student:+.1f}" for name, label, _ in ROWS if name in found and name.startswith("transkd_") and name not in (TEACHER, STUDENT)
    )
    return f"The teacher leads the student alone by {teacher - student:.1f} points; over the student: {gains}.\n"


def picture(found):
    """mIoU over the epochs of every row."""
    width, height, left, bottom, right = 760, 400, 50, 40, 220
    colours = ["#2266cc", "#cc4422", "#228844", "#aa7700", "#7744aa", "#333333", "#999999", "#0099aa", "#cc3388", "#667700"]
    last = max(epoch for _, curve, _ in found.values() for epoch, _ in curve)
    top = max(score for _, curve, _ in found.values() for _, score in curve) * 1.05
    x = lambda epoch: left + epoch / last * (width - left - right)
    y = lambda score: height - bottom - score / top * (height - bottom - 20)
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for tick in range(0, int(top) + 1, 10):
        svg.append(f'<path d="M{left} {y(tick):.1f}H{width - right}" stroke="#ddd"/><text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    labels = {name: label for name, label, _ in ROWS}
    for i, (name, (scores, curve, _)) in enumerate(found.items()):
        path = " ".join(f"{x(epoch):.1f},{y(score):.1f}" for epoch, score in curve)
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colours[i % len(colours)]}" stroke-width="2"/>')
        svg.append(f'<text x="{width - right + 10}" y="{30 + 20 * i}" fill="{colours[i % len(colours)]}">{labels[name]} {shown(scores)}</text>')
    svg.append(f'<text x="{left}" y="{height - 8}" fill="#555">test mIoU in percent over the epochs (0 to {last}), first seed</text></svg>')
    return "\n".join(svg) + "\n"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two epochs of a tenth of the images each; nothing is written")
    parser.add_argument("--only", default="", help="rows whose recipe contains TEXT; nothing is written")
    parser.add_argument("--seeds", type=int, default=3, help="of the rows of TransKD")
    parser.add_argument("--out", type=pathlib.Path, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of all recipes, when runs begin; apart from data.root, nothing is written then")
    args = parser.parse_args()
    out = (args.out or ROOT / "runs" / ("segmentation-quick" if args.quick else "segmentation")).resolve()
    seeds = [0] if args.quick else list(range(args.seeds))
    settings = [*args.set, *(["schedule.epochs=2", "data.limit=36"] if args.quick else [])]
    runs = [(name, seed) for name, _, several in ROWS if args.only in name for seed in (seeds if several else seeds[:1])]
    left = sum(not done(folder_of(*run, out)) for run in runs)
    print(f"{len(runs)} runs, {left} of them to do", flush=True)
    started, finished = time.monotonic(), 0
    for name, seed in runs:
        try:
            taken = train(name, seed, out, settings)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{name}, seed {seed}: training stopped with exit code {error.returncode}; the same command goes on with it")
        if taken:
            finished += 1
            rest = (time.monotonic() - started) / finished * (left - finished)
            print(f"{finished}/{left}  {name}, seed {seed}: {taken:.0f} s; about {datetime.timedelta(seconds=round(rest))} left", flush=True)
    names = list(dict.fromkeys(name for name, _ in runs))
    found = {name: measure(name, [seed for other, seed in runs if other == name], out) for name in names}
    labels = {name: label for name, label, _ in ROWS}
    lines = ["| network | recipe | test mIoU, % | hours |", "| --- | --- | --- | --- |"]
    lines += [f"| {labels[name]} | `{recipe_of(name)}` | {shown(scores)} | {hours:.2f} |" for name, (scores, _, hours) in found.items()]
    table = "\n".join(lines) + "\n" + ("\n" + judgement(found) if judgement(found) else "")
    print("\n" + table)
    if args.quick or args.only or any(not setting.startswith("data.root=") for setting in args.set):
        return
    slug = re.sub(r"[^a-z0-9]+", "-", processor().lower()).strip("-")
    head = f"# Segmentation on CamVid\n\n{datetime.date.today()}, {processor()}, {len(os.sched_getaffinity(0))} processors. Hours are those of the steps of the first seed, by the median pace.\n\n"
    (HERE / f"results-{slug}.md").write_text(head + table)
    (HERE / f"results-{slug}.svg").write_text(picture(found))


if __name__ == "__main__":
    main()
