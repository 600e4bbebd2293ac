#!/usr/bin/env python3
"""Detection's operators beside torchvision's: RoIAlign, non-maximum suppression, focal loss, pasting of masks.

    ./tessera bench detection-operators [--threads 1,2 --rounds 7 --python PYTHON]

Both sides get the same inputs in float32 and take turns; a figure is the median over the rounds of the medians of a turn. RoIAlign and
the focal loss run forward and backward. Outputs are compared, except those of pasting: torchvision rounds its boxes to whole pixels
first. Needs ./tessera and a Python with torch, torchvision and numpy (Debian's python3-torch, python3-torchvision, python3-numpy).
Writes results-PROCESSOR.md beside this file, or to --out.
"""
import argparse
import array
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402

# The numbers are: maps, regions of each image, bins, sampling | boxes, groups | rows, classes | masks, height, width.
SETTINGS = {
    "RoIAlign 7 x 7, adaptive, 2 x 512 regions, 256 channels of 200 x 304": "roi_align 2 256 200 304 512 7 0",
    "RoIAlign 7 x 7, 2 samples, 2 x 512 regions, 256 channels of 200 x 304": "roi_align 2 256 200 304 512 7 2",
    "RoIAlign 14 x 14, adaptive, 2 x 128 regions, 256 channels of 200 x 304": "roi_align 2 256 200 304 128 14 0",
    "RoIAlign 7 x 7, adaptive, 8 x 128 regions, 64 channels of 60 x 80": "roi_align 8 64 60 80 128 7 0",
    "NMS of 2,000 boxes": "nms 2000 1",
    "NMS of 20,000 boxes": "nms 20000 1",
    "NMS of 8,000 boxes of 5 levels": "nms 8000 5",
    "NMS of 20,000 boxes of 80 classes": "nms 20000 80",
    "focal loss of 40,000 x 80": "focal 40000 80",
    "focal loss of 40,000 x 3": "focal 40000 3",
    "pasting 100 masks on 800 x 1,200": "paste 100 800 1200",
}


def measure(name, setting, threads, tessera, args):
    folder = sbs.CACHE / "detection-operators" / re.sub("[^a-z0-9]+", "-", setting)
    subprocess.run([args.python, HERE / "inputs.py", setting, folder], check=True)
    workers = [
        sbs.Worker("tessera", [*tessera, setting, folder, threads], threads),
        sbs.Worker("torchvision", [args.python, HERE / "worker.py", setting, folder, threads], threads),
    ]
    def compare():
        values = []
        for worker in workers:
            file = folder / f"output-{worker.name}"
            worker.ask(f"output {file}", "done")
            values.append(array.array("f", file.read_bytes()))
        ours, theirs = values
        allowed = 1e-4 * max(1, max(map(abs, theirs)))
        if not setting.startswith("paste") and (len(ours) != len(theirs) or any(abs(a - b) > allowed for a, b in zip(ours, theirs))):
            sys.exit(f"{name}: the two sides compute different results")

    sides, _ = sbs.race(workers, args.rounds, args.seconds, compare)
    (ours, our_memory, _), (theirs, their_memory, _) = sides.values()
    row = f"| {name} | {threads} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f} | {our_memory:.0f} | {their_memory:.0f} |"
    print(row, flush=True)
    return row, [version for _, _, version in sides.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--only", default="", help="settings with this in their names")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    args = parser.parse_args()
    sbs.check_python(args.python)
    tessera = sbs.build("detection-operators")
    machine, rows, about = sbs.machine(), [], []
    for name, setting in SETTINGS.items():
        for threads in map(int, args.threads.split(",")) if args.only in name else ():
            row, about = measure(name, setting, threads, tessera, args)
            rows.append(row)
    if not rows:
        sys.exit(f"no setting has '{args.only}' in its name")
    text = [
        "# Detection's operators beside torchvision's",
        "",
        f"    ./tessera bench detection-operators --rounds {args.rounds}",
        "",
        f"{about[0]}; {about[1]}. {sbs.describe(machine)}.",
        "Milliseconds are medians of turns; above 1.00, Tessera is the faster side. MB are the most that a process had, libraries included.",
        "",
        "| operator | threads | Tessera, ms | torchvision, ms | ratio | Tessera, MB | torchvision, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    (args.out / f"results-{sbs.slug()}.md").write_text("\n".join(text) + "\n")


main()
