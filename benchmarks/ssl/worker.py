"""The steps of a method of two views in plain PyTorch on random images, shifted and flipped: batch, AdamW, nothing is measured between."""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import protocol  # noqa: E402
from peers.resnet import ResNet  # noqa: E402
from peers.views import METHODS  # noqa: E402
from peers.vit import VisionTransformer  # noqa: E402

BACKBONES = {
    "resnet18_quarter_small": lambda: ResNet(width=16, small=True),
    "vit_micro_patch4_32": lambda: VisionTransformer(image=32, patch=4, dim=96, depth=6, heads=3, classes=10),
}
SIDE, PAD = 32, 4


def view(images):
    """Shifts of up to four pixels and flips, then normalisation: [B, 3, 32, 32] uint8 to float32."""
    count = len(images)
    padded = torch.nn.functional.pad(images, (PAD, PAD, PAD, PAD))
    rows = torch.arange(SIDE) + torch.randint(0, 2 * PAD + 1, (count, 1))
    columns = torch.arange(SIDE) + torch.randint(0, 2 * PAD + 1, (count, 1))
    flipped = torch.rand(count) < 0.5
    columns[flipped] = columns[flipped].flip(1)
    picked = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # [B, H, W, 3]
    return picked.permute(0, 3, 1, 2).float().div_(255).sub_(0.47).div_(0.25).contiguous()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("model", choices=BACKBONES)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (10_000, 3, SIDE, SIDE), dtype=torch.uint8)
    method = METHODS[args.method](BACKBONES[args.model]())
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3, weight_decay=1e-4)
    seconds = []
    for _ in range(args.first + args.steps):
        started = time.perf_counter()
        batch = images[torch.randint(len(images), (args.batch,))]
        optimizer.zero_grad(set_to_none=True)
        loss = method(view(batch), view(batch))
        loss.backward()
        optimizer.step()
        method.after()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"version": torch.__version__, "seconds": statistics.median(seconds[args.first :]), "mib": protocol.peak_memory(), "loss": loss.item()}))


if __name__ == "__main__":
    main()
