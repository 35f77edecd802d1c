"""Builds the extensions; knows which source gets which compiler flags.

The C kernels are compiled once per instruction set and element type and linked into the
extension as objects.  The dispatcher picks a variant at import, so one wheel serves every
CPU.  It also serves every Python from 3.11 on (the stable ABI); docs/abi3.md has what that
costs.

A wheel built by a later Python is for that one on: its headers return True and False
without a reference, which ends a 3.11 by "deallocating True or False".

Archives have the same bytes wherever and whenever they are built by the same tools, and the
wheel has a list of what is in it (an SBOM: CycloneDX, PEP 770).

REGNET_C_DEBUG=1 builds with sanitizers and Cython's bounds checks, REGNET_C_ABI3=0 for
this Python alone; REGNET_C_FLAGS has flags for the compiler, after all others, and the
linker: tools/ counts lines with them.  On Windows CC=clang-cl compiles with Clang.
"""

import gzip
import json
import os
import re
import shutil
import sys
import sysconfig
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

DEBUG = os.environ.get("REGNET_C_DEBUG") == "1"
FREE_THREADED = sysconfig.get_config_var("Py_GIL_DISABLED") == 1  # has no stable ABI
ABI3 = os.environ.get("REGNET_C_ABI3", "1") == "1" and not FREE_THREADED
OLDEST = f"cp3{sys.version_info.minor}"  # that the wheel may serve
TOOL_FLAGS = os.environ.get("REGNET_C_FLAGS", "").split()
# of every file in an archive: the day that flit and hatch use
EPOCH = int(os.environ.setdefault("SOURCE_DATE_EPOCH", "1580601600"))
CSRC = Path("csrc")
HEADERS = sorted(str(p) for p in CSRC.glob("*.h")) + sorted(
    str(p) for p in CSRC.glob("*.inc.c")
)
DISPATCH = "regnet_c._core.dispatch"  # the C core is linked into it
PLAIN_SOURCES = ["rn_dispatch.c", "rn_names.c", "rn_threads.c", "rn_shuffle.c"]

UNIX_FLAGS = [
    *(["-O1", "-g", "-fsanitize=address,undefined"] if DEBUG else ["-O3", "-g0"]),
    "-std=c11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Werror=switch",  # a case or a function that is missing from a list of rn.h
    "-Werror=implicit-function-declaration",
    *TOOL_FLAGS,
]
GENERATED_FLAGS = ["-Wno-unused-parameter"]  # Cython's C, not ours
# Linux only, and not for tools/: sanitizers want the calls that these replace
HARDENING_FLAGS = [
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
]
LINK_HARDENING = ["-Wl,-z,relro,-z,now"]
COMMON_FLAGS = {
    "unix": UNIX_FLAGS,
    "msvc": ["/O2", "/std:c11", "/experimental:c11atomics", "/fp:precise"],
    # the only way to vectorised fused multiply-add on Windows: MSVC keeps fma() a call
    "clang-cl": [
        "/O2",
        "/std:c11",
        "/clang:-O3",
        "/clang:-ffp-contract=off",
        "/clang:-fno-math-errno",
        "/clang:-fno-trapping-math",
    ],
}
GNU_VARIANTS = {
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
}
VARIANT_FLAGS = {
    "unix": GNU_VARIANTS,
    "msvc": {"base": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]},
    "clang-cl": {
        name: [f.replace("-mprefer", "/clang:-mprefer") for f in flags]
        for name, flags in GNU_VARIANTS.items()
    },
}


def c_sources(variants):
    """(file of csrc, flags of its own) of the core with these variants."""
    types = ("f32", "f64")
    jobs = [(f"rn_{v}_{t}.c", flags) for v, flags in variants.items() for t in types]
    return jobs + [(name, []) for name in PLAIN_SOURCES]


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
        self.remove_other_abis()

    def remove_other_abis(self):
        """A module of this Python's own ABI, left from before, would win at import."""
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for ext in self.extensions:
            name = self.get_ext_filename(ext.name)
            if not name.endswith(suffix):
                Path(*ext.name.split(".")).with_suffix(suffix).unlink(missing_ok=True)

    def build_extensions(self):
        """The extensions side by side, as many files at a time as there are CPUs."""
        self.parallel = self.parallel or os.cpu_count()
        self.toolchain = self.prepared_toolchain()
        super().build_extensions()

    def prepared_toolchain(self):
        """The key of the flag tables; a compiler that threads can share."""
        if self.compiler.compiler_type != "msvc":
            return "unix"
        if not self.compiler.initialized:
            self.compiler.initialize(self.plat_name)
        if os.environ.get("CC") != "clang-cl":
            return "msvc"
        self.compiler.cc = shutil.which("clang-cl") or "clang-cl"
        return "clang-cl"

    def is_linux(self):
        """What it is built for: Pyodide is built on Linux and is not."""
        return self.plat_name.startswith("linux")

    def build_extension(self, ext):
        common, variants = COMMON_FLAGS[self.toolchain], VARIANT_FLAGS[self.toolchain]
        if self.is_linux() and not DEBUG and not TOOL_FLAGS:
            common = common + HARDENING_FLAGS
            ext.extra_link_args += LINK_HARDENING
        if ext.name == DISPATCH:
            self.add_variants(ext, common, variants)
        ext.extra_compile_args += common
        if self.toolchain == "unix":
            self.add_unix_options(ext)
        super().build_extension(ext)

    def add_variants(self, ext, common, variants):
        """Compile the C core into objects of the extension."""
        x86 = is_x86(self.plat_name)
        macros = [("RN_HAVE_X86_VARIANTS", "1")] if x86 else []
        chosen = variants if x86 else {"base": variants["base"]}

        def compiled(job):
            source, flags = job
            return self.compiler.compile(
                [str(CSRC / source)],
                output_dir=self.build_temp,
                macros=macros,
                include_dirs=[str(CSRC)],
                extra_preargs=common + flags,
                depends=HEADERS,
            )

        with ThreadPoolExecutor(self.parallel) as pool:
            for objects in pool.map(compiled, c_sources(chosen)):
                ext.extra_objects += objects
        flags = " ".join(common)
        ext.define_macros.append(("RN_BUILD_FLAGS", f'"{flags}"'))

    def add_unix_options(self, ext):
        ext.extra_compile_args += GENERATED_FLAGS
        if not self.plat_name.startswith("emscripten"):  # a browser has no threads
            ext.extra_link_args += ["-pthread"]
        if sys.platform != "darwin":
            ext.libraries.append("m")
        if DEBUG:
            ext.extra_link_args += ["-fsanitize=address,undefined"]
        elif self.is_linux() and not TOOL_FLAGS:
            ext.extra_link_args += ["-Wl,-s"]  # symbols would double the wheel
        ext.extra_link_args += TOOL_FLAGS


def bill_of_materials(version, requirements):
    """What is in the wheel and what it needs, as a CycloneDX document."""
    package = {
        "type": "library",
        "bom-ref": "regnet-c",
        "name": "regnet-c",
        "version": version,
        "purl": f"pkg:pypi/regnet-c@{version}",
        "licenses": [{"expression": "BSD-3-Clause AND CC-BY-4.0"}],
    }
    inside = [
        {  # its helper functions are in the generated C
            "type": "library",
            "bom-ref": "cython",
            "name": "Cython",
            "version": Cython.__version__,
            "purl": f"pkg:pypi/cython@{Cython.__version__}",
            "licenses": [{"license": {"id": "Apache-2.0"}}],
        },
        {
            "type": "data",
            "bom-ref": "digits",
            "name": "Optical Recognition of Handwritten Digits",
            "licenses": [{"license": {"id": "CC-BY-4.0"}}],
        },
    ]
    needed = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)[0]
        needed.append(
            {
                "type": "library",
                "bom-ref": name,
                "name": name,
                "purl": f"pkg:pypi/{name}",
                "properties": [{"name": "requirement", "value": requirement}],
            }
        )
    parts = inside + needed
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": package},
        "components": parts,
        "dependencies": [
            {"ref": "regnet-c", "dependsOn": [part["bom-ref"] for part in parts]}
        ],
    }


class Wheel(bdist_wheel):
    """A wheel with its SBOM, and with the same modes whatever the umask."""

    def write_wheelfile(self, wheelfile_base, **options):
        """The last step before the files are packed."""
        super().write_wheelfile(wheelfile_base, **options)
        found = self.distribution
        bill = bill_of_materials(found.get_version(), found.install_requires)
        folder = Path(wheelfile_base, "sboms")
        folder.mkdir(exist_ok=True)
        text = json.dumps(bill, indent=1) + "\n"
        (folder / "regnet-c.cdx.json").write_bytes(text.encode())
        for path in Path(self.bdist_dir).rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)


class Sdist(sdist):
    """A source archive in which only contents matter: no owner, day or umask."""

    def make_archive(self, base_name, *_, base_dir, **__):
        """The release tree, whose files are links to those of the source folder."""

        def plain(member):
            member.mtime = EPOCH
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with (
            open(path, "wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=EPOCH) as packed,
            tarfile.open(
                fileobj=packed, mode="w", format=tarfile.PAX_FORMAT
            ) as archive,
        ):
            archive.add(base_dir, filter=plain)  # sorted by name
        return path


def extension(name, source, depends):
    """An extension for every Python there is a stable ABI for."""
    return Extension(
        name,
        sources=[source],
        include_dirs=[str(CSRC)],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if ABI3 else [],
        py_limited_api=ABI3,
        depends=depends,
    )


PARTS = sorted(str(p) for p in Path("regnet_c/_core").glob("*.pxi"))  # of the .pyx
VARIANTS = [str(CSRC / name) for name, _ in c_sources(GNU_VARIANTS)]
extensions = [
    extension(DISPATCH, "regnet_c/_core/dispatch.pyx", [*HEADERS, *VARIANTS]),
    extension(
        "regnet_c._core.binding",
        "regnet_c/_core/binding.pyx",
        [*PARTS, str(CSRC / "rn.h")],
    ),
]

if __name__ == "__main__":  # tools/check_targets.py reads the flags above
    setup(
        ext_modules=cythonize(
            extensions,
            compiler_directives={
                "language_level": 3,
                "boundscheck": DEBUG,
                "wraparound": False,
                "cdivision": True,
                "initializedcheck": False,
                "embedsignature": True,
                "freethreading_compatible": FREE_THREADED,
            },
            build_dir="build",
        ),
        cmdclass={"bdist_wheel": Wheel, "build_ext": BuildVariants, "sdist": Sdist},
        options={"bdist_wheel": {"py_limited_api": OLDEST}} if ABI3 else {},
    )
