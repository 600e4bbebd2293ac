"""Nanoseconds of an operator on tensors of next to nothing, from Python. Argument: calls."""
import sys
import time

import torch
import torch.nn.functional as F

calls = int(sys.argv[1])
torch.set_num_threads(1)


def measure(name, call):
    for _ in range(calls // 10):
        call()
    start = time.perf_counter_ns()
    for _ in range(calls):
        call()
    print(f"{name} {(time.perf_counter_ns() - start) / calls:.1f}")


with torch.inference_mode():
    a, b = torch.ones(1), torch.ones(1)
    x, weight, bias = torch.ones(1, 4), torch.ones(4, 4), torch.ones(4)
    measure("add", lambda: a.add(b))
    measure("reshape", lambda: x.reshape(4, 1))
    measure("linear", lambda: F.linear(x, weight, bias))
