"""Sphinx extension: runs the examples that draw and makes a page of each.

A page has the docstring, the plot, what was printed and the code.  A plot that is newer
than its script is kept, so that only the first build takes the minutes.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = Path(__file__).parent / "gallery"
SCRIPTS = (
    "perceptron",
    "weight_decay",
    "spiral",
    "outliers",
    "dropout",
    "table_to_c",
)
PAGE = """# {title}

{text}

```{{image}} {name}.png
:alt: the plot of {name}.py
```

## What it prints

```{{literalinclude}} {name}.txt
:language: none
```

## The code

```{{literalinclude}} ../../examples/{name}.py
:language: python
```
"""
INDEX = """# Gallery

Each script in `examples/` answers one question with a table and a plot.

::::{{grid}} 1 2 2 3
:gutter: 3

{cards}
::::

```{{toctree}}
:maxdepth: 1
:hidden:

{names}
```
"""
CARD = """:::{{grid-item-card}} {title}
:link: {name}
:link-type: doc
:img-top: {name}.png
:::"""


def run_example(script, plot, printed):
    """Run the script; its plot and what it prints become files."""
    done = subprocess.run(
        [sys.executable, script, "--output", plot],
        cwd=PAGES,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr}")
    # all but "plot: ...", the name of a file the reader does not have
    printed.write_text("".join(done.stdout.splitlines(keepends=True)[:-1]))


def title_and_text(script):
    """The docstring of an example: a title and indented blocks."""
    title, text = ast.get_docstring(ast.parse(script.read_text())).split("\n", 1)
    return title.rstrip("."), text.strip()


def page(script):
    """The Markdown of one example."""
    title, text = title_and_text(script)
    return PAGE.format(title=title, text=text, name=script.stem)


def index(scripts):
    """The Markdown of the gallery: a card with its plot for each example."""
    cards = [CARD.format(title=title_and_text(s)[0], name=s.stem) for s in scripts]
    names = "\n".join(script.stem for script in scripts)
    return INDEX.format(cards="\n\n".join(cards), names=names)


def write_pages(app):
    """Run what must be run and write the pages."""
    PAGES.mkdir(exist_ok=True)
    scripts = [ROOT / "examples" / f"{name}.py" for name in SCRIPTS]
    for script in scripts:
        plot = PAGES / f"{script.stem}.png"
        if not plot.exists() or plot.stat().st_mtime < script.stat().st_mtime:
            run_example(script, plot, plot.with_suffix(".txt"))
        (PAGES / f"{script.stem}.md").write_text(page(script))
    (PAGES / "index.md").write_text(index(scripts))


def setup(app):
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
