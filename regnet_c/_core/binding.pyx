# The only binding: arrays in, shapes checked, GIL released, kernels called (dispatch.pxd).
#
# This is one module in three files.  Single kernels (binding_single.pxi) write into
# arrays the caller made; `regnet_c.kernels` wraps them for people.  Training and
# prediction (binding_networks.pxi) are one call each: Model describes a network to C,
# Run holds a training run between two calls.
# Values (ranges, NaN, names) are checked before this floor; it checks shapes.
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer)
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from . cimport dispatch
from .rn cimport (
    RN_DIVERGED, RN_L1_CUMULATIVE, RN_L1_PROXIMAL, RN_LONG_BATCH, RN_RUNNING,
    RN_SPARSE_UNITS, RN_SUM_ROWS,
    rn_dropout, rn_layer, rn_net, rn_optimizer, rn_param, rn_progress, rn_run,
    rn_source, rn_sparse, rn_step, rn_tables)

from _thread import allocate_lock, get_ident

from .dispatch import (  # for Python, part of this module
    activation_names, available_isas, build_flags, current_isa,  # no-cython-lint
    is_fused, l1_rule_names, lanes, loss_names, optimizer_traits, set_isa)  # no-cython-lint

ctypedef fused floating:
    float
    double


include "binding_single.pxi"


# ---- data sources --------------------------------------------------------------------

cdef enum:
    SCANNED = 1 << 22  # numbers searched for NaN at a time

cdef enum:
    F32, F64, F16, I8, U8, I16, U16, I32, U32, I64, U64


cdef int dtype_code(const char *format, Py_ssize_t itemsize) except -1:
    cdef char c = format[0] if format != NULL else b"B"
    if c in b"@=<":  # the door accepts native byte order only
        c = format[1]
    if c == b"f":
        return F32 if itemsize == 4 else -1
    if c == b"d":
        return F64
    if c == b"e":
        return F16
    if c in b"bhilq":
        return {1: I8, 2: I16, 4: I32, 8: I64}[itemsize]
    if c in b"?BHILQ":
        return {1: U8, 2: U16, 4: U32, 8: U64}[itemsize]
    raise TypeError(f"element type {(<bytes>format).decode()!r} is not supported")


cdef class Source:
    """A one- or two-dimensional array of any numeric type and any strides, or CSR.

    CSR: `array` has the entries, `start` (n + 1) where those of each row begin, `index`
    (int32 or int64) their columns, of n_cols; by_entry as in rn.h.
    """

    cdef rn_source source
    cdef Py_buffer buffer
    cdef bint held
    cdef object kept

    def __cinit__(self, array, const int64_t[::1] start=None, index=None,
                  size_t n_cols=0, bint by_entry=False):
        cdef Py_buffer *b = &self.buffer
        PyObject_GetBuffer(array, b, PyBUF_STRIDES | PyBUF_FORMAT)
        self.held = True
        expect(b.ndim == 1 or b.ndim == 2, "one or two dimensions expected")
        self.source.data = <const char *>b.buf
        self.source.dtype = dtype_code(b.format, b.itemsize)
        self.source.n_rows = b.shape[0]
        self.source.row_stride = b.strides[0]
        self.source.n_cols = b.shape[1] if b.ndim == 2 else 1
        self.source.col_stride = b.strides[1] if b.ndim == 2 else b.itemsize
        if start is not None:
            expect(b.ndim == 1 and start.shape[0] > 0 and len(index) == b.shape[0]
                   and start[start.shape[0] - 1] <= b.shape[0], "entries do not fit")
            self.kept = start, index
            self.source.n_rows, self.source.n_cols = start.shape[0] - 1, n_cols
            self.source.row_stride, self.source.col_stride = 0, b.strides[0]
            self.source.start, self.source.index = &start[0], <void *>address(index)
            self.source.wide_index = index.itemsize == 8
            self.source.by_entry = by_entry
            expect(not by_entry or n_cols <= INT32_MAX, "too many columns for by_entry")

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)

    cdef rn_source rows(self, size_t first, size_t last) except *:
        """Rows first to last - 1 of the same array."""
        cdef rn_source part = self.source
        expect(first <= last <= part.n_rows, "there are no such rows")
        part.data += <Py_ssize_t>first * part.row_stride
        if part.start != NULL:
            part.start += first
        part.n_rows = last - first
        return part

    cdef size_t most_entries(self, size_t n) noexcept:
        """An upper bound of the entries of n rows of CSR; 0 for a dense array."""
        cdef const int64_t *start = self.source.start
        cdef int64_t longest = 0
        if start == NULL:
            return 0
        for row in range(self.source.n_rows):
            longest = max(longest, start[row + 1] - start[row])
        return min(n * <size_t>longest, <size_t>(start[self.source.n_rows] - start[0]))

    def find_not_finite(self, bint single):
        """The first row with a NaN or infinity (as float32 if `single`), or -1.

        Ctrl-C is looked for every few million numbers.
        """
        cdef size_t n = self.source.n_rows, row, last = 0, first
        cdef size_t rows = max(1, SCANNED // max(1, self.source.n_cols))
        cdef rn_source part
        while last < n:
            first, last = last, min(last + rows, n)
            part = self.rows(first, last)
            with nogil:
                row = dispatch.find_not_finite(single, &part)
            if row < part.n_rows:
                return first + row
            PyErr_CheckSignals()
        return -1


ctypedef fused column:
    int32_t
    int64_t


def csr_fault(const int64_t[::1] start, const column[::1] index, int64_t n_cols):
    """(first row whose entries are not there or in no column, or -1; rising columns?)"""
    cdef int64_t n = start.shape[0] - 1, count = index.shape[0], row, e, k, last
    cdef bint rising = True
    with nogil:
        for row in range(n):
            if start[row] < 0 or start[row] > start[row + 1] or start[row + 1] > count:
                break
            last = -1
            for e in range(start[row], start[row + 1]):
                k = index[e]
                if k < 0 or k >= n_cols:
                    last = -2
                    break
                rising = rising and k > last
                last = k
            if last == -2:
                break
        else:
            row = -1
    return row, rising


include "binding_networks.pxi"
