"""Compact convolutional transformers."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .layers import Attention


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
