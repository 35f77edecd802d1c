"""The documentation site: `python -m sphinx -W docs docs/_build` (extra [docs])."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from gallery import CONFIG

import regnet_c

project = "regnet_c"
author = copyright = "regnet_c developers"
version = release = regnet_c.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
    "generated_pages",
    "pictures",
    "references",
]
exclude_patterns = ["_build", "tutorials", "gallery/uses"]
sphinx_gallery_conf = CONFIG
default_role = "py:obj"
nitpicky = True
smartquotes_action = "qe"  # quotes and ellipses; -- stays as options have it
html_theme = "furo"
html_logo = "_static/logo.svg"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
bibtex_bibfiles = ["references.bib"]
html_title = f"regnet_c {version}"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3  # so that pages may link to headings, here and on GitHub

autodoc_typehints = "none"  # docstrings have shapes and dtypes as well
numpydoc_show_class_members = False  # autodoc does
