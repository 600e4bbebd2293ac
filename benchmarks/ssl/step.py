#!/usr/bin/env python3
"""A step of SimCLR, BYOL and MoCo v2 beside the same in plain PyTorch: time and memory.

    ./tessera bench ssl/step [--steps 30] [--rounds 3] [--threads 2] [--python python3] [--only TEXT] [--data FOLDER]

Both sides train on batches of 128 images of 32 pixels, two views of shifts and flips each, with AdamW, in processes of their own and in
turn. A step's time is the median after the first five and the least of the rounds; it has the preparation of its batch in it, which
Tessera makes ahead on a thread of its own. Memory is the most that the process had. Writes step-PROCESSOR.md beside this file,
unless --only is given. Wants a quiet machine, ./tessera built once, a Python with torch and numpy, and CIFAR-10 for Tessera's side.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402
import side_by_side as sbs  # noqa: E402

BATCH, FIRST, WANTED = 128, 5, 1.2
VIEW = "[random_crop: { pad: 4 }, random_horizontal_flip]"
METHODS = {
    "simclr": ("SimCLR", "{ name: simclr, form: htdt, temperature: 0.5, probe: false }"),
    "byol": ("BYOL", "{ name: byol, form: htdt, probe: false }"),
    "moco_v2": ("MoCo v2", "{ name: moco, queue: 4096, momentum: 0.99, probe: false }"),
}
MODELS = {"resnet18_quarter_small": "ResNet-18, quarter width", "vit_micro_patch4_32": "small ViT"}


def ours(method, model, args, folder):
    """Median seconds of a step, and MiB."""
    shutil.rmtree(folder, ignore_errors=True)
    fields = [
        f"model.name={model}", f"objective={METHODS[method][1]}", f"augment={{ views: [{VIEW}, {VIEW}] }}", "data.per_class=null", f"data.batch={BATCH}", f"data.limit={(FIRST + args.steps) * BATCH}",
        "data.split=minitrain", "data.minival=0.003", "evaluation.split=minival", "schedule.epochs=1", "schedule.warmup=0", "train.log_every=1", f"train.threads={args.threads}",
        *([f"data.root={args.data.resolve()}"] if args.data else []),
    ]
    command = [ROOT / "tessera", "train", "--quiet", HERE / "views.yaml", "--out", folder, *[word for field in fields for word in ("--set", field)]]
    process = subprocess.Popen(command, cwd=ROOT, env=sbs.environment(args.threads), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{method} of {model}: tessera train failed")
    return statistics.median([line["seconds"] for line in common.log(folder, "step")][FIRST:]), usage.ru_maxrss / 1024


def theirs(method, model, args):
    command = [args.python, HERE / "worker.py", method, model, "--steps", args.steps, "--first", FIRST, "--batch", BATCH, "--threads", args.threads]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=sbs.environment(args.threads))
    if done.returncode != 0:
        sys.exit(f"{method} of {model} in PyTorch: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout)
    return found["seconds"], found["mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="of each process, after the first five")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--python", default=sys.executable, help="the interpreter of PyTorch's side")
    parser.add_argument("--only", default="", help="rows whose METHOD MODEL contains TEXT; nothing is written then")
    parser.add_argument("--data", type=pathlib.Path, default=None, help="folder of CIFAR-10; where tessera data get puts it by default")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "ssl-step")
    args = parser.parse_args()
    version = sbs.check_python(args.python)
    rows, missed = [], []
    for model, model_label in MODELS.items():
        for method, (label, _) in METHODS.items():
            if args.only not in f"{method} {model}":
                continue
            rounds = [(ours(method, model, args, args.out.resolve() / "run"), theirs(method, model, args)) for _ in range(args.rounds)]
            own, other = (min(pair[side][0] for pair in rounds) for side in range(2))
            own_mib, other_mib = (max(pair[side][1] for pair in rounds) for side in range(2))
            print(f"{method:8} {model:24} {1000 * own:7.1f} ms, PyTorch {1000 * other:7.1f} ms, {other / own:.2f} times; {own_mib:.0f} and {other_mib:.0f} MiB", flush=True)
            rows.append([f"{label}, {model_label}", f"{1000 * own:.1f}", f"{1000 * other:.1f}", f"{other / own:.2f}", f"{own_mib:.0f}", f"{other_mib:.0f}"])
            if other / own < WANTED:
                missed.append(f"{label}, {model_label}: {other / own:.2f} times as fast, {WANTED} were wanted: MISSED.")
    facts = common.facts()
    head = f"# A step beside PyTorch {version}\n\n{facts['date']}, {facts['processor']}, {args.threads} of {facts['processors']} processors, batches of {BATCH}, {args.rounds} rounds of {args.steps} steps.\n\n"
    text = common.table(["method", "Tessera, ms", "PyTorch, ms", "times as fast", "Tessera, MiB", "PyTorch, MiB"], rows) + "".join(f"\n- {line}" for line in missed) + ("\n" if missed else "")
    print("\n" + text)
    if not args.only:
        (HERE / f"step-{common.slug()}.md").write_text(head + text)


if __name__ == "__main__":
    main()
