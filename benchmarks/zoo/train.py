#!/usr/bin/env python3
"""Trains a small size of every architecture for the same time on CIFAR-10, and draws accuracy over time.

    benchmarks/zoo/train.py [--minutes 4] [--out runs/zoo] [--only swin,vit] [--steps N]

Every model gets the same recipe (recipes/zoo/cifar10_small.yaml; some at 64 pixels: cifar10_small_64.yaml) and the same time:
its speed is measured over some steps first, and as many images are planned as that time allows, in four epochs or more (two for
slow models) with an evaluation after each. Needs CIFAR-10 (./tessera data get cifar10) and ./tessera built once. An interrupted script goes on
where it was when it is called again: complete runs are kept, begun ones resumed. --steps N trains for N steps instead, to
try the script out.

Writes results.csv, results.md and accuracy.svg beside this file, or into --out with --steps.
"""
import argparse
import csv
import datetime
import html
import json
import math
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BATCH, TRAIN_IMAGES, EPOCHS, CALIBRATION_STEPS = 128, 50_000, 4, 12

# Architecture, kind, model; models at 64 pixels end in _64.
MODELS = [
    ("ViT", "plain", "vit_micro_patch4_32"), ("DeiT, distilled", "plain", "deit_micro_distilled_patch4_32"), ("SiT", "plain", "sit_micro_patch4_32"), ("ViT-Lite", "plain", "vit_4_4_32"), ("CVT", "plain", "cvt_4_4_32"),
    ("CCT", "plain", "cct_4_3x2_32"), ("LV-ViT", "plain", "lvvit_micro_32"), ("DynamicViT", "plain", "dynamicvit_micro_patch4_32_07"), ("T2T-ViT", "plain", "t2t_vit_micro_64"),
    ("SoT", "plain", "sot_micro_64"), ("DHVT", "plain", "dhvt_tiny_cifar_patch4"), ("ConViT", "plain", "convit_micro_patch4_32"), ("XCiT", "plain", "xcit_nano_12_p4_32"),
    ("Swin", "pyramid", "swin_micro_patch2_window4_32"), ("CSWin", "pyramid", "cswin_micro_32"), ("PiT", "pyramid", "pit_micro_32"), ("PVT", "pyramid", "pvt_micro_32"), ("PVT v2", "pyramid", "pvt_v2_micro_32"),
    ("MiT", "pyramid", "mit_micro_32"), ("CvT", "pyramid", "cvt_mini_32"), ("CMT", "pyramid", "cmt_mini_32"), ("HAT-Net", "pyramid", "hat_net_mini_32"), ("SReT", "pyramid", "sret_micro_64"),
    ("ResNet", "convolution", "resnet20_cifar"), ("RegNet", "convolution", "regnety_micro_32"), ("EfficientNet", "convolution", "efficientnet_micro_32"), ("NFNet", "convolution", "nfnet_micro_32"), ("InternImage", "convolution", "internimage_micro_32"), ("RevCol", "convolution", "revcol_micro_64"), ("VT-ResNet", "convolution", "vt_resnet_micro_64"),
    ("Mixer", "MLP", "mixer_micro_32"), ("gMixer", "MLP", "gmixer_micro_32"), ("ResMLP", "MLP", "resmlp_micro_32"), ("gMLP", "MLP", "gmlp_micro_32"), ("ViP", "MLP", "vip_micro_32"),
    ("S2-MLP", "MLP", "s2mlp_micro_32"), ("S2-MLPv2", "MLP", "s2mlpv2_micro_32"), ("CycleMLP", "MLP", "cyclemlp_micro_32"), ("AS-MLP", "MLP", "asmlp_micro_32"), ("Hire-MLP", "MLP", "hiremlp_micro_32"),
]
COLOURS = {"plain": "#3b6fd4", "pyramid": "#e4572e", "convolution": "#2a9d8f", "MLP": "#8e5bd0"}


def environment():
    return {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}


def tessera(*arguments):
    """Runs the command line; gives its JSON. Ends this script when it fails or was interrupted."""
    process = subprocess.run([ROOT / "tessera", *arguments, "--json"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode == 130:
        sys.exit("interrupted; call again to go on")
    if process.returncode != 0:
        raise RuntimeError(process.stderr.strip().splitlines()[-1] if process.stderr.strip() else f"exit code {process.returncode}")
    return json.loads(process.stdout)


def recipe(model):
    return "zoo/cifar10_small_64" if model.endswith("_64") else "zoo/cifar10_small"


def train(model, folder, epochs, images):
    """Trains a model, or goes on with it."""
    if (folder / "recipe.yaml").exists():
        return tessera("train", "--resume", str(folder))
    settings = {"model.name": model, "schedule.epochs": epochs, "schedule.warmup": min(1, epochs / 10), "data.limit": images, "data.batch": BATCH, "train.log_every": 5}
    return tessera("train", recipe(model), "--out", str(folder), *[part for name, value in settings.items() for part in ("--set", f"{name}={value}")])


def plan(model, out, minutes):
    """Epochs and images of an epoch that fill the time, from the speed of some steps; kept, so that the plan stays when the script goes on."""
    kept = out / "plans.json"
    plans = json.loads(kept.read_text()) if kept.exists() else {}
    if model not in plans:
        trial = out / "trial"
        shutil.rmtree(trial, ignore_errors=True)
        settings = {"model.name": model, "schedule.epochs": 1, "schedule.warmup": 0, "data.limit": CALIBRATION_STEPS * BATCH, "data.batch": BATCH, "train.log_every": 2, "evaluation.every": 0}
        tessera("train", recipe(model), "--out", str(trial), *[part for name, value in settings.items() for part in ("--set", f"{name}={value}")])
        rates = sorted(line["images_per_second"] for line in log(trial) if line["kind"] == "step" and line["step"] > 2)
        shutil.rmtree(trial, ignore_errors=True)
        seen = rates[len(rates) // 2] * 60 * minutes
        # The 10,000 test images after each epoch cost a slow model more than its training: it is looked at twice only.
        epochs = max(EPOCHS if seen > 20_000 else 2, math.ceil(seen / TRAIN_IMAGES))
        plans[model] = {"epochs": epochs, "images": min(TRAIN_IMAGES, max(BATCH, int(seen / epochs) // BATCH * BATCH))}
        kept.write_text(json.dumps(plans, indent=1))
    return plans[model]["epochs"], plans[model]["images"]


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def curve(folder):
    """Seconds of training and accuracy at every evaluation."""
    seconds, points = 0.0, []
    for line in log(folder):
        if line["kind"] == "step":
            seconds += line["seconds"]
        elif line["kind"] == "evaluation":
            points.append((seconds, line["top1"]))
    return points


def counts(model):
    """Parameters and multiply-accumulates at the size that it is trained at."""
    row = tessera("compare", model, "--count", "--size", "64" if model.endswith("_64") else "32")["models"][0]
    return row["parameters"], row["macs"]


def draw(rows, path, title):
    """Accuracy over seconds of training, a line per architecture, its name at the line's end."""
    width, height, left, right, top, bottom = 1000, 720, 60, 190, 50, 50
    lines = [(r, r["curve"]) for r in rows if r["curve"]]
    most = max((c[-1][0] for _, c in lines), default=1) or 1
    high = math.ceil(max((a for _, c in lines for _, a in c), default=1) * 20) / 20
    x = lambda s: left + s / most * (width - left - right)
    y = lambda a: height - bottom - a / high * (height - top - bottom)
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="DejaVu Sans, sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{left}" y="24" font-size="16" font-weight="600">{html.escape(title)}</text>']
    for i, (kind, colour) in enumerate(COLOURS.items()):
        svg.append(f'<rect x="{left + 120 * i}" y="32" width="10" height="10" rx="3" fill="{colour}"/><text x="{left + 120 * i + 15}" y="41">{kind}</text>')
    for k in range(int(high * 20 + 0.5) + 1):
        if k % 2 == 0:
            svg.append(f'<line x1="{left}" x2="{width - right}" y1="{y(k / 20):.1f}" y2="{y(k / 20):.1f}" stroke="#e3e7ee"/><text x="{left - 8}" y="{y(k / 20) + 4:.1f}" text-anchor="end" fill="#5d6878">{5 * k} %</text>')
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600) if most / s <= 10 or s == 3600)
    for k in range(int(most / step) + 1):
        svg.append(f'<text x="{x(k * step):.1f}" y="{height - bottom + 18}" text-anchor="middle" fill="#5d6878">{k * step}</text>')
    svg.append(f'<text x="{(left + width - right) / 2}" y="{height - 12}" text-anchor="middle" fill="#5d6878">seconds of training</text>')
    names, last = [], -math.inf
    for row, points in sorted(lines, key=lambda line: y(line[1][-1][1])):
        colour = COLOURS[row["kind"]]
        path_ = " ".join(f"{'M' if i == 0 else 'L'}{x(s):.1f},{y(a):.1f}" for i, (s, a) in enumerate([(0, 0.1), *points]))
        svg.append(f'<path d="{path_}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-opacity="0.8"><title>{html.escape(row["architecture"])}</title></path>')
        last = max(last + 13, y(points[-1][1]) + 4)
        names.append((row, points, last, colour))
    # Names that were pushed below the picture's end move up together.
    over = max(0, (names[-1][2] if names else 0) - (height - bottom))
    for row, points, at, colour in names:
        svg.append(f'<line x1="{x(points[-1][0]):.1f}" y1="{y(points[-1][1]):.1f}" x2="{width - right + 18}" y2="{at - over - 4:.1f}" stroke="{colour}" stroke-opacity="0.35"/>'
                   f'<text x="{width - right + 22}" y="{at - over:.1f}" fill="{colour}">{html.escape(row["architecture"])} {100 * points[-1][1]:.1f} %</text>')
    path.write_text("\n".join([*svg, "</svg>", ""]))


def write(rows, folder, setting):
    machine = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    head = f"{datetime.date.today()}, {machine}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset, {setting}"
    columns = ["architecture", "kind", "model", "parameters", "macs", "epochs", "images_an_epoch", "images_per_second", "seconds", "top1", "best_top1"]
    with open(folder / "results.csv", "w", newline="") as file:
        file.write(f"# {head}\n")
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    lines = [f"# All architectures on CIFAR-10\n\n{head}. The same recipe for all (recipes/zoo); accuracy of all 10,000 test images after the last epoch.\n",
             "| architecture | kind | model | parameters | MACs | images/s | images seen | seconds | top-1 |", "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for r in sorted(rows, key=lambda r: -(r["top1"] or 0)):
        lines.append(f"| {r['architecture']} | {r['kind']} | `{r['model']}` | {r['parameters'] / 1e6:.2f} M | {r['macs'] / 1e6:.0f} M | {r['images_per_second']:.0f} | {r['epochs'] * r['images_an_epoch']:,} | {r['seconds']:.0f} | {100 * r['top1']:.2f} % |")
    (folder / "results.md").write_text("\n".join([*lines, "", "![accuracy over time](accuracy.svg)", ""]))
    draw(rows, folder / "accuracy.svg", f"Accuracy on CIFAR-10 over time of training, {setting}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="of training per architecture, without evaluations")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "zoo", help="folder of the runs")
    parser.add_argument("--only", help="parts of model names, with commas")
    parser.add_argument("--steps", type=int, help="train for so many steps only, to try the script out")
    args = parser.parse_args()
    wanted = [m for m in MODELS if not args.only or any(part in m[2] for part in args.only.split(","))]
    if not wanted:
        sys.exit(f"no model has any of '{args.only}' in its name")
    args.out.mkdir(parents=True, exist_ok=True)
    rows, failed, started, fresh = [], [], time.time(), 0
    for i, (architecture, kind, model) in enumerate(wanted):
        folder = args.out / model
        begun = time.time()
        try:
            complete = (folder / "results.json").exists()
            if not complete:
                epochs, images = (2, max(1, args.steps // 2) * BATCH) if args.steps else plan(model, args.out, args.minutes)
                train(model, folder, epochs, images)
                fresh += 1
            points, steps = curve(folder), [line for line in log(folder) if line["kind"] == "step"]
            rates = sorted(line["images_per_second"] for line in steps if line["images_per_second"] > 0)
            parameters, macs = counts(model)
            epochs = steps[-1]["epoch"]
            rows.append({"architecture": architecture, "kind": kind, "model": model, "parameters": parameters, "macs": macs, "epochs": epochs, "images_an_epoch": steps[-1]["step"] // epochs * BATCH,
                         "images_per_second": rates[len(rates) // 2], "seconds": round(points[-1][0], 1), "top1": points[-1][1], "best_top1": max(a for _, a in points), "curve": points})
        except RuntimeError as error:
            failed.append(model)
            print(f"[{i + 1}/{len(wanted)}] {model} failed: {error}", flush=True)
            continue
        left = (time.time() - started) / max(fresh, 1) * (len(wanted) - i - 1)
        print(f"[{i + 1}/{len(wanted)}] {model}: {100 * rows[-1]['top1']:.2f} % after {rows[-1]['seconds']:.0f} s of training"
              f"{' (was complete)' if complete else f', {time.time() - begun:.0f} s in all'}; about {datetime.timedelta(seconds=int(left))} left", flush=True)
        write(rows, args.out if args.steps or args.only else HERE, f"{args.steps} steps" if args.steps else f"{args.minutes:g} minutes per architecture")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; call again to go on")
