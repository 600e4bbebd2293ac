#!/usr/bin/env python3
"""Tessera's loader beside Pillow and torchvision: one core each, sides alternating.

Rates are images per second of processor time, so that what else runs on the machine counts little.

    apt-get download mate-backgrounds && dpkg-deb -x mate-backgrounds_*.deb photos
    dotnet build -c Release benchmarks/loader
    benchmarks/loader/compare.py --photos photos/usr/share/backgrounds/mate/nature --out benchmarks/loader/results.csv

Photographs are cut into JPEG files once, of the usual size of ImageNet's, 500x375, and of a photo's, 2048x1536; both sides read the
same files. Tessera runs twice: decoding in full, as torchvision does, and with data.shrink_on_load. Needs Debian's
python3-torchvision and python3-pil; --python names the interpreter that has them. With --recipe a training is begun too, and the
share of its time that it waited for the loader is read from its log; --set gives fields of the recipe.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SIZES = [(500, 375), (2048, 1536)]

CUT = """
import sys
from pathlib import Path
from PIL import Image
photos, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True)
count = 0
for path in sorted(photos.glob("*.jpg")):
    image = Image.open(path).convert("RGB")
    for top in range(0, image.height - {height} + 1, {height}):
        for left in range(0, image.width - {width} + 1, {width}):
            image.crop((left, top, left + {width}, top + {height})).save(out / f"{{count:04}}.jpg", quality=90)
            count += 1
"""


def versions(python):
    script = "import torch, torchvision, PIL; from PIL import features; print(torch.__version__, torchvision.__version__, PIL.__version__, features.version('libjpeg_turbo'), sep=',')"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip().split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, type=Path, help="folder of JPEG photographs")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--recipe", type=Path, help="a recipe to train by, for the share of time that training waits")
    parser.add_argument("--set", action="append", default=[], help="field of the recipe, as in train.threads=1")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")} | {"OMP_NUM_THREADS": "1"}
    torch, torchvision, pillow, turbo = versions(options.python)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        print(f"{processor}, {os.cpu_count()} cores, one used; load {os.getloadavg()[0]:.1f}; nice {os.nice(0)}")
        print(f"torch {torch}, torchvision {torchvision}, Pillow {pillow} with libjpeg-turbo {turbo}, Python {platform.python_version()}")
        tessera = ["dotnet", ROOT / "artifacts/bin/Loader/release/Tessera.Benchmarks.Loader.dll"]
        peer = [options.python, Path(__file__).parent / "torchvision_side.py"]
        for width, height in SIZES:
            folder = Path(temporary) / f"{width}x{height}"
            subprocess.run([options.python, "-c", CUT.format(width=width, height=height), options.photos, folder / "train" / "photos"], check=True)
            files = list(folder.rglob("*.jpg"))
            size = sum(file.stat().st_size for file in files) / len(files) / 1024
            print(f"{len(files)} JPEG files of {width}x{height}, {size:.0f} KiB on average, {options.rounds} rounds of {options.seconds:.0f} s")
            for kind in ("plain", "augment"):
                sides = {"tessera": [*tessera, folder, kind, options.seconds, "exact"], "tessera_shrink": [*tessera, folder, kind, options.seconds, "shrink"], "torchvision": [*peer, folder, kind, options.seconds]}
                for number in range(options.rounds):
                    for side, command in sides.items():
                        run = subprocess.run(["taskset", "-c", str(options.core), *map(str, command)], capture_output=True, text=True, env=environment)
                        if run.returncode != 0:
                            sys.exit(run.stderr)
                        rows.append((f"{width}x{height}", kind, number, side, float(run.stdout)))
                rates = {side: statistics.median(row[4] for row in rows if row[:2] == (f"{width}x{height}", kind) and row[3] == side) for side in sides}
                ratios = {side: rates[side] / rates["torchvision"] for side in ("tessera", "tessera_shrink")}
                rows.extend((f"{width}x{height}", kind, "ratio", side, f"{ratio:.2f}") for side, ratio in ratios.items())
                print(f"{kind}: Tessera {rates['tessera']:.1f} images/s, shrinking {rates['tessera_shrink']:.1f}, torchvision {rates['torchvision']:.1f}, ratios {ratios['tessera']:.2f} and {ratios['tessera_shrink']:.2f}")
        if options.recipe:
            out = Path(temporary) / "run"
            subprocess.run([ROOT / "tessera", "train", options.recipe, "--out", out, *(part for field in options.set for part in ("--set", field))], check=True, env=environment, stdout=subprocess.DEVNULL)
            steps = [line for line in map(json.loads, open(out / "log.jsonl")) if line["kind"] == "step"]
            seconds = sum(step["seconds"] for step in steps)
            print(f"{options.recipe.name} {' '.join(options.set)}: waited for the loader {sum(step['seconds'] * step['waited'] for step in steps) / seconds:.2%} of {seconds:.0f} s")
    if options.out:
        with open(options.out, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["files", "transforms", "round", "side", "images_per_second"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
