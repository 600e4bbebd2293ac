#!/usr/bin/env python3
"""Retrieval among classes that were never learned from: IRT with and without KoLeo beside untrained, supervised and self-supervised descriptors.

    ./tessera bench retrieval [--quick] [--only TEXT] [--seeds 3] [--scale 1] [--data FOLDER] [--out FOLDER]

Three sets, each divided by classes: 20 classes of Tiny ImageNet (10 to learn from, 10 to search), Omniglot (the two small background sets)
and the ORL faces (20 people each). On each, a small ViT at 32 pixels learns by every method with every seed; then tessera index describes
the pictures of the other classes, with whole descriptors and with those that PCA of the training pictures has shortened, and measures
whether each finds others of its class. What is done already is not done again, and what was stopped in the middle goes on there. Writes
results-PROCESSOR.json, .md and .svg beside this file, and a page of neighbours per set into the folder of the runs. --quick trains every
row for an epoch of few pictures to see that it works (under 15 minutes) and writes nothing. The defaults are for at most 4 core-hours; the
result says how many it took. Needs ./tessera built once, and the folders tin20, omniglot and att_faces below $TESSERA_DATA or --data.
"""
import json
import os
import pathlib
import shutil
import statistics
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402

MODEL = "vit_micro_patch4_32"
LENGTHS = (4, 8, 16)  # numbers that PCA leaves
SEARCHED = 100  # pictures of a class that are searched
CROP = "random_resized_crop: { size: 32, min_scale: 0.3 }"
FLIP = f"augment=[ {CROP}, random_horizontal_flip ]"


class Set:
    """A set of pictures: its folder, what people call it, epochs by labels and without, and whether a mirrored picture is of the same class."""

    def __init__(self, title, folder, epochs, epochs_of_views, mirrored):
        self.title, self.folder, self.epochs, self.epochs_of_views, self.mirrored = title, folder, epochs, epochs_of_views, mirrored


SETS = {
    "tin20": Set("Tiny ImageNet, 10 classes", "tin20", 25, 12, True),
    "omniglot": Set("Omniglot, 156 characters", "omniglot", 20, 10, False),
    "att_faces": Set("ORL faces, 20 people", "att_faces", 100, 50, True),
}
# Label, recipe, settings beside data, seed and epochs.
METHODS = {
    "untrained": ("untrained", "classes.yaml", ["optimizer.lr=1e-12", "optimizer.weight_decay=0", "schedule.warmup=0"]),
    "simclr": ("SimCLR, no labels", "views.yaml", []),
    "supervised": ("classifier", "classes.yaml", ["task={ name: retrieval, classifier: true }", "objective={ name: supervised }"]),
    "irt_l": ("IRT without KoLeo", "classes.yaml", ["objective={ name: irt, margin: 0.5, koleo: 0 }"]),
    "irt_r": ("IRT", "classes.yaml", ["objective={ name: irt, margin: 0.5, koleo: 0.7 }"]),
}


def lay_out(name, source, target, quick):
    """Pictures as target/train/CLASS/FILE and target/test/CLASS/FILE, by links where they are files."""
    if target.exists():
        return
    building = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    for split, classes in parts(name, source).items():
        for title, pictures in list(classes.items())[: 6 if quick else None]:
            folder = building / split / title
            folder.mkdir(parents=True)
            most = 10 if quick else SEARCHED if split == "test" else None
            for place, picture in enumerate(pictures[:most]):
                if isinstance(picture, pathlib.Path):
                    (folder / picture.name).symlink_to(picture.resolve())
                else:
                    (folder / f"{place:03}.png").write_bytes(picture())
    building.rename(target)


def parts(name, source):
    if name == "tin20":
        classes = {folder.name: sorted(folder.glob("*.JPEG")) for folder in sorted((source / "train").iterdir()) if folder.is_dir()}
    elif name == "att_faces":
        people = sorted((folder for folder in source.glob("s*") if folder.is_dir()), key=lambda folder: int(folder.name[1:]))
        classes = {folder.name: sorted(folder.glob("*.pgm")) for folder in people}
    else:
        return {
            "train": characters(source / "python" / "images_background_small1.zip"),
            "test": characters(source / "python" / "images_background_small2.zip"),
        }
    half = len(classes) // 2
    return {"train": dict(list(classes.items())[:half]), "test": dict(list(classes.items())[half:])}


def characters(archive):
    """Drawings of each character, which become bytes when they are asked for."""
    found = {}
    for entry in sorted(name for name in zipfile.ZipFile(archive).namelist() if name.endswith(".png")):
        *_, alphabet, character, _ = entry.split("/")
        found.setdefault(f"{alphabet}-{character}", []).append(lambda entry=entry: zipfile.ZipFile(archive).read(entry))
    return found


def train(folder, pictures, kind, method, seed, quick, scale):
    _, recipe, settings = METHODS[method]
    epochs = 1 if method == "untrained" or quick else max(1, round(scale * (kind.epochs_of_views if method == "simclr" else kind.epochs)))
    settings = [f"data.root={pictures}", f"train.seed={seed}", f"schedule.epochs={epochs}", *settings]
    if epochs < 4:
        settings.append("schedule.warmup=0")
    if recipe == "classes.yaml" and kind.mirrored:
        settings.insert(0, FLIP)
    if quick:
        settings.append("data.limit=64")
    return common.train(folder, HERE / recipe, settings)


def measured(folder, pictures, length=None):
    """Figures of the searched classes by whole descriptors, or by so many numbers of PCA."""
    name = "whole" if length is None else f"pca-{length}"
    result = folder / f"{name}.json"
    if not result.exists():
        index = folder / f"{name}.index"
        index.unlink(missing_ok=True)
        shortened = [] if length is None else ["--pca", str(length), "--pca-from", pictures / "train"]
        common.tessera("index", "build", index, pictures / "test", "--model", folder, "--batch", "128", "--quiet", *shortened)
        building = result.with_suffix(".tmp")
        building.write_text(common.answer("index", "eval", index, "-k", "1,2,4,8", "--json"))
        building.rename(result)
        if length is not None:
            index.unlink()
    return json.loads(result.read_text())


def gather(out, seeds):
    """Lists over the seeds by set and method, in percent where figures are shares."""
    found = {}
    for name in SETS:
        for method in METHODS:
            folders = [out / name / method / f"seed-{seed}" for seed in range(seeds)]
            if not all(common.done(folder) and (folder / "whole.json").exists() for folder in folders):
                continue
            pictures = out / "data" / name
            whole = [measured(folder, pictures) for folder in folders]
            found.setdefault(name, {})[method] = {
                "recall": [100 * one["recall_at_1"] for one in whole],
                "map": [100 * one["map"] for one in whole],
                "rank": [one["effective_rank"] for one in whole],
                "nearest": [one["nearest_distance"] for one in whole],
                "short": {length: [100 * measured(folder, pictures, length)["recall_at_1"] for folder in folders] for length in LENGTHS},
                "hours": [common.hours(folder) for folder in folders],
            }
    return found


def report(found):
    text = ""
    for name, methods in found.items():
        heads = ["descriptor", "Recall@1, %", "mAP, %", "effective rank", "distance to the nearest", *[f"Recall@1 of {length} numbers, %" for length in LENGTHS]]
        lines = [
            [METHODS[method][0], common.shown(one["recall"]), common.shown(one["map"]), common.shown(one["rank"]), f"{statistics.mean(one['nearest']):.3f}"]
            + [common.shown(one["short"][length]) for length in LENGTHS]
            for method, one in methods.items()
        ]
        text += f"\n## {SETS[name].title}\n\n" + common.table(heads, lines)
    return text


def judgements(found):
    for name, methods in found.items():
        if not {"untrained", "irt_l", "irt_r"} <= methods.keys():
            continue
        mean = lambda method, figure: statistics.mean(methods[method][figure])
        for method in ("irt_l", "irt_r"):
            gain = mean(method, "recall") - mean("untrained", "recall")
            yield f"{SETS[name].title}: {METHODS[method][0]} finds {gain:+.1f} points more at rank 1 than untrained descriptors{'' if gain > 0 else ': NOT AHEAD'}."
        for figure, what in (("rank", "effective rank"), ("nearest", "distance to the nearest")):
            without, with_it = mean("irt_l", figure), mean("irt_r", figure)
            yield f"{SETS[name].title}: KoLeo brings the {what} from {without:.2f} to {with_it:.2f}{'' if with_it > without else ': NOT HIGHER'}."
        shortest = LENGTHS[0]
        lost = {method: mean(method, "recall") - statistics.mean(methods[method]["short"][shortest]) for method in ("irt_l", "irt_r")}
        yield f"{SETS[name].title}: {shortest} numbers cost {lost['irt_l']:.1f} points without KoLeo and {lost['irt_r']:.1f} with it."


def curves(found):
    """Recall over the length of descriptors, by its logarithm."""
    for name, methods in found.items():
        for method, one in methods.items():
            points = [(place / len(LENGTHS), statistics.mean(one["short"][length])) for place, length in enumerate(LENGTHS)]
            yield f"{SETS[name].title}: {METHODS[method][0]} {common.shown(one['recall'])}", [*points, (1, statistics.mean(one["recall"]))]


def main():
    parser = common.options(__doc__, "an epoch of few pictures each", "folder with tin20, omniglot and att_faces; $TESSERA_DATA by default")
    parser.add_argument("--seeds", type=int, default=3, help="of every method")
    parser.add_argument("--scale", type=float, default=1, help="what the numbers of epochs are multiplied by")
    args = parser.parse_args()
    out = common.place(args, "retrieval")
    data = args.data or (pathlib.Path(os.environ["TESSERA_DATA"]) if "TESSERA_DATA" in os.environ else None)
    if data is None:
        sys.exit("--data must name the folder with tin20, omniglot and att_faces, or TESSERA_DATA")
    seeds = 1 if args.quick else args.seeds
    for name, kind in SETS.items():
        source = data.resolve() / kind.folder
        if not source.is_dir():
            sys.exit(f"there is no folder {source}: --data must name the folder with tin20, omniglot and att_faces")
        lay_out(name, source, out / "data" / name, args.quick)
    rows = [(f"{name}/{method}/seed-{seed}", name, method, seed) for seed in range(seeds) for name in SETS for method in METHODS]
    rows = [row for row in rows if args.only in row[0]]
    common.train_all(
        [
            (row, out / row, lambda row=row, name=name, method=method, seed=seed: train(out / row, out / "data" / name, SETS[name], method, seed, args.quick, args.scale))
            for row, name, method, seed in rows
        ]
    )
    for number, (row, name, _, _) in enumerate(rows, 1):
        for length in (None, *LENGTHS):
            measured(out / row, out / "data" / name, length)
        print(f"measured {number}/{len(rows)}  {row}", flush=True)
    found = gather(out, seeds)
    for name in found:
        show_neighbours(out, name)
    if args.quick:
        print("every row works; --quick measures nothing")
        return
    facts = common.facts()
    spent = facts["processors"] * sum(common.hours(out / row) for row, *_ in rows)
    text = report(found) + "".join(f"\n- {line}" for line in judgements(found)) + "\n"
    print(text)
    if args.only:
        return
    head = (
        f"# Retrieval among unseen classes\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors; {spent:.1f} core-hours of steps. A {MODEL} at 32 pixels learns from "
        f"some classes; each picture of the others, at most {SEARCHED} a class, searches all others of them. Mean and deviation over {seeds} seeds. Shortened descriptors are by PCA of the "
        "training pictures.\n"
    )
    caption = f"Recall@1 in percent with {', '.join(map(str, LENGTHS))} and all numbers of a descriptor"
    common.write(HERE, head, text, facts | {"core_hours": spent} | found, common.picture(list(curves(found)), caption))


def show_neighbours(out, name):
    """A page of neighbours of eight pictures, by IRT with the first seed."""
    folder = out / name / "irt_r" / "seed-0"
    if not (folder / "whole.index").exists():
        return
    tests = sorted((out / "data" / name / "test").iterdir())[:8]
    queries = [sorted(one.iterdir())[0] for one in tests]
    page = out / f"{name}.html"
    common.tessera("index", "search", folder / "whole.index", *queries, "-k", "8", "--others", "--page", page, "--explain", "1", "--quiet")
    print(f"neighbours in {page}", flush=True)


if __name__ == "__main__":
    main()
