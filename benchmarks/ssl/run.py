#!/usr/bin/env python3
"""Learning without labels on CIFAR-10: four methods with and without Un-Mix, SiT and masked autoencoding against training from scratch.

    ./tessera bench ssl [--quick] [--only TEXT] [--epochs N] [--pretraining N] [--data FOLDER] [--out FOLDER]

Trains all rows one after the other on all processors: what is done already is not done again, and what was stopped in the middle goes on
there. Of 10,000 images, SimCLR, BYOL and MoCo v1 and v2 learn on a ResNet-18 of a quarter of its width and on a small ViT, SimCLR and
MoCo v2 with three seeds. One table has them after equally many epochs, another after equal time: the rate is constant, and accuracies
lie on a line between two evaluations. Of 5,000 images, the three versions of SiT and masked autoencoding learn, then classifiers from 10
and 50 labels a class, beside classifiers that learn from these labels alone, from scratch, for as long as both together. Writes
results-PROCESSOR.json, .md and .svg beside this file. --quick trains every row for a few steps to see that it works (under 15 minutes)
and writes nothing. The defaults are for at most 30 core-hours; the result says how many it took. Needs ./tessera built once and
`tessera data get cifar10`, or --data with the folder of CIFAR-10.
"""
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402

MODELS = {"resnet18_quarter_small": "ResNet-18, quarter width", "vit_micro_patch4_32": "small ViT"}
MOCO = "name: moco, queue: 4096, momentum: 0.99"
# Label, objective without Un-Mix, seeds.
BASES = {
    "simclr": ("SimCLR", "name: simclr, form: htdt, temperature: 0.5", 3),
    "byol": ("BYOL", "name: byol, form: htdt, tau: 0.97", 1),
    "moco_v1": ("MoCo v1", f"{MOCO}, mlp: false, temperature: 0.07", 1),
    "moco_v2": ("MoCo v2", f"{MOCO}, temperature: 0.2", 3),
}
# Label, recipe, model, objective.
PRETRAINED = {
    "mae": ("MAE", "single.yaml", "vit_micro_patch4_32", "{ name: masked_autoencoder, dim: 64, depth: 2, heads: 4 }"),
    "sit_v1": ("SiT v1", "sit.yaml", "sit_v1_micro_patch4_32", "{ name: sit_v1, outputs: 128 }"),
    "sit_v1b": ("SiT v1b", "sit.yaml", "sit_v1b_micro_patch4_32", "{ name: sit_v1b, width: 512, align: 4 }"),
    "sit_v2": ("SiT v2", "sit.yaml", "sit_micro_patch4_32", "{ name: sit, reconstruction_weight: 5, align: 4, width: 1024 }"),
}
LABELS = (10, 50)
CLASSES, IMAGES = 10, 10_000
TUNED = 1000  # steps of fine-tuning, about
LEAD = 15  # points of kNN that every method must be ahead of untrained features


class Row:
    """A run: its name, a recipe beside this file, and its settings, which may depend on runs before it."""

    def __init__(self, name, recipe, settings):
        self.name, self.recipe, self.settings = name, recipe, settings


def compared(epochs, most_seeds):
    """Untrained features and all methods of two views, each with its linear classifier."""
    for model in MODELS:
        # An epoch at next to no rate gives batch norms the statistics of the data, and changes nothing else.
        yield Row(f"{model}/untrained", "views.yaml", lambda out, model=model: [f"model.name={model}", "optimizer.lr=1e-12", "optimizer.weight_decay=0", "schedule.epochs=1"])
        yield linear(model, "untrained", 0)
        for base, (_, objective, seeds) in BASES.items():
            for seed in range(min(seeds, most_seeds)):
                for kind, mixing in (("", ""), ("_unmix", ", unmix: { probability: 0.5 }")):
                    name = f"{base}{kind}/seed-{seed}"
                    settings = [f"model.name={model}", f"objective={{ {objective}{mixing} }}", f"schedule.epochs={epochs}", f"evaluation.every={max(1, round(epochs / 3))}"]
                    yield Row(f"{model}/{name}", "views.yaml", lambda out, settings=settings, seed=seed: [*settings, f"train.seed={seed}"])
                    yield linear(model, name, seed)


def linear(model, name, seed):
    return Row(f"{model}/{name}/linear", "linear.yaml", lambda out: [f"model={{ name: {model}, weights: {out / model / name} }}", f"train.seed={seed}"])


def pretrained(epochs):
    """Every method of 5,000 images, and what its weights are good for with few labels, beside training from scratch for as long."""
    for name, (_, recipe, model, objective) in PRETRAINED.items():
        settings = [f"model.name={model}", f"objective={objective}", f"schedule.epochs={epochs}", f"schedule.warmup={epochs / 10:g}"]
        yield Row(f"{name}/pretrain", recipe, lambda out, settings=settings: settings)
        for labels in LABELS:
            steps = max(1, labels * CLASSES // 50)
            few = [f"data.per_class={labels}"]
            yield Row(
                f"{name}/tuned-{labels}",
                "classify.yaml",
                lambda out, name=name, model=model, few=few, steps=steps: [
                    f"model={{ name: {model}, weights: {out / name / 'pretrain'} }}", *few, f"schedule.epochs={TUNED // steps}",
                ],
            )
            yield Row(
                f"{name}/scratch-{labels}",
                "classify.yaml",
                lambda out, name=name, model=model, few=few, steps=steps, labels=labels: [
                    f"model.name={model}", *few, f"schedule.epochs={as_long(out / name, labels, steps)}",
                ],
            )


def as_long(folder, labels, steps):
    """Epochs from scratch that take the time of pre-training and fine-tuning: a step of the fine-tuning is one from scratch."""
    total = 3600 * (common.hours(folder / "pretrain") + common.hours(folder / f"tuned-{labels}"))
    return max(1, round(total / (common.pace(folder / f"tuned-{labels}") * steps)))


def train(row, out, data, quick):
    settings = [*row.settings(out), *([f"data.root={data}"] if data else [])]
    if quick:
        # Warm-ups must be shorter than what is left.
        settings += ["schedule.epochs=1", "schedule.warmup=0", "evaluation.every=0", "data.per_class=null", "data.limit=256", "data.split=minitrain", "data.minival=0.005", "evaluation.split=minival"]
    return common.train(out / row.name, HERE / row.recipe, settings)


def at(curve, hours, hours_in_all):
    """Figures of a run after some hours, between its evaluations; its last ones where it is not that long."""
    share = min(1, hours / hours_in_all) * curve[-1]["epoch"]
    before = max((line for line in curve if line["epoch"] <= share), key=lambda line: line["epoch"], default=curve[0])
    after = min((line for line in curve if line["epoch"] >= share), key=lambda line: line["epoch"], default=curve[-1])
    weight = 0 if after["epoch"] == before["epoch"] else (share - before["epoch"]) / (after["epoch"] - before["epoch"])
    return {name: (1 - weight) * before[name] + weight * after[name] for name in ("knn_top1", "probe_top1")}


def compare(model, out):
    """Scores of every method by its name: lists over the seeds, in percent."""
    found = {}
    for base, (label, _, seeds) in BASES.items():
        for kind, suffix in (("", ""), ("_unmix", " + Un-Mix")):
            folders = [out / model / f"{base}{kind}" / f"seed-{seed}" for seed in range(seeds)]
            if not all(common.done(folder) for folder in folders):
                continue
            found[f"{base}{kind}"] = {
                "label": label + suffix,
                "knn": [100 * common.figures(folder)["knn_top1"] for folder in folders],
                "linear": [100 * common.figures(folder / "linear")["top1"] for folder in folders if common.done(folder / "linear")],
                "hours": [common.hours(folder) for folder in folders],
                "epochs": common.log(folders[0], "evaluation")[-1]["epoch"],
                "curves": [common.log(folder, "evaluation") for folder in folders],
            }
    if found:
        shortest = min(statistics.mean(one["hours"]) for one in found.values())
        for one in found.values():
            points = [at(curve, shortest, hours) for curve, hours in zip(one["curves"], one["hours"])]
            one["equal_time"] = {"hours": shortest, "knn": [100 * point["knn_top1"] for point in points], "probe": [100 * point["probe_top1"] for point in points]}
    return found


def untrained(model, out):
    folder = out / model / "untrained"
    if not common.done(folder):
        return None
    return {"knn": 100 * common.figures(folder)["knn_top1"], "linear": 100 * common.figures(folder / "linear")["top1"] if common.done(folder / "linear") else None}


def few_labels(out):
    found = {}
    for name, (label, *_) in PRETRAINED.items():
        folder = out / name
        for labels in LABELS:
            if common.done(folder / f"scratch-{labels}"):
                found.setdefault(name, {"label": label, "pretrain_hours": common.hours(folder / "pretrain"), "labels": {}})["labels"][labels] = {
                    "tuned": 100 * common.figures(folder / f"tuned-{labels}")["top1"],
                    "scratch": 100 * common.figures(folder / f"scratch-{labels}")["top1"],
                    "tuned_hours": common.hours(folder / f"tuned-{labels}"),
                    "scratch_hours": common.hours(folder / f"scratch-{labels}"),
                }
    return found


def report(measured):
    text = ""
    for model, label in MODELS.items():
        found, base = measured["compared"][model], measured["untrained"][model]
        if not found:
            continue
        epochs = next(iter(found.values()))["epochs"]
        rows = [["untrained", f"{base['knn']:.1f}", "–" if base["linear"] is None else f"{base['linear']:.1f}", "–"]] if base else []
        rows += [[one["label"], common.shown(one["knn"]), common.shown(one["linear"]) if one["linear"] else "–", f"{statistics.mean(one['hours']):.2f}"] for one in found.values()]
        text += f"\n## {label}: {epochs} epochs of {IMAGES:,} images\n\n" + common.table(["method", "kNN, %", "linear, %", "hours"], rows)
        hours = next(iter(found.values()))["equal_time"]["hours"]
        rows = [[one["label"], common.shown(one["equal_time"]["knn"]), common.shown(one["equal_time"]["probe"])] for one in found.values()]
        text += f"\n## {label}: {60 * hours:.0f} minutes\n\n" + common.table(["method", "kNN, %", "online linear probe, %"], rows)
    if measured["few_labels"]:
        rows = [
            [one["label"], str(labels), f"{part['tuned']:.1f}", f"{part['scratch']:.1f}", f"{60 * (one['pretrain_hours'] + part['tuned_hours']):.0f}", f"{60 * part['scratch_hours']:.0f}"]
            for one in measured["few_labels"].values()
            for labels, part in one["labels"].items()
        ]
        text += "\n## Few labels\n\n" + common.table(["method", "labels a class", "pre-trained, %", "from scratch, %", "minutes", "minutes from scratch"], rows)
    return text


def judgements(measured):
    for model, label in MODELS.items():
        found, base = measured["compared"][model], measured["untrained"][model]
        for name in BASES if base else ():
            if name in found:
                lead = statistics.mean(found[name]["knn"]) - base["knn"]
                yield f"{label}: {found[name]['label']} is {lead:.1f} points of kNN above untrained features, at least {LEAD} were wanted: {'reached' if lead >= LEAD else 'MISSED'}."
    for one in measured["few_labels"].values():
        for labels, part in one["labels"].items():
            gain = part["tuned"] - part["scratch"]
            yield f"{one['label']}, {labels} labels a class: {gain:+.1f} points over training from scratch for as long{'' if gain > 0 else ': NOT AHEAD'}."


def curves(measured):
    for model, label in MODELS.items():
        for one in measured["compared"][model].values():
            curve = one["curves"][0]
            yield f"{label}, {one['label']} {common.shown(one['knn'])}", [(line["epoch"] / curve[-1]["epoch"], 100 * line["knn_top1"]) for line in curve]


def main():
    only = "rows whose name contains TEXT, and those that they need; nothing is written"
    parser = common.options(__doc__, "an epoch of 256 images each", "folder of CIFAR-10; where tessera data get puts it by default", only)
    parser.add_argument("--epochs", type=int, default=5, help="of the methods of two views")
    parser.add_argument("--pretraining", type=int, default=25, help="epochs of SiT and masked autoencoding")
    args = parser.parse_args()
    out = common.place(args, "ssl")
    data = args.data.resolve() if args.data else None
    rows = [*compared(args.epochs, 1 if args.quick else 3), *pretrained(args.pretraining)]
    wanted = [row.name for row in rows if args.only in row.name]
    rows = [row for row in rows if row.name in wanted or any(is_before(row.name, name) for name in wanted)]
    common.train_all([(row.name, out / row.name, lambda row=row: train(row, out, data, args.quick)) for row in rows])
    if args.quick:
        print("every row works; --quick measures nothing")
        return
    measured = {
        "compared": {model: compare(model, out) for model in MODELS},
        "untrained": {model: untrained(model, out) for model in MODELS},
        "few_labels": few_labels(out),
    }
    facts = common.facts()
    spent = facts["processors"] * sum(common.hours(out / row.name) for row in rows)
    text = report(measured) + "".join(f"\n- {line}" for line in judgements(measured)) + "\n"
    print(text)
    if args.only:
        return
    head = (
        f"# Learning without labels\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors; {spent:.1f} core-hours of steps. Accuracies are of the test images of CIFAR-10, "
        "kNN with 20 neighbours among 5,000 training images. Hours are those of the steps, by the median pace.\n"
    )
    common.write(HERE, head, text, facts | {"core_hours": spent} | measured, common.picture(list(curves(measured)), "kNN accuracy in percent over the epochs, first seed"))


def is_before(name, wanted):
    """Whether a row needs the other one: a linear classifier its features, few labels their weights and their time."""
    folder, _, kind = wanted.rpartition("/")
    return kind == "linear" and name == folder or kind.startswith(("tuned", "scratch")) and name in (f"{folder}/pretrain", f"{folder}/{kind.replace('scratch', 'tuned')}")


if __name__ == "__main__":
    main()
