"""Writes a model as ONNX for one batch size. Arguments: model, weights, image side, batch, file."""
import os
import pathlib
import sys
import warnings

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers

OPSET = 17
# Sizes become constants: every batch size is exported on its own.
warnings.simplefilter("ignore", torch.jit.TracerWarning)

name, weights, side, batch, target = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
model = peers.load(peers.create(name), weights).eval()
temporary = f"{target}.{os.getpid()}"
torch.onnx.export(model, torch.zeros(batch, 3, side, side), temporary, opset_version=OPSET, do_constant_folding=True, input_names=["images"], output_names=["logits"])
os.replace(temporary, target)
