"""Build the sdist and the wheel, check both, and use each as somebody who has nothing else.

The environments in which they are installed are made anew below a directory that is given. What is built stays in dist.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
BIN = Path(sys.executable).parent
# What every Python block of the README needs is the package alone.
BLOCKS = re.compile(r"```python\n(.*?)```", re.DOTALL)
ASK = "import ProxyPatternPool as p, sys; sys.stdout.write(f'{p.__version__} {p.__file__}')"


def say(step: str, result: str) -> None:
    """Write one line."""
    sys.stdout.write(f"{step:12} {result}\n")
    sys.stdout.flush()


def run(step: str, *command: str | Path) -> str:
    """Run a command in the root of the project, and return what it prints; if it fails, show that and end."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    if done.returncode:
        say(step, f"FAILED: {' '.join(map(str, command))}")
        sys.exit(done.stdout)
    return done.stdout


def expect(step: str, surplus: Iterable[str], missing: Iterable[str]) -> None:
    """End if there is more or less than there should be."""
    wrong = [f"  too much: {name}" for name in sorted(surplus)] + [f"  missing: {name}" for name in sorted(missing)]
    if wrong:
        say(step, "FAILED")
        sys.exit("\n".join(wrong))


def build() -> tuple[Path, Path]:
    """Build both into an empty directory."""
    shutil.rmtree(DIST, ignore_errors=True)
    run("build", BIN / "hatchling", "build", "-d", DIST)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    with tarfile.open(sdist) as tar, ZipFile(wheel) as archive:
        for file, names in (sdist, tar.getnames()), (wheel, archive.namelist()):
            say("build", f"{file.relative_to(ROOT)}: {len(names)} files, {file.stat().st_size // 1000:,} kB")
    return sdist, wheel


def check(sdist: Path, wheel: Path) -> None:
    """Check the metadata of both, the contents of the wheel, and that the sdist has what the repository has."""
    run("twine", BIN / "twine", "--no-color", "check", "--strict", sdist, wheel)
    say("twine", "the metadata of both is right, and the README can be shown")
    run("contents", BIN / "check-wheel-contents", wheel)
    say("contents", "the wheel has nothing that does not belong there")
    if not (ROOT / ".git").exists():
        say("contents", "no repository here to compare the sdist with")
        return
    with tarfile.open(sdist) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()} - {"PKG-INFO"}
    tracked = set(run("contents", "git", "ls-files", "-z").split("\0")) - {""}
    # Whatever else lies in the checkout and is not ignored would be published.
    expect("contents", packed - tracked, tracked - packed)
    say("contents", "the sdist has every file of the repository, and no other")


def use(kind: str, file: Path, home: Path) -> set[str]:
    """Install one in an environment of its own, and run the quick start; return the lines of what is installed."""
    environment = home / kind
    run(kind, sys.executable, "-m", "venv", "--clear", "--without-pip", environment)
    python = environment / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--python", python]
    run(kind, *pip, "install", file)
    run(kind, *pip, "check")
    version, where = run(kind, python, "-I", "-c", ASK).split(" ", 1)
    say(kind, f"{version} is installed in {environment}, and what it requires")
    quick_start = home / "quick_start.py"
    blocks = BLOCKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    quick_start.write_text("\n".join(blocks), encoding="utf-8")
    run(kind, python, "-I", "-W", "error", quick_start)
    say(kind, f"the quick start runs: {len(blocks)} blocks of the README, warnings are errors")
    (record,) = Path(where).parents[1].glob("proxypatternpool-*.dist-info/RECORD")
    lines = record.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.startswith("ProxyPatternPool/") and "/__pycache__/" not in line}


def main() -> None:
    """Do all of it, one line for each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", type=Path, help="directory in which the environments are made")
    home = parser.parse_args().environments.resolve()
    home.mkdir(parents=True, exist_ok=True)
    sdist, wheel = build()
    check(sdist, wheel)
    of_sdist, of_wheel = use("sdist", sdist, home), use("wheel", wheel, home)
    expect("both", of_sdist - of_wheel, of_wheel - of_sdist)
    say("both", f"the same {len(of_wheel)} files are installed")


if __name__ == "__main__":
    main()
