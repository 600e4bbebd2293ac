"""torchvision's side of the benchmark of detectors. Arguments: work, model, weights, images, batch, threads.

Work is weights (writes fresh weights and images to the two files, and ends), train (a step) or predict.
"""
import pathlib
import sys

import numpy as np
import torch
import torchvision
from torchvision.models import detection

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import protocol

HEIGHT, WIDTH, CLASSES, OBJECTS, MOST = 480, 640, 20, 6, 8
BUILDERS = {"retinanet": detection.retinanet_resnet50_fpn, "faster_rcnn": detection.fasterrcnn_resnet50_fpn, "mask_rcnn": detection.maskrcnn_resnet50_fpn}

work, name, weights, images, batch, threads = *sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6])
torch.set_num_threads(threads)
torch.manual_seed(0)
model = BUILDERS[name](weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=HEIGHT, max_size=WIDTH, trainable_backbone_layers=5)
if work == "weights":
    torch.save(model.state_dict(), weights)
    torch.rand(MOST, 3, HEIGHT, WIDTH).numpy().tofile(images)
    sys.exit()
model.load_state_dict(torch.load(weights))
given = list(torch.from_numpy(np.fromfile(images, np.float32)).reshape(-1, 3, HEIGHT, WIDTH)[:batch])


def target():
    """As Program.cs has it; in a two-stage detector, class 0 is background."""
    boxes = [[90 * i, 60 * i, 90 * i + 40 + 20 * i, 60 * i + 60 + 15 * i] for i in range(OBJECTS)]
    masks = torch.zeros(OBJECTS, HEIGHT, WIDTH, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes):
        mask[top:bottom, left:right] = 1
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.arange(OBJECTS) + (name != "retinanet"), "masks": masks}


targets = [target() for _ in range(batch)]
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = sum(model(given, targets).values())
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def predict():
    # Without what brings masks and boxes back to other sizes.
    images = model.transform(given)[0]
    maps = model.backbone(images.tensors)
    if name == "retinanet":
        maps = list(maps.values())
        outputs, anchors = model.head(maps), model.anchor_generator(images, maps)
        counts = [map.shape[2] * map.shape[3] * model.anchor_generator.num_anchors_per_location()[0] for map in maps]
        split = {key: list(value.split(counts, dim=1)) for key, value in outputs.items()}
        model.postprocess_detections(split, [list(one.split(counts)) for one in anchors], images.image_sizes)
    else:
        model.roi_heads(maps, model.rpn(images, maps)[0], images.image_sizes)


about = {"version": f"torchvision {torchvision.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}", "threads": torch.get_num_threads()}
if work == "train":
    model.train()
    protocol.serve(about, run=step, losses=lambda count: [step() for _ in range(count)])
else:
    model.eval()
    protocol.serve(about, run=predict)
