"""ResNet of basic blocks, as torchvision writes it."""
import torch.nn as nn
import torch.nn.functional as F


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """With a stem for photographs; or, small, with one that keeps the side of images of 32 pixels."""

    def __init__(self, layers=(2, 2, 2, 2), width=64, small=False):
        super().__init__()
        stem = (3, 1, 1) if small else (7, 2, 3)
        self.conv1, self.bn1, self.small = nn.Conv2d(3, width, *stem, bias=False), nn.BatchNorm2d(width), small
        inputs = width
        for i, depth in enumerate(layers):
            blocks = [BasicBlock(inputs if j == 0 else width << i, width << i, 2 if i > 0 and j == 0 else 1) for j in range(depth)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            inputs = width << i
        self.features = inputs

    def maps(self, x):
        """The map of each stage, from fine to coarse."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = x if self.small else F.max_pool2d(x, 3, 2, 1)
        maps = []
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            maps.append(x)
        return maps

    def embed(self, x):
        """Pooled features, [B, features]."""
        return self.maps(x)[-1].mean((2, 3))
