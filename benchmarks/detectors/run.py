#!/usr/bin/env python3
"""Detectors beside torchvision's: a training step and a prediction of RetinaNet, Faster and Mask R-CNN over ResNet-50.

    ./tessera bench detectors [--models faster_rcnn --threads 1,2 --rounds 5 --python PYTHON]

Both sides have the same weights, in torchvision's style, and the same images of 480 x 640, and take turns; a figure is the median over the
rounds of the medians of a turn. A step is losses, backward and AdamW with 2 images; a prediction is one image up to its boxes and masks
in the network's scale, compiled on Tessera's side. Needs ./tessera and a Python with torch, torchvision and numpy (Debian's
python3-torch, python3-torchvision, python3-numpy, or newer ones). Writes results-PROCESSOR.md beside this file, or to --out.
"""
import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402

MODELS = ["retinanet", "faster_rcnn", "mask_rcnn"]
WORKS = {"train": 2, "predict": 1}  # images of a run


def measure(model, work, threads, tessera, args):
    folder = sbs.CACHE / "detectors"
    folder.mkdir(parents=True, exist_ok=True)
    weights, images = folder / f"{model}.pth", folder / "images.f32"
    if not weights.exists():
        subprocess.run([args.python, HERE / "worker.py", "weights", model, weights, images, "1", str(threads)], check=True)
    arguments = [work, model, weights, images, WORKS[work], threads]
    workers = [sbs.Worker("tessera", [*tessera, *arguments], threads), sbs.Worker("torchvision", [args.python, HERE / "worker.py", *arguments], threads)]
    sides, first = sbs.race(
        workers, args.rounds, args.seconds, lambda: [worker.ask("losses 1", "losses") for worker in workers] if work == "train" else []
    )
    (ours, our_memory, _), (theirs, their_memory, _) = sides.values()
    row = f"| {model} | {work} | {threads} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.2f} | {our_memory:.0f} | {their_memory:.0f} | {' and '.join(first)} |"
    print(row, flush=True)
    return row, [version for _, _, version in sides.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of a turn")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    args = parser.parse_args()
    if unknown := [model for model in args.models if model not in MODELS]:
        parser.error(f"--models {unknown[0]}: {', '.join(MODELS)} are right")
    sbs.check_python(args.python)
    tessera = sbs.build("detectors")
    machine, rows, about = sbs.machine(), [], []
    for model in args.models:
        for work in WORKS:
            for threads in map(int, args.threads.split(",")):
                row, about = measure(model, work, threads, tessera, args)
                rows.append(row)
    text = [
        "# Detectors beside torchvision's",
        "",
        f"{about[0]}; {about[1]}. {sbs.describe(machine)}.",
        "Milliseconds are medians of turns; above 1.00, Tessera is the faster side. MB are the most that a process had, libraries included.",
        "The losses of the first step come from the same weights and images; which boxes count is drawn at random on each side.",
        "",
        "| model | work | threads | Tessera, ms | torchvision, ms | ratio | Tessera, MB | torchvision, MB | first losses |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    (args.out / f"results-{sbs.slug()}.md").write_text("\n".join(text) + "\n")


main()
