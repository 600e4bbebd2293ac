#!/usr/bin/env python3
"""Tessera's loader beside Pillow and torchvision: one core each, sides alternating.

Rates are images per second of processor time, so that what else runs on the machine counts little.

    apt-get download mate-backgrounds && dpkg-deb -x mate-backgrounds_*.deb photos
    dotnet build -c Release benchmarks/loader
    benchmarks/loader/compare.py --photos photos/usr/share/backgrounds/mate/nature --out benchmarks/loader/results.csv

Photographs are cut into JPEG files of the usual size of ImageNet's, 500x375, once; both sides read the same files. Needs
Debian's python3-torchvision and python3-pil; --python names the interpreter that has them.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH, HEIGHT = 500, 375

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
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")} | {"OMP_NUM_THREADS": "1"}
    torch, torchvision, pillow, turbo = versions(options.python)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        subprocess.run([options.python, "-c", CUT.format(width=WIDTH, height=HEIGHT), options.photos, folder / "train" / "photos"], check=True)
        files = list(folder.rglob("*.jpg"))
        size = sum(file.stat().st_size for file in files) / len(files) / 1024
        processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        print(f"{processor}, {os.cpu_count()} cores, one used; load {os.getloadavg()[0]:.1f}; nice {os.nice(0)}")
        print(f"torch {torch}, torchvision {torchvision}, Pillow {pillow} with libjpeg-turbo {turbo}, Python {platform.python_version()}")
        print(f"{len(files)} JPEG files of {WIDTH}x{HEIGHT}, {size:.0f} KiB on average, {options.rounds} rounds of {options.seconds:.0f} s")
        tessera = ["dotnet", ROOT / "artifacts/bin/Loader/release/Tessera.Benchmarks.Loader.dll"]
        sides = {"tessera": tessera, "torchvision": [options.python, Path(__file__).parent / "torchvision_side.py"]}
        rows = []
        for kind in ("plain", "augment"):
            for number in range(options.rounds):
                for side, command in sides.items():
                    run = subprocess.run(["taskset", "-c", str(options.core), *map(str, command), str(folder), kind, str(options.seconds)], capture_output=True, text=True, env=environment)
                    if run.returncode != 0:
                        sys.exit(run.stderr)
                    rows.append((kind, number, side, float(run.stdout)))
            medians = {side: statistics.median(rate for k, _, s, rate in rows if (k, s) == (kind, side)) for side in sides}
            print(f"{kind}: Tessera {medians['tessera']:.1f} images/s, torchvision {medians['torchvision']:.1f}, ratio {medians['tessera'] / medians['torchvision']:.2f}")
    if options.out:
        with open(options.out, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["transforms", "round", "side", "images_per_second"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
