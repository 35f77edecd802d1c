"""Sphinx extension: what a single backtick in a docstring means.

With the default role `py:obj` the names of classes, functions, methods and attributes are
links.  A name of a parameter is set as code, and what Sphinx does not find from inside
another module is looked for in the package.
"""

import inspect
import re

HOMES = (
    "regnet_c",
    "regnet_c.Network",
    "regnet_c.RegNetClassifier",
    "regnet_c.Penalty",
    "regnet_c.tables",
)
# attributes and parameters of other objects: no entries of their own, so no links
CODE = {
    "History.history",
    "classes",
    "feature_names",
    "from_config",
    "l2",
    "lambda_max",
    "partial",
    "schema_",
    "sign_at_zero",
    "to_config",
    "validation_scores",
}
BACKTICKS = re.compile(r"(?<![`:\w\\])`([A-Za-z_]\w*)`(?!`)")


def parameters(thing):
    """Names of the parameters of a function, a method or a class."""
    try:
        return set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return set()


def literal_parameters(app, what, name, thing, options, lines):
    """`count` becomes ``count`` where count is a parameter of the documented object."""
    names = parameters(thing)
    lines[:] = [
        BACKTICKS.sub(lambda m: f"``{m[1]}``" if m[1] in names else m[0], line)
        for line in lines
    ]


def look_in_the_package(app, env, node, contnode):
    """A reference such as `Dense` or `predict` from another module of the package."""
    name = node["reftarget"]
    if node.get("refdomain") != "py" or name.startswith("regnet_c."):
        return None
    domain = env.domains["py"]
    for home in HOMES:
        if f"{home}.{name}" in domain.objects:
            return domain.resolve_xref(
                env,
                node["refdoc"],
                app.builder,
                "obj",
                f"{home}.{name}",
                node,
                contnode,
            )
    is_fitted = name.endswith("_")  # an attribute of an estimator
    return contnode if is_fitted or name in CODE else None


def setup(app):
    """What Sphinx calls."""
    # before numpydoc takes the sections apart
    app.connect("autodoc-process-docstring", literal_parameters, priority=400)
    app.connect("missing-reference", look_in_the_package)
    return {"parallel_read_safe": True}
