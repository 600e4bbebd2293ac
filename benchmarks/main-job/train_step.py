"""The main job's training step in plain PyTorch: CCT-2/3x2 on Fashion-MNIST, as `tessera train` runs it.

Prints one JSON line: images per second (median over blocks of steps), peak memory, final loss, versions.
"""
import argparse
import gzip
import json
import os
import resource
import statistics
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = self.drop(((q @ k.transpose(-2, -1)) * self.scale).softmax(-1))
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


def drop_path(x, rate, training):
    if rate == 0 or not training:
        return x
    keep = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - rate)
    return x * keep.div_(1 - rate)


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, rate):
        super().__init__()
        self.pre_norm, self.norm1 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.self_attn = Attention(dim, heads, 0.1)
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.rate = rate

    def forward(self, x):
        x = self.norm1(x + drop_path(self.self_attn(self.pre_norm(x)), self.rate, self.training))
        return x + drop_path(self.linear2(F.gelu(self.linear1(x))), self.rate, self.training)


class Cct(nn.Module):
    def __init__(self, channels=1, image=28, dim=128, depth=2, heads=2, ratio=1, convs=2, classes=10):
        super().__init__()
        sizes = [channels] + [64] * (convs - 1) + [dim]
        self.tokenizer = nn.Sequential(*[
            nn.Sequential(nn.Conv2d(a, b, 3, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1)) for a, b in zip(sizes, sizes[1:])])
        side = image
        for _ in range(convs):
            side = (side + 1) // 2
        self.positional_emb = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, side * side, dim), std=0.2))
        self.attention_pool = nn.Linear(dim, 1)
        self.blocks = nn.ModuleList([Block(dim, heads, dim * ratio, 0.1 * i / max(1, depth - 1)) for i in range(depth)])
        self.norm, self.fc = nn.LayerNorm(dim), nn.Linear(dim, classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)

    def forward(self, x):
        x = self.tokenizer(x).flatten(2).transpose(1, 2) + self.positional_emb
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weights = self.attention_pool(x).softmax(1).transpose(1, 2)
        return self.fc((weights @ x).squeeze(1))


def read_idx(path, offset):
    with gzip.open(path) as f:
        return np.frombuffer(f.read(), np.uint8, offset=offset)


def augment(images, mean, std):
    """Flips and shifts of up to 2 pixels, then normalisation: [B, 1, 28, 28] uint8 to float32."""
    b = images.shape[0]
    padded = F.pad(images, (2, 2, 2, 2))
    rows = torch.arange(28) + torch.randint(0, 5, (b, 1))
    columns = torch.arange(28) + torch.randint(0, 5, (b, 1))
    flip = torch.rand(b) < 0.5
    columns[flip] = columns[flip].flip(1)
    picked = padded[torch.arange(b)[:, None, None], 0, rows[:, :, None], columns[:, None, :]]
    return (picked.float().div_(255) - mean).div_(std).unsqueeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--warmup", type=int, default=30)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images = torch.from_numpy(read_idx(f"{args.data}/train-images-idx3-ubyte.gz", 16).copy()).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(read_idx(f"{args.data}/train-labels-idx1-ubyte.gz", 8).astype(np.int64))
    model = Cct()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.06}, {"params": plain, "weight_decay": 0}], lr=1e-3)
    order = torch.randperm(len(images))
    rates, start, loss = [], time.perf_counter(), None
    for step in range(args.warmup + args.steps):
        at = step * args.batch % (len(images) - args.batch)
        index = order[at:at + args.batch]
        x, y = augment(images[index], 0.2860, 0.3530), labels[index]
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        if step < args.warmup:
            start = time.perf_counter()
        elif (step - args.warmup) % 20 == 19:
            rates.append(20 * args.batch / (time.perf_counter() - start))
            start = time.perf_counter()
    print(json.dumps({
        "side": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads(), "images_per_second": statistics.median(rates),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "loss": loss.item()}))


if __name__ == "__main__":
    main()
