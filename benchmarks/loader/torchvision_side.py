"""Images per second of processor time from JPEG files to normalised batches of float32, on one thread: Pillow and torchvision.

Arguments: folder, plain or augment, seconds. compare.py runs it in turn with Tessera's loader.
"""

import random
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)
folder, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
files = sorted(str(path) for path in Path(folder).rglob("*.jpg"))
steps = [T.RandomResizedCrop(224, interpolation=T.InterpolationMode.BICUBIC), T.RandomHorizontalFlip()]
if kind == "augment":
    steps.append(T.RandAugment(num_ops=2, magnitude=9, interpolation=T.InterpolationMode.BICUBIC))
transform = T.Compose([*steps, T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def load(path):
    with open(path, "rb") as file:
        return transform(Image.open(file).convert("RGB"))


images, started, used = 0, time.perf_counter(), None
while True:
    random.shuffle(files)
    for start in range(0, len(files), 16):
        images += len(torch.stack([load(path) for path in files[start:start + 16]]))
        # The first third of the time pays for imports and for memory, as on the other side.
        if used is None and time.perf_counter() - started > seconds / 3:
            images, used = 0, time.process_time()
        if time.perf_counter() - started >= seconds and images > 0:
            print(f"{images / (time.process_time() - used):.2f}")
            sys.exit()
