#!/usr/bin/env python3
"""Making images: a small ViTGAN on CIFAR-10 at 32 pixels, whole and with each of its regularisers left out once.

    ./tessera bench gan [--quick] [--only TEXT] [--steps N] [--short N] [--data FOLDER] [--out FOLDER]

Trains a classifier by which images are compared, the whole method for --steps steps, then the method without R1, without balanced
consistency and without differentiable augmentation for --short steps each. What is done already is not done again, and what was stopped in
the middle goes on there. Figures are those of the moving average of the generator's weights, against 5,000 held-out images: their number and
the classifier's hash stand beside them, since they cannot be compared with those of another number or classifier. Writes
results-PROCESSOR.json, .md and .svg beside this file, and samples-PROCESSOR.png with images of the whole method. --quick trains every row
for a few steps to see that it works and writes nothing. The defaults are for at most 8 core-hours; the result says how many it took. Needs
./tessera built once and `tessera data get cifar10`, or --data with the folder of CIFAR-10.
"""
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402

WHOLE = "whole"
# Label, settings.
ROWS = {
    WHOLE: ("ViTGAN, small", []),
    "no_r1": ("without R1", ["objective.r1=0"]),
    "no_bcr": ("without balanced consistency", ["objective.bcr_real=0", "objective.bcr_fake=0"]),
    "no_augment": ("without differentiable augmentation", ["objective.diff_augment={ color: 0, translation: 0, flip: 0, cutout: 0 }"]),
}
# Shares of the first distance that the last one must be below, and of all evaluations after which it must be smaller than before.
FALLEN, FALLING = 0.5, 0.7
FIGURES = ["distance", "kernel_distance", "class_score", "precision", "recall", "coverage"]


def train(name, out, steps, data, quick):
    """Seconds that a run took."""
    place = [f"data.root={data}"] if data else []
    small = ["data.limit=256", "data.minival=0.005"] if quick else []
    if name == "classifier":
        return common.train(out / name, HERE / "classifier.yaml", [*place, *small, *(["schedule.epochs=1", "schedule.warmup=0"] if quick else [])])
    settings = [f"schedule.steps={steps}", f"task.embedding=classifier:{out / 'classifier'}", f"task.cache={out / 'features'}", *ROWS[name][1], *place, *small]
    if quick:
        settings += ["schedule.warmup=2", "train.ema_start=0"]
    return common.train(out / name, HERE / "vitgan.yaml", settings)


def curve(folder):
    """Figures of each evaluation, of the moving average; nothing of one that was not finite."""
    return [
        {"step": line["step"], "hours": line["step"] * common.pace(folder) / 3600} | {name: line[f"ema_{name}"] for name in FIGURES if line.get(f"ema_{name}") is not None}
        for line in common.log(folder, "evaluation")
    ]


def measure(name, out):
    folder = out / name
    steps = common.log(folder, "step")
    results = json.loads((folder / "results.json").read_text())
    embedding = results["ema"]["embedding"]
    return {
        "label": ROWS[name][0],
        "steps": steps[-1]["step"],
        "hours": common.hours(folder),
        "curve": curve(folder),
        "judged_rightly": steps[-1].get("discriminator_accuracy"),
        "remarks": [line["remark"] for line in common.log(folder, "remark")],
        "generated": results["ema"]["count"],
        "real": results["ema"]["real"],
        "embedding": embedding,
    }


def at(points, step):
    """The figures of the last evaluation that was no later than a step; None before the first."""
    return next((point for point in reversed(points) if point["step"] <= step and "distance" in point), None)


def judgements(found):
    if WHOLE in found:
        values = [point["distance"] for point in found[WHOLE]["curve"] if "distance" in point]
        falls = sum(after < before for before, after in zip(values, values[1:]))
        share = values[-1] / values[0]
        yield f"The distance went from {values[0]:.2f} to {values[-1]:.2f}, {100 * share:.0f} % of the first; below {100 * FALLEN:.0f} % was wanted: {'reached' if share < FALLEN else 'MISSED'}."
        yield f"It fell in {falls} of {len(values) - 1} evaluations; at least {100 * FALLING:.0f} % was wanted: {'reached' if falls >= FALLING * (len(values) - 1) else 'MISSED'}."
        last = found[WHOLE]["curve"][-1]
        yield f"Images differ: recall {last['recall']:.2f}, coverage {last['coverage']:.2f}: {'so it is' if last['recall'] > 0 else 'THEY DO NOT'}."
        right = found[WHOLE]["judged_rightly"]
        yield f"In the last steps the discriminator judged {100 * right:.0f} % of the images rightly: {'neither side has won' if 0.5 <= right < 0.99 else 'ONE SIDE HAS WON'}."
    for name, row in found.items():
        whole = at(found[WHOLE]["curve"], row["steps"]) if name != WHOLE and WHOLE in found else None
        own = at(row["curve"], row["steps"])
        if whole and own:
            yield f"{row['label'].capitalize()}, the distance after {own['step']:,} steps is {own['distance']:.2f}, that of the whole method {whole['distance']:.2f}."
        for remark in row["remarks"]:
            if "discriminator" in remark:
                yield f"{row['label'].capitalize()}: {remark}."


def cells(point):
    shares = ("precision", "recall", "coverage")
    return ["–" if name not in point else f"{100 * point[name]:.1f} %" if name in shares else f"{point[name]:.3f}" for name in FIGURES]


def report(found):
    text = ""
    for row in found.values():
        name = row["embedding"]["id"]
        lines = [[f"{point['step']:,}", f"{60 * point['hours']:.0f}", *cells(point)] for point in row["curve"]]
        text += f"\n## {row['label'].capitalize()}\n\n{row['steps']:,} steps in {60 * row['hours']:.0f} minutes. {row['generated']:,} generated and {row['real']:,} real images, {name}, sha256 {row['embedding']['hash'][:12]}.\n\n"
        text += common.table(["steps", "minutes", *[heading.replace("_", " ") for heading in FIGURES]], lines)
    return text


def main():
    parser = common.options(__doc__, "a few steps each", "folder of CIFAR-10; where tessera data get puts it by default")
    parser.add_argument("--steps", type=int, default=6000, help="of the whole method")
    parser.add_argument("--short", type=int, default=1500, help="of the rows with something left out")
    args = parser.parse_args()
    out = common.place(args, "gan")
    data = args.data.resolve() if args.data else None
    names = [name for name in ROWS if args.only in name]
    steps = {name: 10 if args.quick else args.steps if name == WHOLE else args.short for name in names}
    runs = [("classifier", 0), *steps.items()]
    common.train_all([(name, out / name, lambda name=name, count=count: train(name, out, count, data, args.quick)) for name, count in runs])
    if args.quick:
        print("every row works; --quick measures nothing")
        return
    found = {name: measure(name, out) for name in names}
    facts = common.facts()
    spent = facts["processors"] * sum(common.hours(out / name) for name, _ in runs)
    accuracy = common.figures(out / "classifier")["top1"]
    text = report(found) + "".join(f"\n- {line}" for line in judgements(found)) + "\n"
    print(text)
    if args.only:
        return
    head = (
        f"# Making images\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors; {spent:.1f} core-hours of steps. Images are compared by a classifier of our own, which has "
        f"{100 * accuracy:.1f} % of the test images of CIFAR-10 right: the figures are no FID. Minutes are those of the steps, by the median pace. samples-{common.slug()}.png shows images of the whole method.\n"
    )
    curves = [(f"{row['label']} {row['curve'][-1]['distance']:.1f}", [(point["step"] / args.steps, point["distance"]) for point in row["curve"] if "distance" in point]) for row in found.values()]
    found = facts | {"core_hours": spent, "classifier_top1": accuracy, "rows": found}
    common.write(HERE, head, text, found, common.picture(curves, "distance to real images over the steps, moving average of the weights"))
    samples = sorted((out / WHOLE / "pictures").glob("samples-ema-*.png"))[-1]
    shutil.copyfile(samples, HERE / f"samples-{common.slug()}.png")


if __name__ == "__main__":
    main()
