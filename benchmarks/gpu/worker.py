"""PyTorch's sides of the benchmark on a GPU. Arguments: eager, compile or compile-graph; model, weights, batch, device, precision (bf16 or
float32), order (plain or channels_last), steps of a run. Attention by scaled_dot_product_attention where PyTorch has it, fused AdamW on a GPU."""
import contextlib
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers
import protocol
from peers import layers

WARM_UPS = 3
side, name, weights = sys.argv[1:4]
batch, device, precision, order, steps = int(sys.argv[4]), torch.device(sys.argv[5]), sys.argv[6], sys.argv[7], int(sys.argv[8])
on_gpu = device.type == "cuda"
layers.fused_attention = hasattr(F, "scaled_dot_product_attention")
if precision == "float32":
    torch.backends.cudnn.allow_tf32 = False
model = peers.load(peers.create(name), weights).train().to(device)
memory_format = torch.channels_last if order == "channels_last" else torch.contiguous_format
if order == "channels_last":
    model = model.to(memory_format=memory_format)
image, classes = (32, 10) if name.endswith("_32") else (224, 1000)
# The same numbers on every side: one engine draws them from one seed.
torch.manual_seed(1)
images = torch.randn(batch, 3, image, image, device=device).contiguous(memory_format=memory_format)
labels = torch.randint(classes, (batch,), device=device)
torch.manual_seed(0)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01, **({"fused": True} if on_gpu else {}))


def objective(x, y):
    return F.cross_entropy(model(x), y)


if side.startswith("compile"):
    objective = torch.compile(objective, mode="reduce-overhead" if side == "compile-graph" else "default", dynamic=False)


def step():
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
        loss = objective(images, labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


def run():
    for _ in range(steps):
        step()
    if on_gpu:
        torch.cuda.synchronize()


def peak_on_gpu():
    return torch.cuda.max_memory_allocated(device) / 2 ** 20


for _ in range(WARM_UPS):
    step()
protocol.serve({"version": f"torch {torch.__version__}, Python {sys.version.split()[0]}", "threads": torch.get_num_threads()}, run=run,
               losses=lambda count: [float(step()) for _ in range(count)], memory=peak_on_gpu if on_gpu else protocol.peak_memory)
