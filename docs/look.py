"""Screenshots of ten pages of the built site, and a check that nothing overflows.

    python docs/look.py docs/_build screenshots

Needs Chromium (`apt install chromium`) or Chrome.  Each page is drawn 1280 and 390 pixels
wide, in light and in dark; searches must find the right page first.  Exit status 1 if a
page is wider than its window or has an empty picture, or a link or a search leads nowhere.
"""

import argparse
import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

PAGES = (
    "index",
    "quick_start",
    "tables",
    "choosing",
    "course/zeros",
    "gallery/tutorials/index",
    "gallery/tutorials/choosing_inputs",
    "generated/command_line",
    "generated/parameters",
    "api/plots",
)
# what people look for: the pages that may come first
SEARCHES = {
    "csv": ("tables", "generated/command_line"),
    "missing values": ("tables",),
    "imbalanced": ("gallery/tutorials/imbalanced_classes",),
    "Arduino": ("shipping",),
    "Dask": ("scaling",),
    "L1": ("api/penalties", "l1_rules", "course/shrinkage"),
    "early stopping": ("course/early_stopping",),
}
WIDTHS = (1280, 390)
HEIGHT = 2400
# a page in a frame as wide as the window of a reader, since Chromium's own window has a
# least width; the title tells how wide the page wants to be, and its empty pictures
FRAME = """<!doctype html><body style="margin:0"><iframe id="page" src="{page}"
style="border:0;width:{width}px;height:{height}px"></iframe><pre id="found"></pre><script>
document.getElementById("page").onload = event => {{
  const inner = event.target.contentDocument;
  if ({dark}) inner.body.dataset.theme = "dark";
  const empty = [...inner.images].filter(i => !i.naturalWidth && i.src).length;
  const wide = inner.documentElement.scrollWidth;
  document.getElementById("found").textContent = wide + " " + empty;
}};</script>"""


def chromium(*arguments):
    """Run it without a window; what it prints."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("look.py needs Chromium: apt install chromium")
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    return done.stdout


def look(page, width, dark, picture):
    """Write the screenshot; (width that the page wants, number of empty pictures)."""
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(
            FRAME.format(
                page=page.resolve().as_uri(),
                width=width,
                height=HEIGHT,
                dark=str(dark).lower(),
            )
        )
        size = f"--window-size={max(width, 500)},{HEIGHT}"
        chromium(size, f"--screenshot={picture}", frame.as_uri())
        found = re.search(
            r'id="found">(\d+) (\d+)<', chromium(size, "--dump-dom", frame.as_uri())
        )
    return tuple(map(int, found.groups())) if found else (0, -1)


def dead_links(site):
    """(page, link) for every link inside the site that leads nowhere."""
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    names = {path: set(re.findall(r'\bid="([^"]+)"', t)) for path, t in pages.items()}
    for path, text in pages.items():
        for link in set(re.findall(r'<a\b[^>]*\bhref="([^"]*)"', text)):
            target, _, name = unquote(html.unescape(link)).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            other = (path.parent / target).resolve() if target else path
            missing = not other.exists()
            if missing or (name and other in names and name not in names[other]):
                yield path.relative_to(site), link


def first_found(site, words):
    """The page that the site's search lists first, or None."""
    search = (site / "search.html").as_uri() + f"?q={quote(words)}"
    found = re.search(
        r'<li class="kind-\w+"><a href="([^"#?]+)\.html', chromium("--dump-dom", search)
    )
    return found and found[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site", type=Path, help="what Sphinx has built")
    parser.add_argument("pictures", type=Path, help="folder for the screenshots")
    args = parser.parse_args()
    args.pictures.mkdir(parents=True, exist_ok=True)
    site, bad = args.site.resolve(), 0
    for page, link in dead_links(site):
        print(f"{page}: {link} leads nowhere")
        bad += 1
    for words, right in SEARCHES.items():
        found = first_found(site, words)
        bad += found not in right
        print(f"search for {words}: {found}: {'ok' if found in right else 'WRONG'}")
    for name in PAGES:
        for width in WIDTHS:
            for dark in (False, True):
                shade = "dark" if dark else "light"
                file = f"{name.replace('/', '_')}_{width}_{shade}.png"
                wide, empty = look(
                    site / f"{name}.html", width, dark, args.pictures.resolve() / file
                )
                fine = 0 < wide <= width and not empty
                bad += not fine
                state = "ok" if fine else "WRONG"
                print(f"{file}: {wide} of {width} pixels, {empty} empty: {state}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
