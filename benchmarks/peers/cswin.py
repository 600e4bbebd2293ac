"""CSWin Transformer."""
import torch
import torch.nn as nn

from .layers import Attention, Mlp, attend


class LePEAttention(nn.Module):
    """Attention within stripes of height hs and width ws, and a depthwise convolution of the values."""

    def __init__(self, dim, resolution, hs, ws, heads):
        super().__init__()
        self.resolution, self.hs, self.ws, self.heads = resolution, hs, ws, heads
        self.scale = (dim // heads) ** -0.5
        self.get_v = nn.Conv2d(dim, dim, 3, 1, 1, groups=dim)

    def windows(self, x):  # [B, L, C] -> [B windows, C, hs, ws]
        b, _, c = x.shape
        r = self.resolution
        x = x.transpose(-2, -1).reshape(b, c, r // self.hs, self.hs, r // self.ws, self.ws)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, c, self.hs, self.ws)

    def split(self, x):  # [B windows, C, hs, ws] -> [B windows, h, N, d]
        return x.reshape(-1, self.heads, x.shape[1] // self.heads, self.hs * self.ws).transpose(-2, -1)

    def forward(self, qkv):
        q, k, v = (self.windows(x) for x in qkv)
        c, r = q.shape[1], self.resolution
        lepe = self.split(self.get_v(v))
        q, k, v = self.split(q), self.split(k), self.split(v)
        x = attend(q, k, v, self.scale) + lepe
        x = x.transpose(1, 2).reshape(-1, r // self.hs, r // self.ws, self.hs, self.ws, c)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, r * r, c)


class CsWinBlock(nn.Module):
    def __init__(self, dim, resolution, heads, split):
        super().__init__()
        self.qkv, self.norm1, self.proj = nn.Linear(dim, 3 * dim), nn.LayerNorm(dim), nn.Linear(dim, dim)
        stripes = [(resolution, resolution)] if resolution == split else [(resolution, split), (split, resolution)]
        self.attns = nn.ModuleList([LePEAttention(dim // len(stripes), resolution, hs, ws, heads // len(stripes)) for hs, ws in stripes])
        self.mlp, self.norm2 = Mlp(dim, 4 * dim), nn.LayerNorm(dim)

    def forward(self, x):
        b, n, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, c).permute(2, 0, 1, 3)
        if len(self.attns) == 1:
            mixed = self.attns[0](qkv)
        else:
            mixed = torch.cat([self.attns[0](qkv[..., :c // 2]), self.attns[1](qkv[..., c // 2:])], dim=2)
        x = x + self.proj(mixed)
        return x + self.mlp(self.norm2(x))


class MergeBlock(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(dim, out, 3, 2, 1), nn.LayerNorm(out)

    def forward(self, x):
        b, n, c = x.shape
        side = int(n ** 0.5)
        x = self.conv(x.transpose(-2, -1).reshape(b, c, side, side))
        return self.norm(x.flatten(2).transpose(-2, -1))


class ToTokens(nn.Module):
    def forward(self, x):
        return x.flatten(2).transpose(1, 2)


class CsWin(nn.Module):
    def __init__(self, dim=64, depths=(1, 2, 21, 1), splits=(1, 2, 7, 7), heads=(2, 4, 8, 16), image=224, classes=1000):
        super().__init__()
        self.stage1_conv_embed = nn.Sequential(nn.Conv2d(3, dim, 7, 4, 2), ToTokens(), nn.LayerNorm(dim))
        for i, (depth, split, head) in enumerate(zip(depths, splits, heads)):
            if i > 0:
                setattr(self, f"merge{i}", MergeBlock(dim, 2 * dim))
                dim *= 2
            setattr(self, f"stage{i + 1}", nn.ModuleList([CsWinBlock(dim, image // 4 >> i, head, split) for _ in range(depth)]))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, x):
        x = self.stage1_conv_embed(x)
        for i in range(4):
            if i > 0:
                x = getattr(self, f"merge{i}")(x)
            for block in getattr(self, f"stage{i + 1}"):
                x = block(x)
        return self.head(self.norm(x).mean(dim=1))
