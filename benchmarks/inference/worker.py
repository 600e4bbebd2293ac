"""PyTorch's side of the inference benchmark: eager float32. Arguments: model, weights, input, batch, threads."""
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers
import protocol

name, weights, images, batch, threads = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(threads)
model = peers.load(peers.create(name), weights).eval()
x = torch.from_numpy(np.fromfile(images, np.float32)).reshape(batch, 3, *[int(sys.argv[6])] * 2)
with torch.inference_mode():
    protocol.serve({"version": f"torch {torch.__version__}, Python {sys.version.split()[0]}", "threads": torch.get_num_threads()},
                   run=lambda: model(x), output=lambda: model(x).numpy().tobytes())
