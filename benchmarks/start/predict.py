"""The class of one image from the start of the process on, in plain PyTorch. Arguments: model, weights, input."""
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers

name, weights, images = sys.argv[1:4]
torch.set_num_threads(1)
with torch.inference_mode():
    # Weights that are overwritten need no random numbers.
    for kind in (torch.nn.Linear, torch.nn.Conv2d):
        kind.reset_parameters = lambda self: None
    model = peers.load(peers.create(name), weights).eval()
    print("class", model(torch.from_numpy(np.fromfile(images, np.float32)).reshape(1, 3, 224, 224)).argmax().item(), flush=True)
