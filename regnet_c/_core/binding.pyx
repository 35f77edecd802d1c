# The only binding: arrays in, shapes checked, GIL released, table called.
#
# This is one module in three files.  Single kernels (binding_single.pxi) write into
# arrays the caller made; `regnet_c.kernels` wraps them for people.  Training and
# prediction (binding_networks.pxi) are one call each: Model describes a network to C,
# Run holds a training run between two calls.
# Values (ranges, NaN, names) are checked before this floor; it checks shapes.
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer)
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from _thread import allocate_lock, get_ident

cdef extern from *:
    """
    #ifndef RN_BUILD_FLAGS
    #define RN_BUILD_FLAGS "unknown"
    #endif
    """
    const char *RN_BUILD_FLAGS

ctypedef fused floating:
    float
    double

cdef const rn_tables *table = rn_available()[0]


# ---- variants ------------------------------------------------------------------------

def available_isas():
    """Names of the variants this CPU can run, best first."""
    cdef const rn_tables *const *t = rn_available()
    names = []
    while t[0] != NULL:
        names.append(t[0].isa.decode())
        t += 1
    return names


def set_isa(str name):
    """Use the variant `name` from now on; ValueError if this CPU cannot run it."""
    global table
    encoded = name.encode()
    cdef const rn_tables *t = rn_select(encoded)
    if t == NULL:
        raise ValueError(
            f"instruction set {name!r} is not available here, "
            f"choose one of {', '.join(available_isas())}")
    table = t


cdef const rn_tables *current_tables() noexcept nogil:
    return table


def current_isa():
    """Name of the variant in use."""
    return table.isa.decode()


def is_fused():
    """True if multiply-add rounds once, so that all such variants agree in bits."""
    return table.f32.fused != 0


def lanes(bint single):
    """Elements of one vector register, float32 if `single`."""
    return table.f32.lanes if single else table.f64.lanes


def build_flags():
    """Compiler flags of the C core, without those of a variant."""
    return RN_BUILD_FLAGS.decode()


include "binding_single.pxi"


# ---- data sources --------------------------------------------------------------------

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
    """A one- or two-dimensional array of any numeric type and any strides."""

    cdef rn_source source
    cdef Py_buffer buffer
    cdef bint held

    def __cinit__(self, array):
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

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)

    cdef rn_source rows(self, size_t first, size_t last) except *:
        """Rows first to last - 1 of the same array."""
        cdef rn_source part = self.source
        expect(first <= last <= part.n_rows, "there are no such rows")
        part.data += <Py_ssize_t>first * part.row_stride
        part.n_rows = last - first
        return part

    def find_not_finite(self, bint single, size_t first, size_t last):
        """First of these rows with a NaN or infinity (as float32 if `single`), or -1."""
        cdef rn_source part = self.rows(first, last)
        cdef size_t row
        with nogil:
            if single:
                row = table.f32.find_not_finite(&part)
            else:
                row = table.f64.find_not_finite(&part)
        return -1 if row == part.n_rows else first + row


include "binding_networks.pxi"
