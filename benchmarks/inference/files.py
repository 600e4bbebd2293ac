"""Weights, images and ONNX models that the sides of a benchmark share, made once in the cache."""
import array
import json
import pathlib
import random
import subprocess
import sys

import side_by_side as sbs

HERE = pathlib.Path(__file__).resolve().parent
ONNXRUNTIME = "1.30.0"


def node_modules():
    """Folder with onnxruntime-node; the package's own library is all that is needed of it."""
    folder = sbs.CACHE / f"onnxruntime-{ONNXRUNTIME}"
    if not (folder / "node_modules" / "onnxruntime-node").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        # Its install script would fetch CUDA's part.
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", f"onnxruntime-node@{ONNXRUNTIME}"], check=True, cwd=folder)
    return folder


class Files:
    """Weights, images and ONNX models, made once."""

    def __init__(self, tessera, python):
        self.tessera, self.python = tessera, python
        self.folder = sbs.CACHE / "inference"
        self.folder.mkdir(parents=True, exist_ok=True)

    def weights(self, model):
        file, facts = self.folder / f"{model}.safetensors", self.folder / f"{model}.json"
        if not facts.exists():
            done = subprocess.run([*self.tessera, "prepare", model, str(file)], check=True, capture_output=True, text=True, env=sbs.environment())
            facts.write_text(done.stdout)
        return file, json.loads(facts.read_text())

    def images(self, side, batch):
        file = self.folder / f"images-{batch}x3x{side}x{side}.f32"
        if not file.exists():
            numbers = random.Random(1)
            file.write_bytes(array.array("f", (numbers.uniform(-2, 2) for _ in range(batch * 3 * side * side))).tobytes())
        return file

    def onnx(self, model, batch):
        weights, facts = self.weights(model)
        file = self.folder / f"{model}-{batch}.onnx"
        if not file.exists() or file.stat().st_mtime < weights.stat().st_mtime:
            done = subprocess.run([self.python, HERE / "export.py", model, weights, str(facts["side"]), str(batch), file], capture_output=True, text=True, env=sbs.environment())
            if done.returncode != 0:
                sys.exit(done.stderr)
        return file
