"""The picture of the results: bars of each side's speed over that of one of them, as SVG."""
from html import escape

from side_by_side import count_of

COLORS = {"python": "#9aa0a6", "onnxruntime": "#5f6368", "eager": "#a8c7fa", "float32": "#4285f4", "bfloat16": "#0b57d0"}
LEFT, WIDTH, BAR, GAP, TOP = 320, 520, 11, 14, 46


def draw(rows, sides, reference):
    groups = {}
    for row in rows:
        groups.setdefault((row["model"], row["batch"], row["threads"]), {})[row["side"]] = row["ms"]
    largest = max(times[reference] / ms for times in groups.values() for ms in times.values())
    scale = WIDTH / largest
    height = TOP + len(groups) * (len(sides) * BAR + GAP) + 24
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}" font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="18" font-size="14">Images per second over those of {escape(reference)}</text>']
    x = LEFT
    for side in sides:
        parts.append(f'<rect x="{x}" y="26" width="10" height="10" fill="{COLORS[side]}"/><text x="{x + 14}" y="35">{escape(side)}</text>')
        x += 100
    # Below the numbers, which stand beside it.
    parts.append(f'<line x1="{LEFT + scale:.1f}" x2="{LEFT + scale:.1f}" y1="{TOP - 4}" y2="{height - 24}" stroke="#dadce0"/>')
    y = TOP
    for (model, batch, threads), times in groups.items():
        middle = y + len(sides) * BAR / 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end">{escape(model)}, batch {batch}, {count_of(threads)}</text>')
        for side in sides:
            ratio = times[reference] / times[side]
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{ratio * scale:.1f}" height="{BAR - 1}" fill="{COLORS[side]}"/>')
            parts.append(f'<text x="{LEFT + ratio * scale + 4:.1f}" y="{y + BAR - 2}" font-size="9">{ratio:.2f}</text>')
            y += BAR
        y += GAP
    return "\n".join(parts) + "\n</svg>\n"
