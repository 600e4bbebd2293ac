#!/usr/bin/env python3
"""Inference on the CPU: Tessera, PyTorch (eager) and ONNX Runtime side by side.

    ./tessera bench inference [--models vit_tiny,cct --batches 1,8 --threads 1,2 --rounds 7 --sides python,onnxruntime,eager,float32,bfloat16]

Every side is a process that stands all the time and runs when it is its turn; in every round each has its turn. A figure is the
median over the rounds of the medians of a turn. All sides have the same weights and images, and their outputs are compared.
Needs Debian's python3-torch, python3-numpy, nodejs and npm, and ./tessera. Writes results.csv, results.md and results.svg beside
this file, or to --out.
"""
import argparse
import array
import os
import pathlib
import shutil
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402
from files import Files, node_modules  # noqa: E402
from picture import draw  # noqa: E402

# Batch sizes of each model.
CONFIGURATIONS = {
    "vit_tiny_patch16_224": (1, 8),
    "deit_small_patch16_224": (1, 8),
    "cct_7_3x1_32": (1, 64),
    "cswin_tiny_224": (1,),
    "cvt_13": (1,),
    "pvt_v2_b0": (1,),
    "swin_tiny_patch4_window7_224": (1,),
    "segformer_mit_b0": (1,),
    "upernet_swin_tiny": (1,),
    "semantic_fpn_pvt_v2_b0": (1,),
    "vt_fpn_resnet18": (1,),
}
PEERS = ["python", "onnxruntime"]
TESSERA = ["eager", "float32", "bfloat16"]
TOLERANCE = {"bfloat16": None}  # compared, not judged: its accuracy is measured on a test set


def command(side, files, model, batch, threads):
    weights, facts = files.weights(model)
    images = files.images(facts["side"], batch)
    if side == "python":
        return [files.python, HERE / "worker.py", model, weights, images, batch, threads, facts["side"]]
    if side == "onnxruntime":
        return ["node", HERE / "worker.mjs", node_modules(), files.onnx(model, batch), images, batch, threads, facts["side"]]
    return [*files.tessera, side, model, weights, images, batch, threads]


def outputs(workers):
    """What each side computes, and how far the others are from the first."""
    values = {}
    for worker in workers:
        file = sbs.CACHE / "inference" / f"output-{worker.name}.f32"
        worker.ask(f"output {file}", "done")
        values[worker.name] = array.array("f", file.read_bytes())
        file.unlink()
    reference = values[workers[0].name]
    result = {}
    for name, own in values.items():
        if len(own) != len(reference):
            sys.exit(f"{name} puts out {len(own)} numbers, {workers[0].name} {len(reference)}")
        result[name] = max(abs(a - b) for a, b in zip(own, reference))
    return result


def measure(model, batch, threads, files, args, peaks):
    workers = [sbs.Worker(side, command(side, files, model, batch, threads), threads) for side in args.sides]
    try:
        differences = outputs(workers)
        load = sbs.load()
        medians = sbs.alternate(workers, args.rounds, args.seconds)
        memory = {worker.name: worker.memory() for worker in workers if worker.name != "onnxruntime"}
    finally:
        for worker in workers:
            worker.close()
    macs = files.weights(model)[1]["macs"]
    rows = []
    for worker in workers:
        times = medians[worker.name]
        ms = statistics.median(times)
        gflops = 2 * macs * batch / ms / 1e6
        kind = "bfloat16" if worker.name == "bfloat16" else "float32"
        rows.append({"model": model, "batch": batch, "threads": threads, "side": worker.name, "ms": round(ms, 3), "ms_lowest": round(min(times), 3), "ms_highest": round(max(times), 3),
                     "images_per_second": round(1000 * batch / ms, 1), "gflops": round(gflops, 1), "share_of_peak": round(gflops / peaks[threads][kind], 3),
                     "difference": f"{differences[worker.name]:.2e}", "peak_mb": round(memory[worker.name]) if worker.name in memory else "", "load_before": load})
        limit = TOLERANCE.get(worker.name, args.tolerance)
        if limit is not None and differences[worker.name] > limit:
            sys.exit(f"{model}, batch {batch}: {worker.name} differs by {differences[worker.name]:.2e} from {workers[0].name}; up to {limit:g} is right")
    versions = {worker.name: worker.about["version"] for worker in workers}
    return rows, versions


def show(rows):
    fastest = min(r["ms"] for r in rows)
    first = rows[0]
    cells = "  ".join(f"{r['side']} {r['ms']:.2f} ms ({100 * r['share_of_peak']:.0f} %){'*' if r['ms'] == fastest else ''}" for r in rows)
    print(f"{first['model']:29} batch {first['batch']:2}  threads {first['threads']}  {cells}  difference {max(float(r['difference']) for r in rows):.1e}", flush=True)


def summary(rows, facts, sides):
    """results.md: milliseconds of each side, and Tessera's speed over that of its peers."""
    own = [side for side in sides if side not in PEERS]
    ratios = [(mine, peer) for mine in own for peer in sides if peer in PEERS]
    head = ["model", "batch", "threads", *(f"{side} ms (of peak)" for side in sides), *(f"{mine} / {peer}" for mine, peer in ratios)]
    groups = {}
    for row in rows:
        groups.setdefault((row["model"], row["batch"], row["threads"]), {})[row["side"]] = row
    body = []
    for (model, batch, threads), by in groups.items():
        times = [f"{by[side]['ms']:.2f} ({100 * by[side]['share_of_peak']:.0f} %)" for side in sides]
        body.append([model, batch, threads, *times, *(f"{by[peer]['ms'] / by[mine]['ms']:.2f}" for mine, peer in ratios)])
    text = "# Inference on the CPU\n\nWritten by run.py. The right columns are how many times the images per second of the peer.\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in facts.items())
    return text + "\n" + sbs.table(head, body)


def write(args, rows, facts):
    args.out.mkdir(parents=True, exist_ok=True)
    sbs.write_csv(args.out / "results.csv", facts, rows)
    (args.out / "results.md").write_text(summary(rows, facts, args.sides))
    (args.out / "results.svg").write_text(draw(rows, args.sides, "onnxruntime" if "onnxruntime" in args.sides else args.sides[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names or beginnings of names, with commas between")
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], help="instead of each model's own")
    parser.add_argument("--threads", type=lambda text: [int(word) for word in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a side's turn")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=PEERS + TESSERA, help=f"of {', '.join(PEERS + TESSERA)}; the first is what outputs are compared with")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference of outputs")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter with torch and numpy")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder of the results")
    args = parser.parse_args()
    models = [name for name in CONFIGURATIONS if args.models is None or name.startswith(tuple(args.models.split(",")))]
    unknown = [side for side in args.sides if side not in PEERS + TESSERA]
    if not models or unknown:
        parser.error(f"--sides {unknown[0]}: one of {', '.join(PEERS + TESSERA)} is right" if unknown else f"--models {args.models}: beginnings of {', '.join(CONFIGURATIONS)} are right")
    if "onnxruntime" in args.sides and not (shutil.which("node") and shutil.which("npm")):
        sys.exit("onnxruntime needs node and npm: apt-get install nodejs npm, or leave it out of --sides")
    sbs.check_python(args.python)
    files = Files(sbs.build("inference"), args.python)
    facts = sbs.machine()
    print(sbs.describe(facts))
    peaks = {threads: sbs.peak(threads) for threads in args.threads}
    facts |= sbs.describe_peaks(peaks)
    print(sbs.describe(sbs.describe_peaks(peaks)))
    rows, versions = [], {}
    for model in models:
        for batch in args.batches or CONFIGURATIONS[model]:
            for threads in args.threads:
                new, versions = measure(model, batch, threads, files, args, peaks)
                show(new)
                rows += new
                # After each, so that what was measured stays when a later one fails.
                write(args, rows, facts | versions | {"load after": sbs.load()})
    print(f"written to {os.path.relpath(args.out)}/results.csv, .md and .svg")


if __name__ == "__main__":
    main()
