"""Builds the C core for every target there is a compiler for, and runs what can run.

    pip install cython setuptools ziglang
    apt install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross clang wine
    python tools/check_targets.py

tools/same_bits.c trains networks and prints hashes, which must be those of
docs/evidence/bits.md.  Every fused variant must print the same ones: AVX2, AVX-512, NEON
(under qemu) and the Windows program (under wine).  An x86-64 CPU without AVX (under qemu)
must run the base variant.  What has no compiler or no emulator here is named and skipped;
a failure of anything else makes the exit code 1.
"""

import importlib.util
import platform
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from microsoft import MICROSOFT_HEADERS, WINDOWS_PYCONFIG

ROOT = Path(__file__).resolve().parent.parent
BUILD = runpy.run_path(str(ROOT / "setup.py"), run_name="flags")
STRICT = [*BUILD["UNIX_FLAGS"], "-Wpedantic", "-Werror"]
C_SOURCES = BUILD["c_sources"]
VARIANTS = BUILD["VARIANT_FLAGS"]
TEST = ROOT / "tools/same_bits.c"
LIMITED_API = ["-DPy_LIMITED_API=0x030B0000"]
WHAT = ("training", "kernels", "members")  # that the program has hashes of
ZIG_TARGETS = [
    f"{cpu}-{system}"
    for cpu in ("x86_64", "aarch64")
    for system in ("windows-gnu", "macos", "linux-musl")
]


class Skipped(Exception):
    """Something this machine does not have."""


def need(*tools):
    """The paths of these programs; Skipped if one is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is not installed")
    return [shutil.which(tool) for tool in tools]


def run(command, **options):
    """Standard output of a command that must succeed."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=1800, **options
    )
    if done.returncode != 0:
        text = (done.stdout + done.stderr)[-3000:]
        raise AssertionError(f"exit code {done.returncode} of {command}\n{text}")
    return done.stdout


def zig():
    """The command of zig's C compiler."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return [*need("zig"), "cc"]


def compile_objects(compiler, folder, x86, extra=()):
    """Every C source of the core, compiled with its own flags and -Werror."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = C_SOURCES(VARIANTS["unix"] if x86 else {"base": []})
    macros = ["-DRN_HAVE_X86_VARIANTS=1"] if x86 else []
    objects = []
    for source, flags in jobs:
        objects.append(folder / f"{source}.o")
        run(
            [
                *compiler,
                *STRICT,
                *macros,
                *flags,
                *extra,
                "-Icsrc",
                "-c",
                f"csrc/{source}",
                "-o",
            ]
            + [objects[-1]]
        )
    return objects


def build_program(compiler, folder, x86, libraries=(), extra=()):
    """The test program for one target; `extra`: flags after those of setup.py."""
    objects = compile_objects(compiler, folder, x86, extra)
    program = folder / "same_bits.exe"
    run(
        [*compiler, *STRICT, *extra, "-Icsrc", TEST, *objects, *libraries]
        + ["-o", program],
    )
    return program


def hashes(output):
    """{(dtype, fused or unfused, one of WHAT): hash}."""
    found = {}
    line = r"^(float\d\d) \w+ (\w+) (\w+) threads=\d+ ([0-9a-f]{16})\s*$"
    for dtype, fused, what, value in re.findall(line, output, re.M):
        key = dtype, fused, what if what in WHAT else "training"
        assert found.setdefault(key, value) == value
    assert found, output
    return found


def known_hashes():
    """The hashes of the last rows of docs/evidence/bits.md, as `hashes` returns them."""
    columns = [(kind, what) for kind in ("fused", "unfused") for what in WHAT]
    found = {}
    text = (ROOT / "docs/evidence/bits.md").read_text()
    for dtype, row in re.findall(r"^\| [\d.]+ \| (float\d\d) \|(.*)$", text, re.M):
        values = re.findall(r"`(\w{16})`", row)
        found |= {(dtype, *c): v for c, v in zip(columns, values, strict=True)}
    return found


class Checks:
    """One method per row of the report; they share a folder and the hashes."""

    def __init__(self, folder):
        self.folder, self.wanted = folder, known_hashes()
        self.x86 = platform.machine().lower() in ("x86_64", "amd64")

    def compare(self, output, fused=True):
        """The hashes are those of docs/evidence/bits.md; a word on them."""
        found = hashes(output)
        for key, value in found.items():
            assert self.wanted.setdefault(key, value) == value, (
                f"{key} differs: {value}"
            )
        assert not fused or any(key[1] == "fused" for key in found), output
        isas = sorted(set(re.findall(r"^float\d\d (\w+)", output, re.M)))
        return f"{', '.join(isas)}: " + ", ".join(
            f"{' '.join(key)} {value}" for key, value in sorted(found.items())
        )

    def native(self):
        """this machine"""
        cc = need("gcc" if shutil.which("gcc") else "cc")
        self.program = build_program(
            cc, self.folder / "native", self.x86, ["-lpthread", "-lm"]
        )
        return self.compare(run([self.program]), fused=False)

    def clang(self):
        """this machine, Clang"""
        program = build_program(
            need("clang"), self.folder / "clang", self.x86, ["-lpthread", "-lm"]
        )
        return self.compare(run([program]), fused=False)

    def aarch64(self):
        """AArch64 under qemu"""
        compiler, qemu = need("aarch64-linux-gnu-gcc", "qemu-aarch64")
        program = build_program(
            [compiler], self.folder / "aarch64", False, ["-static", "-lpthread", "-lm"]
        )
        return self.compare(run([qemu, program]))

    def old_cpu(self):
        """x86-64 without AVX under qemu"""
        if not self.x86:
            raise Skipped("this machine is not x86-64")
        output = run([*need("qemu-x86_64"), "-cpu", "core2duo", self.program])
        assert "avx" not in output, output
        return self.compare(output, fused=False)

    def haswell(self):
        """x86-64 with AVX2 under qemu"""
        if not self.x86:
            raise Skipped("this machine is not x86-64")
        output = run([*need("qemu-x86_64"), "-cpu", "Haswell", self.program])
        assert "avx2" in output and "avx512" not in output, output
        return self.compare(output)

    def cross(self, target):
        """The program and the generated C for a target of zig's."""
        compiler = [*zig(), "-target", target]
        folder = self.folder / target
        program = build_program(compiler, folder, target.startswith("x86_64"))
        word = "C core and test program"
        self.compile_extension(compiler, folder, "windows" in target)
        return f"{word}, generated C; {program.stat().st_size >> 10} KiB"

    def compile_extension(self, compiler, folder, windows):
        """Cython's C with this Python's headers, which differ in pyconfig.h only."""
        headers = Path(sysconfig.get_path("include"))
        if not (headers / "Python.h").exists():
            raise Skipped("C compiled; Python.h is not installed for the generated C")
        if windows:
            headers = shutil.copytree(headers, folder / "include")
            (headers / "pyconfig.h").write_text(WINDOWS_PYCONFIG)
        for module in ("_core/dispatch", "_core/binding"):
            run(
                [*compiler, *STRICT, "-Wno-pedantic", *BUILD["GENERATED_FLAGS"]]
                + [*LIMITED_API, "-Icsrc", f"-I{headers}", "-c", self.generate(module)]
                + ["-o", folder / f"{Path(module).name}.o"]
            )

    def generate(self, module):
        """Cython's C of a module, made for the first target that asks."""
        generated = self.folder / f"{Path(module).name}.c"
        if not generated.exists():
            run([sys.executable, "-m", "cython", "-3", f"regnet_c/{module}.pyx"]
                + ["-o", generated])  # fmt: skip
        return generated

    def wine(self):
        """Windows x86-64 under wine"""
        program = self.folder / "x86_64-windows-gnu/same_bits.exe"
        wine = need("wine")
        if not program.exists():
            raise Skipped("the program was not built")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "WINEPREFIX": str(self.folder / "wine"),
            "WINEDEBUG": "-all",
        }
        return self.compare(run([*wine, program], env=environment))

    def clang_cl(self, target):
        """The C core as Clang for MSVC reads it, and MSVC's own branches of it."""
        clang = need("clang")
        headers = self.folder / "microsoft"
        headers.mkdir(exist_ok=True)
        for name, text in MICROSOFT_HEADERS.items():
            (headers / name).write_text(text)
        x86 = target.startswith("x86_64")
        command = [
            *clang,
            "--driver-mode=cl",
            f"--target={target}",
            "/Zs",
            "/W4",
            "/WX",
        ]
        command += ["-Icsrc", "-imsvc", headers, "-Wno-unused-command-line-argument"]
        command += ["-DRN_HAVE_X86_VARIANTS=1"] if x86 else []
        for toolchain in ("clang-cl", "msvc"):
            # Clang without its name takes the branches for MSVC, all but its pragmas
            disguise = ["-U__clang__", "-Wno-builtin-macro-redefined"]
            disguise += ["-Wno-unknown-pragmas"]
            names = VARIANTS[toolchain] if x86 else {"base": []}
            options = disguise if toolchain == "msvc" else []
            if toolchain == "msvc" and not x86:
                continue
            for source, flags in C_SOURCES(names):
                if toolchain == "msvc" and "disp" in source:
                    continue  # Clang's <intrin.h> does not go with the disguise
                common = BUILD["COMMON_FLAGS"][toolchain]
                run([*command, *common, *flags, *options, f"csrc/{source}"])
        return "syntax of the C core"

    def rows(self):
        """(name, check) in the order of the report."""
        for check in (
            self.native,
            self.clang,
            self.aarch64,
            self.old_cpu,
            self.haswell,
        ):
            yield check.__doc__, check
        for target in ZIG_TARGETS:
            yield target, lambda target=target: self.cross(target)
        yield self.wine.__doc__, self.wine
        for cpu in ("x86_64", "aarch64"):
            target = f"{cpu}-pc-windows-msvc"
            yield target, lambda target=target: self.clang_cl(target)


def main(wanted):
    """Run the checks whose name contains one of the words (all without words)."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory() as folder:
        for name, check in Checks(Path(folder)).rows():
            if wanted and not any(word in name for word in wanted):
                continue
            try:
                status, note = "passed", check()
            except Skipped as reason:
                status, note = "skipped", reason
            except (AssertionError, subprocess.TimeoutExpired) as error:
                status, note = "failed", error
            counts[status] += 1
            print(f"{status:8}{name:32}{note}", flush=True)
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
