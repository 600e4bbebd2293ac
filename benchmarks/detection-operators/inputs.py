"""Writes the inputs of a setting of the benchmark of detection's operators. Arguments: setting, folder."""
import pathlib
import sys

import numpy as np


def boxes(draw, count, height, width, largest):
    """Corners and sizes drawn evenly, the sizes by their logarithms: as many small boxes as large ones."""
    size = np.exp(draw.uniform(np.log(8), np.log(largest), (count, 2)))
    low = draw.uniform(0, 1, (count, 2)) * np.maximum([width, height] - size, 1)
    return np.concatenate([low, np.minimum(low + size, [width, height])], 1)


def prepare(setting, folder):
    operator, *numbers = setting.split()
    numbers, draw = [int(number) for number in numbers], np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)

    def save(name, values):
        np.ascontiguousarray(values, np.float32).tofile(folder / name)

    if operator == "roi_align":
        batch, channels, height, width, regions = numbers[:5]
        save("maps", draw.standard_normal((batch, channels, height, width)))
        images = np.repeat(np.arange(batch), regions)[:, None]
        save("rois", np.concatenate([images, boxes(draw, batch * regions, 4 * height, 4 * width, 2 * height)], 1))
    elif operator == "nms":
        save("boxes", boxes(draw, numbers[0], 800, 1200, 400))
        save("scores", draw.uniform(0, 1, numbers[0]))
        save("groups", draw.integers(0, numbers[1], numbers[0]))
    elif operator == "focal":
        save("logits", draw.standard_normal((numbers[0], numbers[1])) * 2 - 4)
        save("labels", np.where(draw.uniform(0, 1, numbers[0]) < 0.01, draw.integers(0, numbers[1], numbers[0]), numbers[1]))
    else:
        save("boxes", boxes(draw, numbers[0], numbers[1], numbers[2], numbers[1]))
        ramp = np.exp(-((np.arange(28) - 13.5) / 10) ** 2)
        save("masks", np.broadcast_to(ramp[:, None] * ramp, (numbers[0], 28, 28)))


prepare(sys.argv[1], pathlib.Path(sys.argv[2]))
