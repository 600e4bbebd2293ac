"""Methods that compare two views of images, as their authors' code for small images has them: a loss of two batches, over any encoder with `embed` and `features`."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def mlp(inputs, hidden, outputs):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def follow(target, online, momentum):
    with torch.no_grad():
        for own, other in zip(target.parameters(), online.parameters()):
            own.mul_(momentum).add_(other, alpha=1 - momentum)


class Encoder(nn.Module):
    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x):
        return self.head(self.backbone.embed(x))


class SimClr(nn.Module):
    """NT-Xent, one batch norm over the embeddings of both views."""

    def __init__(self, backbone, temperature=0.5):
        super().__init__()
        self.encoder, self.last, self.temperature = Encoder(backbone, mlp(backbone.features, 1024, 64)), nn.BatchNorm1d(64), temperature

    def forward(self, first, second):
        features = torch.cat([self.encoder.backbone.embed(view) for view in (first, second)])
        z = F.normalize(self.last(self.encoder.head(features)), dim=1)
        n = len(first)
        logits = z @ z.t() / self.temperature
        logits.fill_diagonal_(-1e9)
        return F.cross_entropy(logits, torch.cat([torch.arange(n) + n, torch.arange(n)]))

    def after(self):
        pass


class Byol(nn.Module):
    def __init__(self, backbone, momentum=0.99):
        super().__init__()
        self.online, self.predictor, self.momentum = Encoder(backbone, mlp(backbone.features, 1024, 64)), mlp(64, 1024, 64), momentum
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, first, second):
        predicted = [self.predictor(self.online(view)) for view in (first, second)]
        with torch.no_grad():
            wanted = [self.target(view) for view in (second, first)]
        return sum(2 - 2 * F.cosine_similarity(own, other).mean() for own, other in zip(predicted, wanted))

    def after(self):
        follow(self.target, self.online, self.momentum)


class Moco(nn.Module):
    def __init__(self, backbone, queue=4096, dim=128, momentum=0.99, temperature=0.2):
        super().__init__()
        head = nn.Sequential(nn.Linear(backbone.features, backbone.features), nn.ReLU(), nn.Linear(backbone.features, dim))
        self.query, self.momentum, self.temperature, self.place = Encoder(backbone, head), momentum, temperature, 0
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(dim, queue), dim=0))

    def forward(self, first, second):
        q = F.normalize(self.query(first), dim=1)
        with torch.no_grad():
            follow(self.key, self.query, self.momentum)
            order = torch.randperm(len(second))
            k = F.normalize(self.key(second[order])[torch.argsort(order)], dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone()], 1) / self.temperature
        self.queue[:, self.place : self.place + len(k)] = k.t()
        self.place = (self.place + len(k)) % self.queue.shape[1]
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    def after(self):
        pass


METHODS = {"simclr": SimClr, "byol": Byol, "moco_v2": Moco}
