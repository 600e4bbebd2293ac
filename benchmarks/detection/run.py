#!/usr/bin/env python3
"""Detectors on blood cells, nuts, a part of COCO and drawn shapes: what they learn, in AP of boxes and masks.

    ./tessera bench detection [--quick] [--only TEXT] [--data FOLDER] [--out FOLDER]

Trains all rows one after the other on all processors: what is done already is not done again, and what was stopped in the middle goes on
there. Backbones of the rows on blood cells are trained first, on photographs in folders. The shapes are drawn by this script. Writes
results-PROCESSOR.json, .md and .svg beside this file; --quick trains every row for a few steps to see that it works (under 15 minutes)
and writes nothing. Needs ./tessera built once and a folder (--data, or $TESSERA_DATA) with

    bccd     the blood cells of BCCD as its archive holds them (JPEGImages, Annotations, ImageSets)
    nuts18   images and trainval.json of 18 photographs of nuts with masks
    coco128  images/train2017 and coco_json/instances_train2017_128.json: the first 128 images of COCO
    tin20    train/CLASS/* and val/CLASS/*: 20 classes of Tiny ImageNet
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import rows as common  # noqa: E402
import shapes  # noqa: E402

SMALL = "width: 64, rpn: { scales: [4] }, rois: { sampled: 64 }, backbone: { name: resnet18 }"
PRETRAINED = {"resnet18": "ResNet-18", "pvt_v2_b0": "PVTv2-B0"}


class Row:
    def __init__(self, name, what, recipe, data, backbone=None, settings=(), wanted=()):
        self.name, self.what, self.recipe, self.data, self.backbone, self.settings, self.wanted = name, what, recipe, data, backbone, settings, wanted

    @property
    def finds(self):
        return not self.name.startswith("pretrain")


def rows():
    for name, label in PRETRAINED.items():
        yield Row(f"pretrain_{name}", f"{label}, classes", HERE / "pretrain.yaml", "tin20", settings=[f"model.name={name}"])
    for head, title in (("faster_rcnn", "Faster R-CNN"), ("retinanet", "RetinaNet")):
        for name, label in PRETRAINED.items():
            yield Row(f"bccd_{head}_{name}", f"{title}, {label}, blood cells", f"detection/bccd_{head}_{name}", "bccd", name, wanted=[("ap50", 0.65)])
    for name, label in (("nuts18", "nuts, on what it was trained on"), ("coco128", "COCO's 128, on what it was trained on")):
        yield Row(f"{name}_mask_rcnn", f"Mask R-CNN, ResNet-18, {label}", f"detection/{name}_mask_rcnn", name, "resnet18", wanted=[("mask_ap50", 0.8)])
    heads = {
        "retinanet": ("RetinaNet", "{ name: retinanet, width: 64, convs: 2, backbone: { name: resnet18 } }"),
        "faster_rcnn": ("Faster R-CNN", f"{{ name: faster_rcnn, fc_width: 128, {SMALL} }}"),
        "mask_rcnn": ("Mask R-CNN", f"{{ name: mask_rcnn, fc_width: 128, mask_convolutions: 2, {SMALL} }}"),
        "cascade_mask_rcnn": ("Cascade Mask R-CNN", f"{{ name: cascade_mask_rcnn, fc_width: 128, box_head: linears, mask_convolutions: 2, {SMALL} }}"),
    }
    for head, (title, model) in heads.items():
        wanted = [("ap50", 0.8), *([("mask_ap50", 0.7)] if "mask" in head else [])]
        yield Row(f"shapes_{head}", f"{title}, ResNet-18, shapes", HERE / "shapes.yaml", "shapes", settings=[f"model={model}"], wanted=wanted)


def linked(folder, target):
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_symlink():
        folder.symlink_to(target)


def root_of(row, data, out, quick):
    """The folder of a row's data; drawn, or arranged as data sets in COCO's form lie, where it has to be."""
    if row.data == "shapes":
        folder = out / "data" / "shapes"
        shapes.draw(folder, {"train": 16, "val": 8} if quick else {"train": 400, "val": 100})
        return folder
    if data is None or not (data / row.data).exists():
        sys.exit(f"{row.name} needs the folder {row.data} in --data or $TESSERA_DATA; --help says what it holds")
    if row.data == "coco128":
        folder = out / "data" / "coco128"
        linked(folder / "images", data / "coco128" / "images" / "train2017")
        linked(folder / "train.json", data / "coco128" / "coco_json" / "instances_train2017_128.json")
        return folder
    if row.data == "nuts18":
        folder = out / "data" / "nuts18"
        linked(folder / "images", data / "nuts18" / "images")
        linked(folder / "train.json", data / "nuts18" / "trainval.json")
        return folder
    return data / row.data


def train(row, data, out, quick):
    """Seconds that a run took."""
    given = [*row.settings, f"data.root={root_of(row, data, out, quick)}", "train.seed=0"]
    if row.backbone:
        given.append(f"model.backbone.weights={out / f'pretrain_{row.backbone}'}")
    if quick:
        given += ["schedule.epochs=1", "schedule.warmup=0", f"data.limit={16 if row.finds else 128}"]
    return common.train(out / row.name, row.recipe, given)


def measure(folder):
    """Figures after the last epoch, those of each evaluation, and the hours of the steps."""
    return {"figures": common.figures(folder), "curve": common.log(folder, "evaluation"), "hours": common.hours(folder)}


def judgements(found):
    """What was asked for, and whether it was reached."""
    for row in rows():
        for figure, least in row.wanted if row.name in found else ():
            value = found[row.name]["figures"][figure]
            yield f"{row.what}: {figure} {value:.3f}, at least {least} was wanted: {'reached' if value >= least else 'MISSED'}."
    names = ("shapes_cascade_mask_rcnn", "shapes_mask_rcnn")
    if all(name in found for name in names):
        cascade, single = (found[name]["figures"]["ap75"] for name in names)
        yield f"Shapes: the cascade's ap75 is {cascade:.3f}, Mask R-CNN's {single:.3f}: {'not below it' if cascade >= single else 'BELOW IT'}."


FIGURES = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_small": "small", "ap_medium": "medium", "ap_large": "large", "mask_ap": "mask AP", "mask_ap50": "mask AP50", "mask_ap75": "mask AP75"}


def cell(figures, name):
    value = figures.get(name)
    return "–" if value is None or value < 0 else f"{100 * value:.1f}"


def table(found):
    chosen = [row for row in rows() if row.finds and row.name in found]
    lines = [[row.what, *(cell(found[row.name]["figures"], name) for name in FIGURES), f"{found[row.name]['hours']:.2f}"] for row in chosen]
    return common.table(["detector and data", *FIGURES.values(), "hours"], lines)


def picture(found):
    """AP50 over the share of the epochs, by row."""
    curves = []
    for row in rows():
        if row.finds and row.name in found:
            curve = found[row.name]["curve"]
            points = [(line["epoch"] / curve[-1]["epoch"], 100 * line["ap50"]) for line in curve]
            curves.append((f"{row.what} {cell(found[row.name]['figures'], 'ap50')}", points))
    return common.picture(curves, "AP50 of boxes in percent, from the first evaluation to the last epoch")


def main():
    only = "rows whose name contains TEXT, and the backbones that they need; nothing is written"
    args = common.options(__doc__, "an epoch of a few images each", "folder of the data; $TESSERA_DATA by default", only).parse_args()
    out, given = common.place(args, "detection"), args.data or os.environ.get("TESSERA_DATA")
    data = pathlib.Path(given).resolve() if given else None
    chosen = [row for row in rows() if args.only in row.name]
    needed = {f"pretrain_{row.backbone}" for row in chosen if row.backbone}
    chosen = [row for row in rows() if row.name in needed or args.only in row.name]
    common.train_all([(row.name, out / row.name, lambda row=row: train(row, data, out, args.quick)) for row in chosen])
    found = {row.name: measure(out / row.name) for row in chosen}
    text = table(found)
    if not args.quick:
        text += "".join(f"\n- {line}" for line in judgements(found)) + "\n"
    print("\n" + text)
    if args.quick or args.only:
        return
    facts = common.facts()
    head = f"# Detection\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors. Figures are COCO's, in percent, after the last epoch; hours are those of the steps, by the median pace.\n\n"
    common.write(HERE, head, text, facts | {"rows": found}, picture(found))


if __name__ == "__main__":
    main()
