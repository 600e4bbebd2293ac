"""Swin Transformer."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import layers
from .layers import Mlp


def window_partition(x, window):  # [B, H, W, C] -> [B windows, window, window, C]
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, window, window, c)


def window_reverse(windows, window, h, w):
    b = windows.shape[0] // (h * w // window // window)
    x = windows.view(b, h // window, w // window, window, window, -1)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, w, -1)


class WindowAttention(nn.Module):
    def __init__(self, dim, window, heads):
        super().__init__()
        self.heads, self.scale, self.window = heads, (dim // heads) ** -0.5, window
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        coordinates = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        relative = (coordinates[:, :, None] - coordinates[:, None, :]) + window - 1
        self.register_buffer("relative_position_index", relative[0] * (2 * window - 1) + relative[1])
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(n, n, -1)
        bias = bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if layers.fused_attention:
            if mask is None:
                x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale)
            else:
                # The windows of an image stand beside its heads, so that one mask serves the batch.
                windows = mask.shape[0]
                bias = (bias + mask.unsqueeze(1)).reshape(1, windows * self.heads, n, n)
                q, k, v = (t.reshape(b // windows, windows * self.heads, n, -1) for t in (q, k, v))
                x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale).reshape(b, self.heads, n, -1)
            return self.proj(x.transpose(1, 2).reshape(b, n, c))
        attn = (q * self.scale) @ k.transpose(-2, -1)
        attn = attn + bias
        if mask is not None:
            windows = mask.shape[0]
            attn = (attn.view(b // windows, windows, self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)).view(-1, self.heads, n, n)
        return self.proj((attn.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))


class SwinBlock(nn.Module):
    def __init__(self, dim, resolution, heads, window, shift):
        super().__init__()
        if resolution <= window:
            window, shift = resolution, 0
        self.resolution, self.window, self.shift = resolution, window, shift
        mask = None
        if shift > 0:
            regions = torch.zeros(1, resolution, resolution, 1)
            slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
            for i, (rows, columns) in enumerate((r, c) for r in slices for c in slices):
                regions[:, rows, columns] = i
            regions = window_partition(regions, window).view(-1, window * window)
            mask = (regions.unsqueeze(1) - regions.unsqueeze(2)).ne(0).float() * -100.0
        self.register_buffer("attn_mask", mask)
        self.norm1, self.attn = nn.LayerNorm(dim), WindowAttention(dim, window, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim, 4 * dim)

    def forward(self, x):
        b, n, c = x.shape
        r, window = self.resolution, self.window
        y = self.norm1(x).view(b, r, r, c)
        if self.shift > 0:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        y = self.attn(window_partition(y, window).view(-1, window * window, c), self.attn_mask)
        y = window_reverse(y.view(-1, window, window, c), window, r, r)
        if self.shift > 0:
            y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))
        x = x + y.reshape(b, n, c)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, dim, resolution):
        super().__init__()
        self.resolution = resolution
        self.reduction, self.norm = nn.Linear(4 * dim, 2 * dim, bias=False), nn.LayerNorm(4 * dim)

    def forward(self, x):
        b, n, c = x.shape
        x = x.view(b, self.resolution, self.resolution, c)
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x.view(b, n // 4, 4 * c)))


class SwinStage(nn.Module):
    def __init__(self, dim, resolution, depth, heads, window, last):
        super().__init__()
        self.blocks = nn.ModuleList([SwinBlock(dim, resolution, heads, window, 0 if i % 2 == 0 else window // 2) for i in range(depth)])
        self.downsample = None if last else PatchMerging(dim, resolution)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class SwinPatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(3, dim, 4, 4), nn.LayerNorm(dim)

    def forward(self, x):
        return self.norm(self.proj(x).flatten(2).transpose(1, 2))


class Swin(nn.Module):
    def __init__(self, dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7, image=224, classes=1000):
        super().__init__()
        self.patch_embed = SwinPatchEmbed(dim)
        self.layers = nn.ModuleList([SwinStage(dim << i, image // 4 >> i, depth, head, window, i == len(depths) - 1)
                                     for i, (depth, head) in enumerate(zip(depths, heads))])
        width = dim << (len(depths) - 1)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).mean(dim=1))


class DenseBlock(nn.Module):
    """A block for maps of any size, as the authors' segmentation code has it: padded to whole windows."""

    def __init__(self, dim, heads, window, shift):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.attn = nn.LayerNorm(dim), WindowAttention(dim, window, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim, 4 * dim)

    def forward(self, x, h, w, mask):
        b, n, c = x.shape
        y = self.norm1(x).view(b, h, w, c)
        y = F.pad(y, (0, 0, 0, -w % self.window, 0, -h % self.window))
        high, wide = y.shape[1], y.shape[2]
        if self.shift > 0:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        y = self.attn(window_partition(y, self.window).view(-1, self.window * self.window, c), mask if self.shift > 0 else None)
        y = window_reverse(y.view(-1, self.window, self.window, c), self.window, high, wide)
        if self.shift > 0:
            y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))
        x = x + y[:, :h, :w].reshape(b, n, c)
        return x + self.mlp(self.norm2(x))


class DenseMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction, self.norm = nn.Linear(4 * dim, 2 * dim, bias=False), nn.LayerNorm(4 * dim)

    def forward(self, x, h, w):
        b, _, c = x.shape
        x = F.pad(x.view(b, h, w, c), (0, 0, 0, w % 2, 0, h % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x.view(b, -1, 4 * c)))


class DenseStage(nn.Module):
    def __init__(self, dim, depth, heads, window, last):
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList([DenseBlock(dim, heads, window, 0 if i % 2 == 0 else window // 2) for i in range(depth)])
        self.downsample = None if last else DenseMerging(dim)

    def forward(self, x, h, w):
        window, shift = self.window, self.window // 2
        regions = torch.zeros(1, h + -h % window, w + -w % window, 1, device=x.device)
        slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
        for i, (rows, columns) in enumerate((r, c) for r in slices for c in slices):
            regions[:, rows, columns] = i
        regions = window_partition(regions, window).view(-1, window * window)
        mask = (regions.unsqueeze(1) - regions.unsqueeze(2)).ne(0).float() * -100.0
        for block in self.blocks:
            x = block(x, h, w, mask)
        return x


class DenseSwin(nn.Module):
    """The backbone of the authors' segmentation code: a norm for each stage's map, images of any size."""

    def __init__(self, dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7):
        super().__init__()
        self.patch_embed = SwinPatchEmbed(dim)
        self.layers = nn.ModuleList([DenseStage(dim << i, depth, head, window, i == len(depths) - 1) for i, (depth, head) in enumerate(zip(depths, heads))])
        for i in range(len(depths)):
            setattr(self, f"norm{i}", nn.LayerNorm(dim << i))

    def maps(self, x):
        """The map of each stage, from fine to coarse."""
        h, w = x.shape[2] // 4, x.shape[3] // 4
        x, maps = self.patch_embed(x), []
        for i, layer in enumerate(self.layers):
            x = layer(x, h, w)
            maps.append(getattr(self, f"norm{i}")(x).view(x.shape[0], h, w, -1).permute(0, 3, 1, 2).contiguous())
            if layer.downsample is not None:
                x = layer.downsample(x, h, w)
                h, w = (h + 1) // 2, (w + 1) // 2
        return maps
