"""CvT."""
import torch
import torch.nn as nn

from .layers import ConvEmbed, Mlp


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
