"""PyTorch's side of the training benchmark: AdamW and cross-entropy in float32. Arguments: model, weights, images, labels, batch, threads."""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers
import protocol

name, weights, image_file, label_file, batch, threads = *sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6])
torch.set_num_threads(threads)
torch.manual_seed(0)
model = peers.load(peers.create(name), weights).train()
labels = torch.from_numpy(np.fromfile(label_file, np.int64))
images = torch.from_numpy(np.fromfile(image_file, np.float32)).reshape(len(labels), 3, 32, 32)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
done = 0


def step():
    global done
    first = done * batch % (len(labels) - batch + 1)
    done += 1
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(images[first:first + batch]), labels[first:first + batch])
    loss.backward()
    optimizer.step()
    return loss.item()


protocol.serve({"version": f"torch {torch.__version__}, Python {sys.version.split()[0]}", "threads": torch.get_num_threads()},
               run=step, losses=lambda count: [step() for _ in range(count)])
