"""What NumPy leaves out when it gets no memory."""

import functools


def says_memory_error(function):
    """`function`, raising MemoryError where NumPy's reductions forget to.

    With NumPy 2 a reduction whose buffer cannot be allocated returns without an
    exception, of which the interpreter makes a SystemError.
    """

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except SystemError as error:
            if "without" not in str(error):
                raise
            raise MemoryError("a NumPy function got no memory") from error

    return wrapper
