"""The models of the benchmarks in plain PyTorch, written as their authors write them, with the parameter names of their checkpoints.

`create(name)` builds one, `load(model, file)` fills it from a .safetensors file.
"""
import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def read_safetensors(path):
    """All tensors of a file by name."""
    kinds = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


def load(model, path):
    model.load_state_dict(read_safetensors(path), strict=True)
    return model


# Whether attention is written as the authors of the models did, or by the function that PyTorch has for it since 2.0.
fused_attention = False


def attend(q, k, v, scale, dropout=None):
    """softmax(scale q k^T) v with dropout of the weights; all [..., N, d]."""
    if fused_attention:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout.p if dropout is not None and dropout.training else 0.0, scale=scale)
    weights = ((q * scale) @ k.transpose(-2, -1)).softmax(dim=-1)
    return (weights if dropout is None else dropout(weights)) @ v


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Attention(nn.Module):
    """Multi-head attention with one map for queries, keys and values: ViT, DeiT, CCT."""

    def __init__(self, dim, heads, qkv_bias=True, dropout=0.0):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=qkv_bias), nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(dropout)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(attend(q, k, v, self.scale, self.attn_drop).transpose(1, 2).reshape(b, n, c))


# --- ViT, DeiT ------------------------------------------------------------------------------------------------------

class PatchEmbed(nn.Module):
    def __init__(self, patch, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class VitBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim, 4 * dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, image=224, patch=16, dim=192, depth=12, heads=3, classes=1000):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image // patch) ** 2, dim))
        self.patch_embed = PatchEmbed(patch, dim)
        self.blocks = nn.Sequential(*[VitBlock(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


# --- CCT ------------------------------------------------------------------------------------------------------------

class DropPath(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if self.rate == 0 or not self.training:
            return x
        keep = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - self.rate)
        return x * keep.div_(1 - self.rate)


class Tokenizer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv_layers = nn.Sequential(nn.Sequential(nn.Conv2d(3, dim, 3, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1)))

    def forward(self, x):
        return self.conv_layers(x).flatten(2).transpose(1, 2)


class CctBlock(nn.Module):
    def __init__(self, dim, heads, hidden, drop_path):
        super().__init__()
        self.pre_norm, self.self_attn = nn.LayerNorm(dim), Attention(dim, heads, qkv_bias=False, dropout=0.1)
        self.linear1, self.norm1, self.linear2 = nn.Linear(dim, hidden), nn.LayerNorm(dim), nn.Linear(hidden, dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        x = self.norm1(x + self.drop_path(self.self_attn(self.pre_norm(x))))
        return x + self.drop_path(self.linear2(F.gelu(self.linear1(x))))


class CctClassifier(nn.Module):
    def __init__(self, dim, depth, heads, ratio, tokens, classes):
        super().__init__()
        self.positional_emb = nn.Parameter(torch.zeros(1, tokens, dim))
        self.attention_pool = nn.Linear(dim, 1)
        self.blocks = nn.ModuleList([CctBlock(dim, heads, dim * ratio, 0.1 * i / (depth - 1)) for i in range(depth)])
        self.norm, self.fc = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, x):
        x = x + self.positional_emb
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.fc((self.attention_pool(x).softmax(dim=1).transpose(-1, -2) @ x).squeeze(-2))


class Cct(nn.Module):
    def __init__(self, dim=256, depth=7, heads=4, ratio=2, classes=10):
        super().__init__()
        self.tokenizer = Tokenizer(dim)
        self.classifier = CctClassifier(dim, depth, heads, ratio, 256, classes)

    def forward(self, x):
        return self.classifier(self.tokenizer(x))


# --- CSWin ----------------------------------------------------------------------------------------------------------

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


# --- CvT ------------------------------------------------------------------------------------------------------------

class DepthwiseProjection(nn.Module):
    def __init__(self, dim, stride):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(dim, dim, 3, stride, 1, groups=dim, bias=False), nn.BatchNorm2d(dim)

    def forward(self, x):
        return self.bn(self.conv(x)).flatten(2).transpose(1, 2)


class CvtAttention(nn.Module):
    def __init__(self, dim, heads, cls_token):
        super().__init__()
        # The authors' scale: by the whole width, not by that of a head.
        self.heads, self.scale, self.cls_token = heads, dim ** -0.5, cls_token
        self.conv_proj_q, self.conv_proj_k, self.conv_proj_v = DepthwiseProjection(dim, 1), DepthwiseProjection(dim, 2), DepthwiseProjection(dim, 2)
        self.proj_q, self.proj_k, self.proj_v, self.proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x, h, w):
        b, n, c = x.shape
        cls, x = torch.split(x, [1, h * w], 1) if self.cls_token else (None, x)
        x = x.transpose(1, 2).reshape(b, c, h, w)
        q, k, v = self.conv_proj_q(x), self.conv_proj_k(x), self.conv_proj_v(x)
        if self.cls_token:
            q, k, v = torch.cat((cls, q), dim=1), torch.cat((cls, k), dim=1), torch.cat((cls, v), dim=1)
        q, k, v = (linear(t).reshape(b, -1, self.heads, c // self.heads).transpose(1, 2) for linear, t in ((self.proj_q, q), (self.proj_k, k), (self.proj_v, v)))
        x = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1) @ v
        return self.proj(x.transpose(1, 2).reshape(b, n, c))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class CvtBlock(nn.Module):
    def __init__(self, dim, heads, cls_token):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), CvtAttention(dim, heads, cls_token)
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim, 4 * dim)
        self.mlp.act = QuickGELU()

    def forward(self, x, h, w):
        x = x + self.attn(self.norm1(x), h, w)
        return x + self.mlp(self.norm2(x))


class ConvEmbed(nn.Module):
    def __init__(self, inputs, dim, patch, stride, padding):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(inputs, dim, patch, stride, padding), nn.LayerNorm(dim)

    def forward(self, x):
        x = self.proj(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2], x.shape[3]


class CvtStage(nn.Module):
    def __init__(self, inputs, dim, depth, heads, patch, stride, padding, cls_token):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim)) if cls_token else None
        self.patch_embed = ConvEmbed(inputs, dim, patch, stride, padding)
        self.blocks = nn.ModuleList([CvtBlock(dim, heads, cls_token) for _ in range(depth)])

    def forward(self, x):
        x, h, w = self.patch_embed(x)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        for block in self.blocks:
            x = block(x, h, w)
        if self.cls_token is not None:
            return x[:, :1]
        return x.transpose(1, 2).reshape(x.shape[0], -1, h, w)


class Cvt(nn.Module):
    def __init__(self, dims=(64, 192, 384), depths=(1, 2, 10), heads=(1, 3, 6), classes=1000):
        super().__init__()
        shapes = ((7, 4, 2), (3, 2, 1), (3, 2, 1))
        for i, (dim, depth, head, shape) in enumerate(zip(dims, depths, heads, shapes)):
            setattr(self, f"stage{i}", CvtStage(3 if i == 0 else dims[i - 1], dim, depth, head, *shape, cls_token=i == 2))
        self.norm, self.head = nn.LayerNorm(dims[-1]), nn.Linear(dims[-1], classes)

    def forward(self, x):
        return self.head(self.norm(self.stage2(self.stage1(self.stage0(x)))).squeeze(1))


# --- PVT v2 ---------------------------------------------------------------------------------------------------------

class DWConv(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, 1, 1, groups=dim)

    def forward(self, x, h, w):
        b, _, c = x.shape
        return self.dwconv(x.transpose(1, 2).reshape(b, c, h, w)).flatten(2).transpose(1, 2)


class PvtMlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.dwconv, self.act, self.fc2 = nn.Linear(dim, hidden), DWConv(hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, x, h, w):
        return self.fc2(self.act(self.dwconv(self.fc1(x), h, w)))


class PvtAttention(nn.Module):
    def __init__(self, dim, heads, reduction):
        super().__init__()
        self.heads, self.scale, self.reduction = heads, (dim // heads) ** -0.5, reduction
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        if reduction > 1:
            self.sr, self.norm = nn.Conv2d(dim, dim, reduction, reduction), nn.LayerNorm(dim)

    def forward(self, x, h, w):
        b, n, c = x.shape
        q = self.q(x).reshape(b, n, self.heads, c // self.heads).permute(0, 2, 1, 3)
        if self.reduction > 1:
            x = self.norm(self.sr(x.permute(0, 2, 1).reshape(b, c, h, w)).reshape(b, c, -1).permute(0, 2, 1))
        k, v = self.kv(x).reshape(b, -1, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attn = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1)
        return self.proj((attn @ v).transpose(1, 2).reshape(b, n, c))


class PvtBlock(nn.Module):
    def __init__(self, dim, heads, ratio, reduction):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), PvtAttention(dim, heads, reduction)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), PvtMlp(dim, dim * ratio)

    def forward(self, x, h, w):
        x = x + self.attn(self.norm1(x), h, w)
        return x + self.mlp(self.norm2(x), h, w)


class PvtV2(nn.Module):
    def __init__(self, dims=(32, 64, 160, 256), depths=(2, 2, 2, 2), heads=(1, 2, 5, 8), ratios=(8, 8, 4, 4), reductions=(8, 4, 2, 1), classes=1000):
        super().__init__()
        for i, dim in enumerate(dims):
            embed = ConvEmbed(3, dim, 7, 4, 3) if i == 0 else ConvEmbed(dims[i - 1], dim, 3, 2, 1)
            setattr(self, f"patch_embed{i + 1}", embed)
            setattr(self, f"block{i + 1}", nn.ModuleList([PvtBlock(dim, heads[i], ratios[i], reductions[i]) for _ in range(depths[i])]))
            setattr(self, f"norm{i + 1}", nn.LayerNorm(dim, eps=1e-6))
        self.head = nn.Linear(dims[-1], classes)

    def forward(self, x):
        for i in range(1, 5):
            x, h, w = getattr(self, f"patch_embed{i}")(x)
            for block in getattr(self, f"block{i}"):
                x = block(x, h, w)
            x = getattr(self, f"norm{i}")(x)
            if i < 4:
                x = x.reshape(x.shape[0], h, w, -1).permute(0, 3, 1, 2).contiguous()
        return self.head(x.mean(dim=1))


# --- Swin -----------------------------------------------------------------------------------------------------------

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
        if fused_attention:
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


MODELS = {
    "vit_tiny_patch16_224": lambda: VisionTransformer(),
    "deit_tiny_patch16_224": lambda: VisionTransformer(),
    "vit_small_patch16_224": lambda: VisionTransformer(dim=384, heads=6),
    "deit_small_patch16_224": lambda: VisionTransformer(dim=384, heads=6),
    "vit_tiny_patch4_32": lambda: VisionTransformer(image=32, patch=4, classes=10),
    "cct_7_3x1_32": lambda: Cct(),
    "cswin_tiny_224": lambda: CsWin(),
    "cvt_13": lambda: Cvt(),
    "pvt_v2_b0": lambda: PvtV2(),
    "swin_tiny_patch4_window7_224": lambda: Swin(),
}


def create(name):
    return MODELS[name]()
