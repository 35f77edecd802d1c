"""What NumPy leaves out when it gets no memory."""

import functools


def says_memory_error(function):
    """`function`, raising MemoryError where NumPy forgets to.

    With NumPy 2 a reduction, `np.where` or a ufunc whose iterator cannot be allocated
    returns without an exception, of which the interpreter makes a SystemError.  For
    public functions and methods: inner ones leave it to them.
    """

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except SystemError as error:
            if "without" not in str(error):
                raise
            raise MemoryError("a NumPy function could not allocate memory") from error

    return wrapper
