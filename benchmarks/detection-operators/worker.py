"""torchvision's side of the benchmark of detection's operators. Arguments: setting, folder of inputs, threads."""
import pathlib
import sys

import numpy as np
import torch
import torchvision
from torchvision.models.detection.roi_heads import paste_masks_in_image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import protocol

(operator, *numbers), folder = sys.argv[1].split(), pathlib.Path(sys.argv[2])
numbers = [int(number) for number in numbers]
torch.set_num_threads(int(sys.argv[3]))


def given(name, *shape):
    return torch.from_numpy(np.fromfile(folder / name, np.float32)).reshape(shape)


def differentiated(output, of):
    return torch.autograd.grad(output.square().sum(), of)[0]


if operator == "roi_align":
    maps, rois = given("maps", *numbers[:4]).requires_grad_(), given("rois", -1, 5)
    run = lambda: differentiated(torchvision.ops.roi_align(maps, rois, numbers[5], 0.25, numbers[6], aligned=True), maps)
elif operator == "nms":
    boxes, scores, groups = given("boxes", -1, 4), given("scores", -1), given("groups", -1).long()
    # Where all are of one group, the operator that takes none is the faster one.
    run = lambda: torchvision.ops.batched_nms(boxes, scores, groups, 0.5) if numbers[1] > 1 else torchvision.ops.nms(boxes, scores, 0.5)
elif operator == "focal":
    logits, labels = given("logits", *numbers[:2]).requires_grad_(), given("labels", -1).long()
    targets = torch.nn.functional.one_hot(labels, numbers[1] + 1)[:, :-1].float()
    run = lambda: differentiated(torchvision.ops.sigmoid_focal_loss(logits, targets, reduction="sum"), logits)
elif operator == "paste":
    masks, boxes = given("masks", numbers[0], 1, 28, 28), given("boxes", -1, 4)
    run = lambda: (paste_masks_in_image(masks, boxes, (numbers[1], numbers[2])) >= 0.5).sum((1, 2, 3))
else:
    sys.exit(f"no operator is called {operator}")

protocol.serve({"version": f"torchvision {torchvision.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}",
                "threads": torch.get_num_threads()}, run, lambda: run().detach().float().flatten()[::97].numpy().tobytes())
