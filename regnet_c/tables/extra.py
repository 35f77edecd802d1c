"""The packages of the extra `[table]`, imported on first use."""


def _missing(error, what):
    return ImportError(
        f"{what} needs narwhals and pyarrow: pip install 'regnet-c[table]' ({error})"
    )


def narwhals():
    """The module narwhals, for data frames."""
    try:
        import narwhals
    except ImportError as error:
        raise _missing(error, "a data frame") from None
    return narwhals


def pyarrow():
    """The module pyarrow, for data frames and files."""
    try:
        import pyarrow
    except ImportError as error:
        raise _missing(error, "a data frame or a table file") from None
    return pyarrow
