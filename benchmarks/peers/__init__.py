"""The models of the benchmarks in plain PyTorch, written as their authors write them, with the parameter names of their checkpoints.

`create(name)` builds one, `load(model, file)` fills it from a .safetensors file.
"""
import importlib
import json

import numpy as np
import torch

# File, class and settings of each. Only the file of the one that is wanted is imported, which counts where a start is timed.
MODELS = {
    "vit_tiny_patch16_224": ("vit", "VisionTransformer", {}),
    "deit_tiny_patch16_224": ("vit", "VisionTransformer", {}),
    "vit_small_patch16_224": ("vit", "VisionTransformer", {"dim": 384, "heads": 6}),
    "deit_small_patch16_224": ("vit", "VisionTransformer", {"dim": 384, "heads": 6}),
    "vit_tiny_patch4_32": ("vit", "VisionTransformer", {"image": 32, "patch": 4, "classes": 10}),
    "cct_7_3x1_32": ("cct", "Cct", {}),
    "cswin_tiny_224": ("cswin", "CsWin", {}),
    "cvt_13": ("cvt", "Cvt", {}),
    "pvt_v2_b0": ("pvt", "PvtV2", {}),
    "swin_tiny_patch4_window7_224": ("swin", "Swin", {}),
    "segformer_mit_b0": ("segmenters", "segformer_mit_b0", {}),
    "upernet_swin_tiny": ("segmenters", "upernet_swin_tiny", {}),
    "semantic_fpn_pvt_v2_b0": ("segmenters", "semantic_fpn_pvt_v2_b0", {}),
    "vt_fpn_resnet18": ("segmenters", "vt_fpn_resnet18", {}),
}


def create(name):
    file, kind, settings = MODELS[name]
    return getattr(importlib.import_module(f".{file}", __name__), kind)(**settings)


def load(model, path):
    model.load_state_dict(read_safetensors(path), strict=True)
    return model


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
