"""Sphinx extension: pages made from the code, so that they are never out of date.

The command line from its parsers, the estimators' parameters from their docstrings.
"""

import argparse
from pathlib import Path

PAGES = Path(__file__).parent / "generated"

COMMANDS_INTRO = """# Command line

`regnet-c COMMAND`, or `python -m regnet_c COMMAND` where scripts are not on the path.  A
table in a CSV, Parquet or NPZ file goes in as it is: [tables](../tables.md) tells how
columns are read.

    regnet-c train --data adult.csv --target income --output income.safetensors
    regnet-c evaluate income.safetensors --data test.csv
    regnet-c predict income.safetensors new.csv

Errors are one line on standard error and exit status 2.  Ctrl-C while training saves the
network in its current state and exits with 130.
"""

PARAMETERS_INTRO = """# Parameters of the estimators

All parameters of {py:obj}`RegNetClassifier <regnet_c.RegNetClassifier>` and
{py:obj}`RegNetRegressor <regnet_c.RegNetRegressor>`, by what they decide.  Defaults of
"auto" follow from the size of the data; the fitted attribute `recipe_` has what was chosen.
Which penalty suits which aim: [Which penalty, which strength](../choosing.md).
"""

# (heading, advice, parameters); a test compares them with the signatures
TOPICS = (
    (
        "The network",
        (
            'Leave the sizes to "auto" first.  A smaller network is not a substitute for a '
            "penalty: size it generously and regularise."
        ),
        (
            "hidden_layer_sizes",
            "activation",
            "loss",
            "weight_init",
            "bias_init",
            "dtype",
        ),
    ),
    (
        "Regularisation",
        (
            "`l1` for few weights, `group_l1` for few inputs, `l2` and `dropout` for "
            "accuracy alone.  Try factors of 10, then of 2."
        ),
        (
            "l1",
            "l2",
            "group_l1",
            "l1_rule",
            "dropout",
            "label_smoothing",
            "max_norm",
            "weight_decay",
        ),
    ),
    (
        "Optimisation",
        (
            "If the loss jumps or diverges, divide `learning_rate_init` by 10.  More "
            'epochs need a rate that falls: `learning_rate="cosine"`.'
        ),
        (
            "optimizer",
            "learning_rate",
            "learning_rate_init",
            "batch_size",
            "max_iter",
            "n_members",
            "tune",
            "keep",
        ),
    ),
    (
        "When to stop",
        (
            "With a few hundred rows a held-out share is a noisy judge: pass `X_val`, or "
            "rely on a penalty and a fixed number of epochs."
        ),
        (
            "early_stopping",
            "validation_fraction",
            "n_iter_no_change",
            "tol",
            "warm_start",
        ),
    ),
    (
        "The data",
        '`preset="plain"` is for inputs you have scaled yourself.',
        ("encoder", "preset", "class_weight"),
    ),
    (
        "The run",
        "Results do not depend on `n_jobs`; fix `random_state` to repeat a fit.",
        ("random_state", "n_jobs", "callbacks", "verbose"),
    ),
)


def escaped(text):
    """Help text as Markdown: no HTML, no emphasis."""
    for character in "\\*_<>|[]":
        text = text.replace(character, f"\\{character}")
    return text


def option(action, formatter):
    """An option or argument as an entry of a definition list."""
    # ...as argparse prints it: names, placeholder, choices
    names = formatter._format_action_invocation(action)
    text = formatter._expand_help(action) if action.help else ""
    default = action.default
    if not action.help and default not in (None, argparse.SUPPRESS, False):
        text = f"Default: {default}."
    about = f": {escaped(' '.join(text.split()))}\n" if text else ""
    return f"`` {names} ``\n{about}"


def command_page(parser):
    """The Markdown page of an argparse parser with sub-commands."""
    parts = [COMMANDS_INTRO]
    (commands,) = (
        a for a in parser._actions if isinstance(a, argparse._SubParsersAction)
    )
    summaries = {choice.dest: choice.help for choice in commands._choices_actions}
    for name, command in commands.choices.items():
        parts.append(f"## {name}\n\n{escaped(summaries[name])}.\n")
        usage = command.format_usage().removeprefix("usage: ")
        parts.append(f"```text\n{usage}```\n")
        formatter = command._get_formatter()
        for group in command._action_groups:
            actions = [a for a in group._group_actions if a.dest != "help"]
            if actions:
                parts.append(f"### {name}: {group.title}\n")
                parts += [option(action, formatter) for action in actions]
    return "\n".join(parts)


def documented(estimator):
    """name -> (type, lines) of the parameters of a class, from its docstring."""
    from numpydoc.docscrape import ClassDoc

    entries = {}
    for names, kind, lines in ClassDoc(estimator)["Parameters"]:
        for name in names.split(", "):
            entries[name] = kind, lines
    return entries


def parameters_page(classifier, regressor):
    """The Markdown page of the parameters of both estimators."""
    entries = documented(classifier)
    other = documented(regressor)
    parts = [PARAMETERS_INTRO]
    for heading, advice, names in TOPICS:
        parts.append(f"## {heading}\n\n{advice}\n")
        for name in names:
            kind, lines = entries[name]
            only = "" if name in other else " (classifier)"
            about = ": " + "\n  ".join(lines) + "\n" if lines else ""
            parts.append(f"`{name}` — {escaped(kind)}{only}\n{about}")
            if name == "loss":
                own = "\n  ".join(other[name][1])
                parts.append(f"`{name}` — of the regressor\n: {own}\n")
    return "\n".join(parts)


def write_pages(app):
    """Write the pages before Sphinx looks for its sources."""
    from regnet_c import RegNetClassifier, RegNetRegressor
    from regnet_c.cli import build_parser

    PAGES.mkdir(exist_ok=True)
    pages = {
        "command_line": command_page(build_parser()),
        "parameters": parameters_page(RegNetClassifier, RegNetRegressor),
    }
    for name, text in pages.items():
        path = PAGES / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app):
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
