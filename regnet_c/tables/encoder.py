"""TableEncoder: the encoding of tables as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from .columns import as_array, columns_of, is_frame
from .learning import Options, learn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .._core.csr import CSR
    from ..typing import TableLike
    from .columns import Column
    from .encoding import Encoding
    from .schema import Schema

    ColumnKey: TypeAlias = str | int  # a name or a position


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode a table of numbers, categories, dates and missing values for a network.

    Infers the kind of each column, learns its code from the training rows and gives one
    float32 array without missing values.  `schema_` shows what was inferred.

    Explained in :doc:`/tables`.

    Parameters
    ----------
    numeric : str, list of columns or dict, default "auto"
        How numbers are encoded: "ple" (piecewise-linear over quantile bins), "robust"
        (by median and interquartile range, bounded), "quantile" (to a normal
        distribution), "standard" (by mean and deviation); "standard+ple" gives both, and
        so does "auto" for up to 100 columns of numbers ("standard" for more).
        A list: columns that are numbers, such as text that should be read as numbers.
        A dict: the method of single columns, and under "*" that of all others.
    categorical : list of columns, default ()
        Columns that are categories although they hold numbers.  Columns are given by
        name, or by position.
    drop : list of columns, default ()
        Columns to leave out.
    n_bins : int or "auto", default "auto"
        Bins of "ple" at most; auto: 48 for 10 000 to 200 000 rows, 16 otherwise, 8 for
        fewer rows with 25 or more columns of numbers.  Where it is 16, a column of no
        more than 25 different values has a bin between each two of them.
    min_frequency : int or "auto", default "auto"
        A level of a category with fewer rows is rare: it joins "another".  auto: one
        row in 500, at most 10 rows.
    max_levels : int, default 100
        Levels of one category at most; the less frequent ones join "another".

    Attributes
    ----------
    schema_ : Schema
        The columns, their kinds, and what was dropped and why; prints as a table.
    encoding_ : Encoding
        The fitted codes, with `to_config` and `from_config`.
    groups_ : list of ndarray of int
        The encoded columns of each source column.
    feature_names : ndarray of str
        Names of the encoded columns.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X had column names.

    Notes
    -----
    Missing numbers get the code of the median (the mean where "standard" comes first),
    with an indicator column if the training rows had any; a missing category is a
    level of its own.  A level that the training rows did not have is encoded as
    "another", or as zeros if no level was rare.  Booleans and categories of two levels
    are -1 and 1.  Dates become days, month, day, weekday and hour, each where it varies.
    Constant columns, text that never repeats and row numbers are dropped.

    The piecewise-linear encoding is that of Gorishniy, Rubachev and Babenko, "On
    Embeddings for Numerical Features in Tabular Deep Learning" (2022); "robust" is the
    smooth clipping of Holzmueller, Grinsztajn and Steinwart, "Better by Default" (2024).

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c.tables import TableEncoder
    >>> rows = [[1.0, "a"], [2.0, "b"], [None, "a"], [4.0, "c"], [5.0, "c"], [6.0, "b"]]
    >>> X = np.array(rows, dtype=object)
    >>> encoder = TableEncoder(numeric="standard").fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x0 is missing', 'x1=a', 'x1=b', 'x1=c']
    >>> encoder.transform(X)[2].tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """

    encoding_: Encoding
    schema_: Schema
    groups_: list[NDArray[np.intp]]

    def __init__(
        self,
        numeric: str | Sequence[ColumnKey] | dict[ColumnKey, str] = "auto",
        *,
        categorical: Sequence[ColumnKey] = (),
        drop: Sequence[ColumnKey] = (),
        n_bins: int | Literal["auto"] = "auto",
        min_frequency: int | Literal["auto"] = "auto",
        max_levels: int = 100,
    ) -> None:
        self.numeric = numeric
        self.categorical = categorical
        self.drop = drop
        self.n_bins = n_bins
        self.min_frequency = min_frequency
        self.max_levels = max_levels

    def fit(self, X: TableLike, y: object = None) -> Self:
        """Infer the columns' kinds and learn their codes.

        Parameters
        ----------
        X : data frame or array-like of shape (n, n_columns)
            pandas, polars, pyarrow or any other frame in memory that narwhals knows.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ImportError
            For a data frame without narwhals and pyarrow (the extra ``[table]``).
        ValueError
            If no column can be used, or numbers are infinite.

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> X = np.array([[1.0, "a"], [2.0, "b"], [None, "a"]] * 4, dtype=object)
        >>> TableEncoder().fit(X).schema_
        column  kind      missing  found     outputs  note
        'x0'    number    4        1 to 2    3
        'x1'    category  0        2 levels  1
        """
        self._learn(X)
        return self

    def fit_transform(self, X: TableLike, y: object = None) -> NDArray[np.float32]:
        """`fit` and `transform` in one pass over X; the encoded rows.

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
        >>> TableEncoder(numeric="standard").fit_transform(X)[:3].round(1)
        array([[-1.2,  1. ,  0. ,  0. ],
               [ 1.2,  0. ,  1. ,  0. ],
               [ 0. ,  0. ,  0. ,  1. ]], dtype=float32)
        """
        return self.encode_columns(self._learn(X))

    def transform(self, X: TableLike) -> NDArray[np.float32]:
        """The encoded rows.

        Parameters
        ----------
        X : data frame or array-like of shape (n, n_columns)
            The columns `fit` saw, in the same order.

        Returns
        -------
        ndarray of float32, shape (n, n_encoded_columns)

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
        >>> encoder = TableEncoder(numeric="standard").fit(X)
        >>> encoder.transform(np.array([[None, "b"]], dtype=object))
        array([[0., 0., 1., 0.]], dtype=float32)
        """
        check_is_fitted(self)
        return self.encode_columns(self._columns(X, reset=False))

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Names of the encoded columns, such as ``town=Rome`` or ``age>37.0``.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of an X without names.

        Returns
        -------
        ndarray of str

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> rows = [[1.0, "Rome"], [3.0, "Oslo"], [2.0, "Bern"]] * 4
        >>> X = np.array(rows, dtype=object)
        >>> encoder = TableEncoder(numeric="standard").fit(X)
        >>> encoder.get_feature_names_out(["age", "town"]).tolist()
        ['age', 'town=Bern', 'town=Oslo', 'town=Rome']
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array(self.encoding_.output_names(names), dtype=object)

    @property
    def feature_names(self) -> NDArray[np.object_]:
        """Names of the encoded columns."""
        return self.get_feature_names_out()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoding_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    # ---- in detail -------------------------------------------------------------------

    def _learn(self, X: TableLike) -> list[Column]:
        columns = self._columns(X, reset=True)
        self.fit_columns(columns)
        return columns

    def fit_columns(self, columns: Sequence[Column]) -> None:
        """`fit` for a list of columns, as `columns_of` gives them."""
        names = [column.name for column in columns]
        encoding, schema, notes = learn(columns, self._options(names))
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=4)
        self.encoding_, self.schema_ = encoding, schema
        self.groups_ = encoding.groups

    def encode_columns(self, columns: Sequence[Column]) -> NDArray[np.float32]:
        """`transform` for a list of columns."""
        return self.encoding_.encode(columns)

    def fit_network_rows(self, X: TableLike) -> NDArray[np.float32] | CSR:
        """`fit` and `network_rows` in one pass over X."""
        columns = self._learn(X)
        return self.encoding_.network_rows(columns)

    def network_rows(self, X: TableLike) -> NDArray[np.float32] | CSR:
        """The encoded rows for a network: as CSR where they are mostly zeros."""
        rows = self._few_rows(X)
        if rows is not None:
            return rows
        check_is_fitted(self)
        return self.encoding_.network_rows(self._columns(X, reset=False))

    def _few_rows(self, X: Any) -> NDArray[np.float32] | None:
        """The encoded rows where no check is needed and there is a short way."""
        if type(X) is not np.ndarray or hasattr(self, "feature_names_in_"):
            return None
        encoding: Encoding | None = getattr(self, "encoding_", None)
        if encoding is None or encoding.few_rows is None:
            return None
        return encoding.few_rows.encode(X)

    def _columns(self, X: Any, reset: bool) -> list[Column]:
        """X as columns, after scikit-learn's checks of names and numbers of columns."""
        if not is_frame(X):
            X = as_array(X)
        if len(X) == 0:
            raise ValueError(f"Found array with 0 sample(s) (shape={X.shape})")
        if X.shape[1] == 0:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 "
                "is required."
            )
        validate_data(self, X, reset=reset, skip_check_array=True)
        return columns_of(X)

    def _options(self, names: Sequence[str]) -> Options:
        numeric: Any = self.numeric
        numbers: Sequence[str] = ()
        methods: dict[str, str] = {}
        if isinstance(numeric, dict):
            methods = {_name(k, names): v for k, v in numeric.items() if k != "*"}
            numeric = numeric.get("*", "auto")
        elif not isinstance(numeric, str):
            numbers, numeric = _names(numeric, names, "numeric"), "auto"
        options = Options(
            numeric=numeric,
            methods=methods,
            numbers=frozenset(numbers),
            categories=frozenset(_names(self.categorical, names, "categorical")),
            drop=frozenset(_names(self.drop, names, "drop")),
            n_bins=self.n_bins,
            min_frequency=self.min_frequency,
            max_levels=self.max_levels,
        )
        options.check_values()
        return options


def _names(columns: Sequence[ColumnKey], names: Sequence[str], what: str) -> list[str]:
    """The names of columns given by name or position."""
    if isinstance(columns, str):
        raise TypeError(f"{what} is {columns!r}, expected a list of columns")
    return [_name(column, names) for column in columns]


def _name(column: ColumnKey, names: Sequence[str]) -> str:
    if isinstance(column, (int, np.integer)) and -len(names) <= column < len(names):
        return names[column]
    return str(column)
