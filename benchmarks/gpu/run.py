#!/usr/bin/env python3
"""Training on a GPU: Tessera's steps, one by one and as a CUDA graph, beside PyTorch's, eager and compiled.

    ./tessera bench gpu [--device cuda --models vit_small,swin_tiny --batch 256 --sides torch-eager,tessera-graph --rounds 5]

A run is --steps steps: forward, cross-entropy, backward, AdamW, on images that lie on the device, with one wait for it at the end.
Every side is a process that stands all the time and runs when it is its turn; in every round each has its turn. All begin with the
same weights on the same images, and their losses are compared. benchmarks/gpu/run.sh builds, checks and times in one call on a
machine without .NET. Sides that cannot run are left out, and the reason is printed. Writes results.csv and results.md beside this
file, or to --out.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import side_by_side as sbs  # noqa: E402

# Names, and images of a batch that fill an H200 well.
MODELS = {"vit_small_patch16_224": 256, "deit_tiny_patch16_224": 512, "cct_7_3x1_32": 512, "swin_tiny_patch4_window7_224": 128, "cswin_tiny_224": 128}
SIDES = ["torch-eager", "torch-compile", "tessera-eager", "tessera-graph"]
# With CUDA graphs of PyTorch's own compiler; takes memory for a second pool, so only on demand.
MORE_SIDES = ["torch-compile-graph"]
# bfloat16 without sparsity, of the data sheet of the H100 SXM and the H200.
SHEET_TFLOPS = 989


def python_facts(python):
    """What PyTorch there is, and what it can do."""
    program = "import json, torch; print(json.dumps({'version': torch.__version__, 'compile': hasattr(torch, 'compile'), 'gpus': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{python} has no torch: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'it ended without a word'}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def left_out(side, args, facts):
    """Why a side cannot run here; None where it can."""
    if side.startswith("torch-compile") and not facts["compile"]:
        return f"torch {facts['version']} has no torch.compile"
    if side.endswith("-graph") and not args.device.startswith("cuda"):
        return "CUDA graphs need a GPU"
    return None


def prepared(tessera, model, folder):
    file, facts = folder / f"{model}.safetensors", folder / f"{model}.json"
    done = subprocess.run([*tessera, "prepare", model, str(file)], capture_output=True, text=True, env=sbs.environment())
    if done.returncode != 0:
        sys.exit(done.stderr)
    facts.write_text(done.stdout)
    return file, json.loads(done.stdout)


def command(side, tessera, args, model, weights, batch):
    library, _, kind = side.partition("-")
    common = [model, weights, batch, args.device, args.precision, "channels_last" if args.channels_last else "plain", args.steps]
    return [args.python, HERE / "worker.py", kind, *common] if library == "torch" else [*tessera, kind, *common]


def start(side, tessera, args, model, weights, batch):
    """A worker, or why there is none: one side that fails does not end the others."""
    try:
        return sbs.Worker(side, command(side, tessera, args, model, weights, batch), args.threads), None
    except SystemExit as error:
        return None, " / ".join(str(error).splitlines()[-3:])


def measure(model, batch, sides, tessera, args, folder, peak):
    weights, cost = prepared(tessera, model, folder)
    workers, failed = [], {}
    try:
        for side in sides:
            worker, reason = start(side, tessera, args, model, weights, batch)
            if worker is None:
                failed[side] = reason
                print(f"{model}: {side} is left out: {reason}", flush=True)
            else:
                workers.append(worker)
        if not workers:
            return [], {}, failed
        curves = {w.name: [float(word) for word in w.ask(f"losses {args.curve}", "losses").split()] for w in workers}
        medians = sbs.alternate(workers, args.rounds, args.seconds, warm_up=args.seconds)
        memory = {w.name: w.memory() for w in workers}
    finally:
        for worker in workers:
            worker.close()
    ms = {w.name: statistics.median(medians[w.name]) / args.steps for w in workers}
    rows = []
    for name in ms:
        # The backward pass has two products for each of the forward's.
        tflops = 3 * 2 * cost["macs"] * batch / ms[name] / 1e9
        rows.append({"model": model, "batch": batch, "side": name, "precision": args.precision, "channels_last": args.channels_last, "ms": round(ms[name], 3),
                     "spread": round((max(medians[name]) - min(medians[name])) / statistics.median(medians[name]), 3),
                     "images_per_second": round(1000 * batch / ms[name], 1), "tflops": round(tflops, 3),
                     "share_of_sheet": round(tflops / SHEET_TFLOPS, 4) if args.device.startswith("cuda") else "", "share_of_measured": round(tflops / peak, 4),
                     "peak_mb": round(memory[name]), "over_eager": ratio(ms, "torch-eager", name), "over_compile": ratio(ms, "torch-compile", name),
                     "first_loss": round(curves[name][0], 4), "last_loss": round(curves[name][-1], 4)})
        row = rows[-1]
        print(f"{model:28} batch {batch:4}  {name:20} {row['ms']:9.2f} ms  {row['images_per_second']:9.1f} images/s  {row['tflops']:8.2f} TFLOP/s ({100 * row['share_of_measured']:.0f} % of measured)  "
              f"{row['peak_mb']:6} MB  over eager {row['over_eager'] or '-'}  over compile {row['over_compile'] or '-'}  loss {row['first_loss']} -> {row['last_loss']}", flush=True)
    return rows, {w.name: w.about["version"] for w in workers}, failed


def ratio(ms, of, name):
    return round(ms[of] / ms[name], 3) if of in ms else ""


def summary(rows, facts, skipped, args):
    text = f"# Training on {'a GPU' if args.device.startswith('cuda') else 'the CPU'}\n\nWritten by run.py. A step is forward, cross-entropy, backward and AdamW in {args.precision}; losses: of the first and the last of {args.curve} steps after the first three.\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in facts.items())
    text += "".join(f"- left out: {side}, {reason}\n" for side, reason in skipped.items()) + "\n"
    head = ["model", "batch", "side", "ms a step", "images/s", "TFLOP/s", "of the sheet", "of measured", "peak MB", "over eager", "over compile", "loss"]
    body = [[r["model"], r["batch"], r["side"], r["ms"], r["images_per_second"], r["tflops"], f"{100 * r['share_of_sheet']:.1f} %" if r["share_of_sheet"] != "" else "", f"{100 * r['share_of_measured']:.1f} %", r["peak_mb"],
             r["over_eager"], r["over_compile"], f"{r['first_loss']} -> {r['last_loss']}"] for r in rows]
    return text + sbs.table(head, body)


def batches(text):
    """256, or vit_small=256,swin=128."""
    if "=" not in text:
        return {name: int(text) for name in MODELS}
    given = dict(part.split("=") for part in text.split(","))
    return {name: next((int(size) for start, size in given.items() if name.startswith(start)), size) for name, size in MODELS.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the benchmark itself")
    parser.add_argument("--models", help="names or beginnings of names, with commas between")
    parser.add_argument("--batch", type=batches, default=MODELS, help="one for all, or NAME=256,NAME=128 with beginnings of names")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=SIDES, help=f"of {', '.join(SIDES + MORE_SIDES)}")
    parser.add_argument("--precision", choices=["bf16", "float32"], default="bf16")
    parser.add_argument("--channels-last", action="store_true", help="on all sides")
    parser.add_argument("--steps", type=int, help="of a run, after which the device is waited for; 10 on a GPU, else 1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of a side's turn")
    parser.add_argument("--curve", type=int, default=20, help="steps whose losses are compared")
    parser.add_argument("--threads", type=int, help="of the processor; the libraries' choice by default")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with torch and numpy; the one that runs this by default")
    parser.add_argument("--app", type=pathlib.Path, help="folder of publish.sh; by default the program is built here")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder of the results")
    args = parser.parse_args()
    models = [name for name in MODELS if args.models is None or name.startswith(tuple(args.models.split(",")))]
    unknown = [side for side in args.sides if side not in SIDES + MORE_SIDES]
    if not models or unknown:
        parser.error(f"--sides {unknown[0]}: one of {', '.join(SIDES + MORE_SIDES)} is right" if unknown else f"--models {args.models}: beginnings of {', '.join(MODELS)} are right")
    args.steps = (10 if args.device.startswith("cuda") else 1) if args.steps is None else args.steps
    if min(args.steps, args.rounds, args.curve) < 1:
        parser.error("--steps, --rounds and --curve from 1 are right")
    facts = python_facts(args.python)
    if args.device.startswith("cuda") and not facts["gpus"]:
        sys.exit(f"torch {facts['version']} of {args.python} sees no GPU; --device cpu tries the benchmark itself")
    skipped = {side: reason for side in args.sides if (reason := left_out(side, args, facts))}
    for side, reason in skipped.items():
        print(f"{side} is left out: {reason}")
    sides = [side for side in args.sides if side not in skipped]
    tessera = [str(args.app / "Tessera.Benchmarks.Gpu")] if args.app else sbs.build("gpu")
    folder = sbs.CACHE / "gpu"
    folder.mkdir(parents=True, exist_ok=True)
    about = sbs.machine() | {"device": ", ".join(facts["gpus"]) if args.device.startswith("cuda") else "the processor"}
    peak = float(subprocess.run([*tessera, "peak", args.device], check=True, capture_output=True, text=True, env=sbs.environment(args.threads)).stdout)
    about["product in bfloat16"] = f"{peak:.2f} TFLOP/s measured" + (f", {SHEET_TFLOPS} on the data sheet" if args.device.startswith("cuda") else "")
    print(sbs.describe(about))
    args.out.mkdir(parents=True, exist_ok=True)
    rows, text = [], ""
    for model in models:
        new, versions, failed = measure(model, args.batch[model], sides, tessera, args, folder, peak)
        rows += new
        about |= versions | {"load after": sbs.load()}
        skipped |= {f"{side} of {model}": reason for side, reason in failed.items()}
        if rows:
            # After each model: what is cut off by a limit of time leaves what was measured until then.
            sbs.write_csv(args.out / "results.csv", about, rows)
            text = summary(rows, about, skipped, args)
            (args.out / "results.md").write_text(text)
    if not rows:
        sys.exit("no side could run")
    print("\n" + text[text.index("| model"):] + f"written to {os.path.relpath(args.out)}/results.csv and .md")


if __name__ == "__main__":
    main()
