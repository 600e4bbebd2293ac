"""Draws sets of filled shapes with their boxes and masks, in COCO's JSON: any detector that learns anything finds them."""
import json
import math
import random

CLASSES = ["light rectangle", "light ellipse", "dark ellipse"]
SIDE = 128
CORNERS = 64  # of an ellipse's polygon


def polygon(kind, left, top, width, height):
    if kind == 0:
        return [left, top, left + width, top, left + width, top + height, left, top + height]
    turns = (2 * math.pi * k / CORNERS for k in range(CORNERS))
    return [value for a in turns for value in (round(left + width / 2 * (1 + math.cos(a)), 3), round(top + height / 2 * (1 + math.sin(a)), 3))]


def picture(numbers):
    """Pixels of a picture and its shapes: class, left, top, width, height."""
    pixels = bytearray(112 + numbers.randrange(32) for _ in range(3 * SIDE * SIDE))
    shapes, wanted = [], numbers.randrange(1, 5)
    for _ in range(20):
        if len(shapes) == wanted:
            break
        width, height = (numbers.randrange(SIDE // 8, SIDE // 2) for _ in range(2))
        left, top = numbers.randrange(SIDE - width), numbers.randrange(SIDE - height)
        # Shapes that hide each other would have masks that nobody sees.
        if any(left < l + w and l < left + width and top < t + h and t < top + height for _, l, t, w, h in shapes):
            continue
        kind = numbers.randrange(len(CLASSES))
        colour = bytes(numbers.randrange(64) + (0 if kind == 2 else 192) for _ in range(3))
        for y in range(top, top + height):
            for x in range(left, left + width):
                if kind == 0 or ((x + 0.5 - left) / width * 2 - 1) ** 2 + ((y + 0.5 - top) / height * 2 - 1) ** 2 <= 1:
                    pixels[3 * (y * SIDE + x):3 * (y * SIDE + x) + 3] = colour
        shapes.append((kind, left, top, width, height))
    return pixels, shapes


def area(kind, width, height):
    return width * height * (1 if kind == 0 else math.pi / 4)


def draw(folder, counts):
    """Writes FOLDER/SPLIT.json and FOLDER/images for the number of pictures of each split, where they are not there yet."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(counts.items()):
        if (folder / f"{split}.json").exists():
            continue
        numbers = random.Random(number)
        images, annotations = [], []
        for i in range(1, count + 1):
            pixels, shapes = picture(numbers)
            name = f"{split}-{i:04}.ppm"
            (folder / "images" / name).write_bytes(f"P6 {SIDE} {SIDE} 255\n".encode() + pixels)
            images.append({"id": i, "file_name": name, "width": SIDE, "height": SIDE})
            for kind, left, top, width, height in shapes:
                annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": kind + 1, "iscrowd": 0, "bbox": [left, top, width, height],
                                    "area": area(kind, width, height), "segmentation": [polygon(kind, left, top, width, height)]})
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
        (folder / f"{split}.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
