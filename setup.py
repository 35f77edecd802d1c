"""Builds the one extension; knows which source gets which compiler flags.

The C kernels are compiled once per instruction set and linked into the extension as
objects.  The dispatcher picks a variant at import, so one wheel serves every CPU.
REGNET_C_DEBUG=1 builds with sanitizers and Cython's bounds checks; REGNET_C_FLAGS has
flags for the compiler, after all others, and the linker: tools/ counts lines with them.
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("REGNET_C_DEBUG") == "1"
TOOL_FLAGS = os.environ.get("REGNET_C_FLAGS", "").split()
CSRC = Path("csrc")
HEADERS = sorted(str(p) for p in CSRC.glob("*.h")) + sorted(
    str(p) for p in CSRC.glob("*.inc.c")
)
PLAIN_SOURCES = ["rn_dispatch.c", "rn_threads.c", "rn_shuffle.c"]

UNIX_FLAGS = [
    *(["-O1", "-g", "-fsanitize=address,undefined"] if DEBUG else ["-O3"]),
    "-std=c11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    *TOOL_FLAGS,
]
MSVC_FLAGS = ["/O2", "/std:c11", "/experimental:c11atomics", "/fp:precise"]
VARIANT_FLAGS = {
    "unix": {
        "base": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": [
            "-mavx512f",
            "-mavx512dq",
            "-mavx512bw",
            "-mavx512vl",
            "-mfma",
            "-mprefer-vector-width=512",
        ],
    },
    "msvc": {"base": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]},
}


def is_x86(plat_name):
    """True for a build for 64-bit x86 alone (a universal build gets the base)."""
    return plat_name.endswith(("x86_64", "amd64"))


class BuildVariants(build_ext):
    """Compiles csrc with its own flags and hands the objects to the linker."""

    def run(self):
        super().run()
        if not self.inplace:
            # `python -m regnet_c` in the source folder imports the folder, not the
            # installed package: the compiled module must be there as well
            self.copy_extensions_to_source()

    def build_extension(self, ext):
        msvc = self.compiler.compiler_type == "msvc"
        common = MSVC_FLAGS if msvc else UNIX_FLAGS
        variants = VARIANT_FLAGS["msvc" if msvc else "unix"]
        x86 = is_x86(self.plat_name)
        macros = [("RN_HAVE_X86_VARIANTS", "1")] if x86 else []
        chosen = variants if x86 else {"base": variants["base"]}
        jobs = [(f"rn_{name}.c", flags) for name, flags in chosen.items()]
        jobs += [(name, []) for name in PLAIN_SOURCES]
        for source, flags in jobs:
            ext.extra_objects += self.compiler.compile(
                [str(CSRC / source)],
                output_dir=self.build_temp,
                macros=macros,
                include_dirs=[str(CSRC)],
                extra_preargs=common + flags,
                depends=HEADERS,
            )
        flags = " ".join(common)
        ext.define_macros.append(("RN_BUILD_FLAGS", f'"{flags}"'))
        ext.extra_compile_args += common
        if not msvc:
            ext.extra_compile_args += ["-Wno-unused-parameter"]
            ext.extra_link_args += ["-pthread"]
            if sys.platform != "darwin":
                ext.libraries.append("m")
            if DEBUG:
                ext.extra_link_args += ["-fsanitize=address,undefined"]
            ext.extra_link_args += TOOL_FLAGS
        super().build_extension(ext)


extension = Extension(
    "regnet_c._kernels",
    sources=["regnet_c/_kernels.pyx"],
    include_dirs=[str(CSRC)],
    depends=[*HEADERS, *(str(CSRC / f"rn_{v}.c") for v in ("base", "avx2", "avx512"))],
)

setup(
    ext_modules=cythonize(
        [extension],
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "freethreading_compatible": sysconfig.get_config_var("Py_GIL_DISABLED")
            == 1,
        },
        build_dir="build",
    ),
    cmdclass={"build_ext": BuildVariants},
)
