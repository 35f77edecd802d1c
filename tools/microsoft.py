"""Just enough of Microsoft's headers to check syntax without them."""

# what the sources need of the C library, for a syntax check without Microsoft's headers
MICROSOFT_HEADERS = {
    "string.h": """#include <stddef.h>
        void *memcpy(void *, const void *, size_t); void *memset(void *, int, size_t);
        int strcmp(const char *, const char *);""",
    "math.h": """double fma(double, double, double); float fmaf(float, float, float);
        double sqrt(double); float sqrtf(float); double fabs(double);
        #define INFINITY ((float)(1e300 * 1e300))
        #define NAN (INFINITY - INFINITY)""",
    "stdlib.h": "#include <stddef.h>\nvoid *malloc(size_t); void free(void *);",
    "malloc.h": "",
    "setjmp.h": "",
    "windows.h": """typedef void *HANDLE; typedef unsigned long DWORD;
        typedef union { long long QuadPart; } LARGE_INTEGER;
        typedef struct { void *p; } SRWLOCK, CONDITION_VARIABLE;
        #define SRWLOCK_INIT {0}
        #define CONDITION_VARIABLE_INIT {0}
        void AcquireSRWLockExclusive(SRWLOCK *); void ReleaseSRWLockExclusive(SRWLOCK *);
        int SleepConditionVariableSRW(CONDITION_VARIABLE *, SRWLOCK *, DWORD, DWORD);
        void WakeAllConditionVariable(CONDITION_VARIABLE *);
        #define WINAPI __stdcall
        #define INFINITE 0xFFFFFFFFu
        int SwitchToThread(void);
        int QueryPerformanceCounter(LARGE_INTEGER *);
        int QueryPerformanceFrequency(LARGE_INTEGER *);
        HANDLE CreateThread(void *, size_t, DWORD(WINAPI *)(void *), void *, DWORD,
                            DWORD *);""",
}
# of PC/pyconfig.h, what Python.h and the generated C look at
WINDOWS_PYCONFIG = """
#define MS_WIN32
#define MS_WIN64
#define MS_WINDOWS
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_INT 4
#define SIZEOF_SHORT 2
#define SIZEOF_WCHAR_T 2
#define SIZEOF_TIME_T 8
#define ALIGNOF_MAX_ALIGN_T 8
typedef long long Py_ssize_t;
#define HAVE_PY_SSIZE_T 1
#define PY_SSIZE_T_MAX 0x7FFFFFFFFFFFFFFFLL
"""
