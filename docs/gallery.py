"""What sphinx-gallery needs to run docs/tutorials and examples/: order and options.

Every script runs when the site is built; its page has what it drew and printed, its code,
and itself as a notebook.
"""

from pathlib import Path

TUTORIALS = Path(__file__).parent / "tutorials"
ORDER = (
    "first_network",
    "table",
    "l1_rules_seen",
    "choosing_inputs",
    "words",
    "cut_down_to_c",
    "imbalanced_classes",
    "quantiles",
    "reproducible",
    "perceptron",
    "weight_decay",
    "spiral",
    "outliers",
    "dropout",
    "table_to_c",
)


def place(file):
    """Where a script is in its gallery."""
    return ORDER.index(Path(file).stem)


class DrawOnly:
    """The examples save their plot themselves, unless they are told not to."""

    def __call__(self, gallery_conf, script_vars):
        in_examples = "examples" in Path(script_vars["src_file"]).parts
        return ["--output", ""] if in_examples else []

    def __repr__(self):  # part of the key by which Sphinx sees that options changed
        return "DrawOnly"


def sweep(gallery_conf, script):
    """Delete what a tutorial wrote next to itself."""
    for file in TUTORIALS.iterdir():
        if file.suffix not in (".py", ".rst"):
            file.unlink()


CONFIG = {
    "examples_dirs": ["tutorials", "../examples"],
    "gallery_dirs": ["gallery/tutorials", "gallery/write_ups"],
    "filename_pattern": rf"({'|'.join(ORDER)})\.py",
    "ignore_pattern": r"common\.py|mnist_\w+\.py",
    "within_subsection_order": "gallery.place",
    "reset_argv": DrawOnly(),
    "reset_modules": ("matplotlib", "gallery.sweep"),
    "reset_modules_order": "both",
    "abort_on_example_error": True,
    "backreferences_dir": "gallery/uses",
    "doc_module": ("regnet_c",),
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"Axes|ndarray|History|Legend|Line|Text|Colorbar|RegNet|Encoder",
}
