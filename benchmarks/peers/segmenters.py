"""Segmentation heads over backbones that give four maps, as mmsegmentation and the authors of the heads write them."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .pvt import PvtV2
from .resnet import ResNet
from .swin import DenseSwin

CLASSES = 19


def resize(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ConvModule(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Segmenter(nn.Module):
    """A head over a backbone; in training the scores of the auxiliary head beside its own, where there is one."""

    def __init__(self, backbone, decode_head, neck=None, auxiliary_head=None):
        super().__init__()
        self.backbone = backbone
        if neck is not None:
            self.neck = neck
        self.decode_head = decode_head
        if auxiliary_head is not None:
            self.auxiliary_head = auxiliary_head

    def forward(self, x):
        maps = self.backbone.maps(x)
        scores = self.decode_head(self.neck(maps) if hasattr(self, "neck") else maps)
        return (scores, self.auxiliary_head(maps)) if self.training and hasattr(self, "auxiliary_head") else scores


# --- SegFormer --------------------------------------------------------------------------------------------------------


class Projection(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.proj = nn.Linear(inputs, width)

    def forward(self, x):
        b, _, h, w = x.shape
        return self.proj(x.flatten(2).transpose(1, 2)).permute(0, 2, 1).reshape(b, -1, h, w)


class SegFormerHead(nn.Module):
    def __init__(self, inputs, width=256):
        super().__init__()
        for i in (4, 3, 2, 1):
            setattr(self, f"linear_c{i}", Projection(inputs[i - 1], width))
        self.linear_fuse = ConvModule(4 * width, width, 1)
        self.linear_pred, self.dropout = nn.Conv2d(width, CLASSES, 1), nn.Dropout2d(0.1)

    def forward(self, maps):
        size = maps[0].shape[2:]
        parts = [getattr(self, f"linear_c{i}")(maps[i - 1]) for i in (4, 3, 2, 1)]
        parts = [resize(part, size) for part in parts[:-1]] + parts[-1:]
        return self.linear_pred(self.dropout(self.linear_fuse(torch.cat(parts, 1))))


# --- UPerNet ----------------------------------------------------------------------------------------------------------


class UPerHead(nn.Module):
    def __init__(self, inputs, channels=512, scales=(1, 2, 3, 6)):
        super().__init__()
        self.conv_seg, self.dropout = nn.Conv2d(channels, CLASSES, 1), nn.Dropout2d(0.1)
        self.psp_modules = nn.ModuleList([nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvModule(inputs[-1], channels, 1)) for scale in scales])
        self.bottleneck = ConvModule(inputs[-1] + len(scales) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList([ConvModule(width, channels, 1) for width in inputs[:-1]])
        self.fpn_convs = nn.ModuleList([ConvModule(channels, channels, 3) for _ in inputs[:-1]])
        self.fpn_bottleneck = ConvModule(len(inputs) * channels, channels, 3)

    def forward(self, maps):
        last = maps[-1]
        pooled = [resize(module(last), last.shape[2:]) for module in self.psp_modules]
        levels = [conv(x) for conv, x in zip(self.lateral_convs, maps)] + [self.bottleneck(torch.cat([last, *pooled], 1))]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + resize(levels[i], levels[i - 1].shape[2:])
        levels = [conv(x) for conv, x in zip(self.fpn_convs, levels)] + levels[-1:]
        fused = self.fpn_bottleneck(torch.cat([levels[0], *(resize(x, levels[0].shape[2:]) for x in levels[1:])], 1))
        return self.conv_seg(self.dropout(fused))


class FcnHead(nn.Module):
    def __init__(self, inputs, channels=256, level=2):
        super().__init__()
        self.level = level
        self.conv_seg, self.dropout = nn.Conv2d(channels, CLASSES, 1), nn.Dropout2d(0.1)
        self.convs = nn.ModuleList([ConvModule(inputs[level], channels, 3)])

    def forward(self, maps):
        return self.conv_seg(self.dropout(self.convs[0](maps[self.level])))


# --- semantic FPN -----------------------------------------------------------------------------------------------------


class PlainConv(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x):
        return self.conv(x)


class Fpn(nn.Module):
    def __init__(self, inputs, width=256):
        super().__init__()
        self.lateral_convs = nn.ModuleList([PlainConv(channels, width, 1) for channels in inputs])
        self.fpn_convs = nn.ModuleList([PlainConv(width, width, 3) for _ in inputs])

    def forward(self, maps):
        levels = [conv(x) for conv, x in zip(self.lateral_convs, maps)]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], size=levels[i - 1].shape[2:], mode="nearest")
        return [conv(x) for conv, x in zip(self.fpn_convs, levels)]


class Doubling(nn.Module):
    def forward(self, x):
        return resize(x, (2 * x.shape[2], 2 * x.shape[3]))


class FpnHead(nn.Module):
    def __init__(self, levels=4, inputs=256, channels=128):
        super().__init__()
        self.conv_seg, self.dropout = nn.Conv2d(channels, CLASSES, 1), nn.Dropout2d(0.1)
        self.scale_heads = nn.ModuleList()
        for level in range(levels):
            steps = []
            for i in range(max(1, level)):
                steps.append(ConvModule(inputs if i == 0 else channels, channels, 3))
                if level > 0:
                    steps.append(Doubling())
            self.scale_heads.append(nn.Sequential(*steps))

    def forward(self, maps):
        total = self.scale_heads[0](maps[0])
        for head, x in zip(self.scale_heads[1:], maps[1:]):
            total = total + resize(head(x), total.shape[2:])
        return self.conv_seg(self.dropout(total))


# --- VT-FPN -----------------------------------------------------------------------------------------------------------


class Tokenizer(nn.Module):
    def __init__(self, channels, tokens, token_channels):
        super().__init__()
        self.w_a, self.w_v = nn.Linear(channels, tokens, bias=False), nn.Linear(channels, token_channels, bias=False)
        self.scale = channels ** -0.5

    def forward(self, x):
        return self.w_v((self.w_a(x) * self.scale).softmax(dim=1).transpose(1, 2) @ x)


class TokenTransformer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.query, self.key = nn.Linear(dim, dim // 2, bias=False), nn.Linear(dim, dim // 2, bias=False)
        self.f1, self.f2 = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        q, k = self.query(x), self.key(x)
        x = x + (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(dim=-1) @ x
        return x + self.f2(F.relu(self.f1(x)))


class Projector(nn.Module):
    def __init__(self, channels, token_channels):
        super().__init__()
        self.query, self.key = nn.Linear(channels, channels // 2, bias=False), nn.Linear(token_channels, channels // 2, bias=False)
        self.value = nn.Linear(token_channels, channels, bias=False)

    def forward(self, x, tokens):
        q, k = self.query(x), self.key(tokens)
        return x + (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(dim=-1) @ self.value(tokens)


class VtHead(nn.Module):
    def __init__(self, levels=4, inputs=256, channels=128, groups=32):
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(levels):
            steps = []
            for i in range(max(1, level)):
                steps += [nn.Conv2d(inputs if i == 0 else channels, channels, 3, padding=1, bias=False), nn.GroupNorm(groups, channels), nn.ReLU()]
                if level > 0:
                    steps.append(Doubling())
            self.levels.append(nn.Sequential(*steps))
        self.predictor = nn.Conv2d(channels, CLASSES, 1)

    def forward(self, maps):
        total = self.levels[0](maps[0])
        for level, x in zip(self.levels[1:], maps[1:]):
            total = total + resize(level(x), total.shape[2:])
        return self.predictor(total)


class VtFpn(nn.Module):
    def __init__(self, backbone, inputs, width=256, token_channels=1024, tokens=8):
        super().__init__()
        self.tokens = tokens
        self.backbone = backbone
        self.lateral = nn.ModuleList([nn.Conv2d(channels, width, 1) for channels in inputs])
        self.tokenizer = nn.ModuleList([Tokenizer(width, tokens, token_channels) for _ in inputs])
        self.transformer = TokenTransformer(token_channels)
        self.projector = nn.ModuleList([Projector(width, token_channels) for _ in inputs])
        self.head = VtHead(len(inputs), width)

    def forward(self, image):
        levels = [conv(x) for conv, x in zip(self.lateral, self.backbone.maps(image))]
        pixels = [x.flatten(2).transpose(1, 2) for x in levels]
        tokens = self.transformer(torch.cat([tokenizer(x) for tokenizer, x in zip(self.tokenizer, pixels)], 1))
        parts = tokens.split(self.tokens, 1)
        written = [projector(x, part).transpose(1, 2).reshape(level.shape) for projector, x, part, level in zip(self.projector, pixels, parts, levels)]
        return resize(self.head(written), image.shape[2:])


# --- the networks of the benchmarks -----------------------------------------------------------------------------------

PYRAMID = (32, 64, 160, 256)


def segformer_mit_b0():
    return Segmenter(PvtV2(PYRAMID, ratios=(4, 4, 4, 4), classes=0), SegFormerHead(PYRAMID))


def upernet_swin_tiny():
    inputs = (96, 192, 384, 768)
    return Segmenter(DenseSwin(), UPerHead(inputs, 64), auxiliary_head=FcnHead(inputs))


def semantic_fpn_pvt_v2_b0():
    return Segmenter(PvtV2(PYRAMID, classes=0), FpnHead(), neck=Fpn(PYRAMID))


def vt_fpn_resnet18():
    return VtFpn(ResNet(), (64, 128, 256, 512))
