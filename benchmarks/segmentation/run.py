#!/usr/bin/env python3
"""Segmenters and TransKD on CamVid: 11 classes, 367 training and 233 test images, mIoU over all pixels of the test images.

    benchmarks/segmentation/run.py [--quick] [--only TEXT] [--seeds 3] [--out FOLDER] [--set FIELD=VALUE]

Trains the recipes segmentation/camvid_*.yaml one after the other on all processors: what is done already is not done again, and what
was stopped in the middle goes on there. TransKD is judged against the student alone only if the teacher is at least 3 points better.
Writes results-PROCESSOR.md and .svg beside this file; --quick trains every row for two epochs to see that it works (under 15 minutes)
and writes nothing. Needs ./tessera built once and the folder of CamVid: $TESSERA_DATA/camvid, or --set data.root=FOLDER.
"""
import argparse
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402

TEACHER, STUDENT = "transkd_teacher", "transkd_student"
# Recipe below segmentation/, what it is, and whether it has as many seeds as asked for.
ROWS = [
    ("segformer_b0", "SegFormer-B0", False),
    ("semantic_fpn_pvt_v2_b0", "semantic FPN, PVTv2-B0", False),
    ("upernet_swin_micro", "UPerNet of 64 channels, small Swin", False),
    ("fpn_resnet18", "FPN, ResNet-18", False),
    ("vt_fpn_resnet18", "VT-FPN, ResNet-18", False),
    (TEACHER, "teacher", True),
    (STUDENT, "student alone", True),
    ("transkd_base", "TransKD-Base", True),
    ("transkd_gl", "TransKD-GL", True),
    ("transkd_ea", "TransKD-EA", True),
]
LEAD = 3  # points that the teacher must be ahead


def recipe_of(name):
    return f"segmentation/camvid_{name}"


def folder_of(name, seed, out):
    return out / name / f"seed-{seed}"


def train(name, seed, out, settings):
    """Seconds that a run took."""
    given = [f"train.seed={seed}", *settings]
    if name.startswith("transkd_") and name not in (TEACHER, STUDENT):
        given.append(f"objective.teacher.run={folder_of(TEACHER, seed, out)}")
    return common.train(folder_of(name, seed, out), recipe_of(name), given)


def measure(name, seeds, out):
    """mIoU of every seed in percent after the last epoch, the curve of the first, and the hours of its steps."""
    folders = [folder_of(name, seed, out) for seed in seeds]
    scores = [100 * common.figures(folder)["miou"] for folder in folders]
    return scores, [(line["epoch"], 100 * line["miou"]) for line in common.log(folders[0], "evaluation")], common.hours(folders[0])


def judgement(found):
    if not all(name in found for name in (TEACHER, STUDENT)):
        return ""
    teacher, student = (statistics.mean(found[name][0]) for name in (TEACHER, STUDENT))
    if teacher - student < LEAD:
        return f"TransKD is not judged: the teacher leads the student alone by {teacher - student:.1f} points, less than {LEAD}.\n"
    gains = ", ".join(
        f"{label} {statistics.mean(found[name][0]) - student:+.1f}" for name, label, _ in ROWS if name in found and name.startswith("transkd_") and name not in (TEACHER, STUDENT)
    )
    return f"The teacher leads the student alone by {teacher - student:.1f} points; over the student: {gains}.\n"


def picture(found):
    """mIoU over the epochs of every row."""
    labels = {name: label for name, label, _ in ROWS}
    last = max(epoch for _, curve, _ in found.values() for epoch, _ in curve)
    curves = [(f"{labels[name]} {common.shown(scores)}", [(epoch / last, score) for epoch, score in curve]) for name, (scores, curve, _) in found.items()]
    return common.picture(curves, f"test mIoU in percent over the epochs (0 to {last}), first seed", right=260)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two epochs of a tenth of the images each; nothing is written")
    parser.add_argument("--only", default="", help="rows whose recipe contains TEXT; nothing is written")
    parser.add_argument("--seeds", type=int, default=3, help="of the rows of TransKD")
    parser.add_argument("--out", type=pathlib.Path, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of all recipes, when runs begin; apart from data.root, nothing is written then")
    args = parser.parse_args()
    out = (args.out or ROOT / "runs" / ("segmentation-quick" if args.quick else "segmentation")).resolve()
    seeds = [0] if args.quick else list(range(args.seeds))
    settings = [*args.set, *(["schedule.epochs=2", "data.limit=36"] if args.quick else [])]
    runs = [(name, seed) for name, _, several in ROWS if args.only in name for seed in (seeds if several else seeds[:1])]
    common.train_all([(f"{name}, seed {seed}", folder_of(name, seed, out), lambda name=name, seed=seed: train(name, seed, out, settings)) for name, seed in runs])
    names = list(dict.fromkeys(name for name, _ in runs))
    found = {name: measure(name, [seed for other, seed in runs if other == name], out) for name in names}
    labels = {name: label for name, label, _ in ROWS}
    lines = [[labels[name], f"`{recipe_of(name)}`", common.shown(scores), f"{hours:.2f}"] for name, (scores, _, hours) in found.items()]
    table = common.table(["network", "recipe", "test mIoU, %", "hours"], lines) + ("\n" + judgement(found) if judgement(found) else "")
    print("\n" + table)
    if args.quick or args.only or any(not setting.startswith("data.root=") for setting in args.set):
        return
    facts = common.facts()
    head = f"# Segmentation on CamVid\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors. Hours are those of the steps of the first seed, by the median pace.\n\n"
    (HERE / f"results-{common.slug()}.md").write_text(head + table)
    (HERE / f"results-{common.slug()}.svg").write_text(picture(found))


if __name__ == "__main__":
    main()
