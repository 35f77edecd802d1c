"""What a network consists of, as tables: in the terminal and as HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layers import Dense

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .layers import Layer
    from .network import Network
    from .typing import LayerSummary

_HEADS = ("layer", "n_in", "n_out", "weights", "sum|w|", "zeros")


class Summary(list["LayerSummary"]):
    """Result of `Network.summary`: one dict per Dense layer, shown as a table.

    Explained in :doc:`/gallery/tutorials/cut_down_to_c`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> net = rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)], seed=0)
    >>> net.summary()[0]["weights"]
    32
    """

    def _lines(self) -> list[Sequence[str]]:
        """The cells of the table, line by line, and a last line with the sums."""
        if not self:
            return [_HEADS]
        weights = sum(row["weights"] for row in self)
        zeros = sum(row["zeros"] * row["weights"] for row in self)
        total = {
            "n_in": "",
            "n_out": "",
            "weights": weights,
            "sum_abs": sum(row["sum_abs"] for row in self),
            "zeros": zeros / weights,
        }
        lines = [_cells(number, row) for number, row in enumerate(self)]
        return [_HEADS, *lines, _cells("all", total)]

    def __repr__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True))
            for line in lines
        )

    def _repr_html_(self) -> str:
        return html_table(*self._lines())


def _cells(number: int | str, row: Mapping[str, Any]) -> list[str]:
    sizes = [str(row[name]) for name in ("n_in", "n_out", "weights")]
    return [str(number), *sizes, f"{row['sum_abs']:.4g}", f"{row['zeros']:.1%}"]


def _escape(text: str) -> str:
    """Text for HTML."""
    from html import escape  # has the names of 2231 characters

    return escape(text)


def html_table(heads: Sequence[str], *lines: Sequence[str]) -> str:
    """A table of cells of plain text.

    Parameters
    ----------
    heads : list of str
    *lines : list of str

    Returns
    -------
    str
    """
    rows = [_html_row("th", heads), *(_html_row("td", line) for line in lines)]
    return f"<table>{''.join(rows)}</table>"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    inner = "".join(f"<{tag}>{_escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inner}</tr>"


def network_html(network: Network) -> str:
    """A network for a notebook: one line per layer, and what it minimises.

    Parameters
    ----------
    network : Network

    Returns
    -------
    str
    """
    rows = iter(network.summary())
    lines = [_layer_cells(layer, rows) for layer in network.layers]
    facts = f"loss={network.loss!r}, dtype={network.dtype.name}, seed={network.seed}"
    heads = ("layer", "shape", "activation", "penalties", "zeros")
    return f"<p><b>Network</b> {_escape(facts)}</p>{html_table(heads, *lines)}"


def _layer_cells(layer: Layer, rows: Iterator[LayerSummary]) -> list[str]:
    if not isinstance(layer, Dense):  # a Dropout has no weights
        return [repr(layer), "", "", "", ""]
    row = next(rows)
    penalties = (layer.weight_penalty, layer.bias_penalty)
    return [
        type(layer).__name__,
        f"{row['n_in']} × {row['n_out']}",
        str(layer.activation),
        ", ".join(repr(p) for p in penalties if p is not None),
        f"{row['zeros']:.1%}",
    ]
