#!/usr/bin/env python3
"""Where the time goes in the settings of results.csv that miss what is aimed at.

    benchmarks/inference/breakdown.py

Aimed at: float32 ahead of ONNX Runtime's and 1.8 times PyTorch's, bfloat16 1.7 times ONNX Runtime's float32. For each setting below
that, the milliseconds of every kind of step of the compiled model for one image, and what share of the machine's peak its products
reach; beside it, what time was aimed at and what time the peak itself would take. Writes breakdown.md beside this file.
"""
import csv
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402
from files import Files  # noqa: E402

# Side, peer, and how many times the peer's speed is aimed at.
AIMS = [("float32", "onnxruntime", 1.0), ("float32", "python", 1.8), ("bfloat16", "onnxruntime", 1.7)]


def missed(rows):
    """Settings of which an aim is missed: model, batch, threads, side, the milliseconds that were aimed at, and the aims in words."""
    times = {(r["model"], int(r["batch"]), int(r["threads"]), r["side"]): float(r["ms"]) for r in rows}
    found = {}
    for (model, batch, threads, side), ms in times.items():
        for own, peer, aim in AIMS:
            if side == own and (theirs := times.get((model, batch, threads, peer))) is not None and theirs / ms < aim:
                target, words = found.get((model, batch, threads, side), (ms, []))
                found[model, batch, threads, side] = min(target, theirs / aim), [*words, f"{theirs / ms:.2f} of {aim:g} times {peer}"]
    return times, found


def main():
    with open(HERE / "results.csv") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    times, found = missed(rows)
    tessera = sbs.build("inference")
    files = Files(tessera, "/usr/bin/python3")
    facts = sbs.machine()
    peaks = {threads: sbs.peak(threads) for threads in sorted({threads for _, _, threads, _ in found})}
    facts |= sbs.describe_peaks(peaks)
    text = "# Where the time goes where an aim is missed\n\nWritten by breakdown.py. Times of steps are of one image, the fastest of 50 runs, so they add up to less than the median of results.md.\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in facts.items())
    for (model, batch, threads, side), (target, words) in found.items():
        weights, about = files.weights(model)
        done = subprocess.run([*tessera, "breakdown", side, model, str(weights), str(threads)], capture_output=True, text=True, env=sbs.environment(threads))
        if done.returncode != 0:
            sys.exit(done.stderr)
        kinds = json.loads(done.stdout)
        whole, peak = sum(kind["ms"] for kind in kinds), peaks[threads][side] * 1e6
        least = 2 * about["macs"] / peak
        text += f"\n## {model}, batch {batch}, threads {threads}, {side}: {'; '.join(words)}\n\n"
        text += f"An image took {times[model, batch, threads, side] / batch:.2f} ms; {target / batch:.2f} ms was aimed at, {least:.2f} ms is what its products take at the peak.\n\n"
        body = [[kind["kind"], kind["steps"], f"{kind['ms']:.3f}", f"{100 * kind['ms'] / whole:.0f} %", f"{100 * 2 * kind['macs'] / kind['ms'] / peak:.0f} %" if kind["macs"] else ""] for kind in kinds]
        text += sbs.table(["kind of step", "steps", "ms", "of the time", "of the peak"], [*body, ["together", sum(kind["steps"] for kind in kinds), f"{whole:.3f}", "", f"{100 * least / whole:.0f} %"]])
    (HERE / "breakdown.md").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
