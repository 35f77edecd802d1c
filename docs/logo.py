"""Draws the logo and the favicon: a network of which only some weights are left.

python docs/logo.py
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "_static"
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#9aa0a6"  # seen on white and on black
LAYERS = ((16, (12, 32, 52)), (48, (12, 32, 52)))  # x, and the units' y
LEFT = {(0, 0), (0, 1), (2, 1)}  # pairs (input, unit) whose weight is not zero


def lines():
    """All weights: strong where they are left, faint where they are zero."""
    (x0, inputs), (x1, units) = LAYERS
    pairs = [(i, j) for i in range(3) for j in range(3)]
    for i, j in sorted(pairs, key=lambda pair: pair in LEFT):
        if (i, j) in LEFT:
            look = f'stroke="{ORANGE}" stroke-width="4"'
        else:
            look = f'stroke="{GREY}" stroke-width="1" stroke-opacity="0.5"'
        yield f'<line x1="{x0}" y1="{inputs[i]}" x2="{x1}" y2="{units[j]}" {look}/>'


def circles():
    """Units in blue, what nothing leads to in grey."""
    used = {i for i, _ in LEFT}, {j for _, j in LEFT}
    for (x, places), alive in zip(LAYERS, used, strict=True):
        for number, y in enumerate(places):
            color = BLUE if number in alive else GREY
            yield f'<circle cx="{x}" cy="{y}" r="7" fill="{color}"/>'


def network(scale):
    """The drawing as SVG, `scale` pixels high."""
    body = "\n  ".join([*lines(), *circles()])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{scale}" height="{scale}" '
        f'viewBox="0 0 64 64">\n  {body}\n</svg>\n'
    )


FILES = {"logo.svg": network(128), "favicon.svg": network(32)}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (FOLDER / name).write_text(text)
