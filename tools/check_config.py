"""Checks what only services read: workflows, cibuildwheel's rows, citation, conda recipe.

    pip install check-jsonschema cibuildwheel py-rattler-build
    python tools/check_config.py

The schemas come with check-jsonschema, so no network is needed; actionlint is run too if
it is installed.  rattler-build, which conda-forge uses, renders the recipe.
"""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = {
    "vendor.github-workflows": [
        ".github/workflows/ci.yml",
        ".github/workflows/fuzz.yml",
        ".github/workflows/nightly.yml",
        ".github/workflows/wheels.yml",
    ],
    "vendor.dependabot": [".github/dependabot.yml"],
    "vendor.citation-file-format": ["CITATION.cff"],
}
PLATFORMS = {  # cibuildwheel's names: (platform, machine): tags of its wheels
    ("linux", "x86_64"): ["manylinux_x86_64", "musllinux_x86_64"],
    ("linux", "aarch64"): ["manylinux_aarch64", "musllinux_aarch64"],
    ("macos", "arm64"): ["macosx_arm64"],
    ("macos", "x86_64"): ["macosx_x86_64"],
    ("windows", "AMD64"): ["win_amd64"],
    ("windows", "ARM64"): ["win_arm64"],
}
CONDA_PLATFORMS = ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"]
BUILDS = ["cp311", "cp312", "cp313", "cp314", "cp314t"]  # the first builds, all test


def run(*command):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(
            f"exit code {done.returncode} of {command}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def check_recipe(version):
    """The conda recipe renders everywhere and needs what the package needs."""
    from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = ["python" + project["requires-python"], *project["dependencies"]]
    wanted = [re.sub(r"(?=[<>])", " ", text, count=1) for text in needed]
    recipe = Stage0Recipe.from_file(str(ROOT / "recipe/recipe.yaml"))
    variants = VariantConfig(
        {"python": ["3.11.*"], "c_compiler": ["gcc"], "c_stdlib": ["sysroot"]}
    )
    for platform in CONDA_PLATFORMS:
        config = RenderConfig(PlatformConfig(target_platform=platform))
        (rendered,) = recipe.render(variants, config)
        found = rendered.recipe.to_dict()
        if found["requirements"]["run"] != wanted:
            sys.exit(f"the recipe needs {found['requirements']['run']}, not {wanted}")
        if found["package"]["version"] != version:
            sys.exit(f"the recipe has {found['package']}, the package {version}")
    print(f"recipe: rendered for {', '.join(CONDA_PLATFORMS)}")


def main():
    """Every check, or exit with the first that fails."""
    for schema, files in SCHEMAS.items():
        run(
            sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files
        )
        print(f"{schema}: {', '.join(files)}")
    if shutil.which("actionlint"):
        run("actionlint")
        print("actionlint: nothing found")
    for (platform, machine), tags in PLATFORMS.items():
        options = ["--platform", platform, "--archs", machine]
        command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
        found = run(*command, *options, ".").split()
        wanted = [f"{build}-{tag}" for tag in tags for build in BUILDS]
        if sorted(found) != sorted(wanted):
            sys.exit(f"{platform} {machine}: found {found}, expected {wanted}")
        print(f"{platform} {machine}: {len(found)} rows of cibuildwheel")
    version = runpy.run_path(str(ROOT / "regnet_c/_version.py"))["__version__"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1]
    if cited != version:
        sys.exit(f"CITATION.cff has version {cited}, the package {version}")
    check_recipe(version)


if __name__ == "__main__":
    main()
