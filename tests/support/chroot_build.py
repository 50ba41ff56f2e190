"""Runs a Dockerfile's steps without an engine: each stage is a copy of one system, in a chroot.

    python tests/support/chroot_build.py BASE RESULT        (root; scripts/try_dockerfile.sh)

BASE is a folder with a Debian system that stands for every FROM. RUN, COPY, ENV, WORKDIR and USER
are done as an engine would, with only what .dockerignore lets through; the last stage is left in
RESULT. Layers, volumes, ports and the network of a container are not imitated.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.dockerfile import Instruction, Stage, read_dockerfile  # noqa: E402

MOUNTS = """
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
root=$1 user=$2 folder=$3
shift 3
exec chroot --userspec="$user" "$root" /usr/bin/env -i --chdir="$folder" "$@"
"""
PASSED_ON = ("PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy")
"""How this machine reaches the package index; an engine's build would be told in its own way."""


class Container:
    """A stage that is being built, or run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
        self.folder = "/"
        self.user = "0:0"

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` in here; PID 1 of a namespace of its own."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        passed_on = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child=TERM"),
            *("sh", "-ec", MOUNTS, "sh", str(self.root), self.user, self.folder),
            *passed_on, *settings, *command,
        ]  # fmt: skip

    def inside(self, path: str) -> Path:
        """Where a path of the container lies on this machine."""
        return self.root / (Path(self.folder) / path).as_posix().lstrip("/")


def build(base: Path, result: Path, context: Path) -> Container:
    """Do all stages; the container of the last one, its filesystem in `result`."""
    built: dict[str, Path] = {}
    container = Container(result)
    for number, stage in enumerate(read_dockerfile(context / "Dockerfile")):
        root = result.with_name(f"{result.name}.stage{number}")
        print(f"FROM {stage.base}: {base} stands for it")
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "--archive", "--reflink=auto", base, root], check=True)
        container = Container(root)
        for instruction in stage.instructions:
            print(f"{instruction.word} {instruction.rest}")
            _do(container, instruction, context, built)
        built[stage.name] = root
    shutil.rmtree(result, ignore_errors=True)
    container.root.rename(result)
    container.root = result
    return container


def _do(
    container: Container, instruction: Instruction, context: Path, built: dict[str, Path]
) -> None:
    match instruction.word:
        case "ENV":
            for word in instruction.words:
                name, _, value = word.partition("=")
                path = container.environment["PATH"]
                container.environment[name] = value.replace("$PATH", path)
        case "WORKDIR":
            container.folder = instruction.rest
            container.inside(".").mkdir(parents=True, exist_ok=True)
        case "USER":
            container.user = instruction.rest
        case "RUN":
            subprocess.run(container.command("/bin/sh", "-c", instruction.rest), check=True)
        case "COPY":
            _copy(container, instruction, context, built)
        case _:
            pass  # Says something about the image, and does nothing.


def _copy(
    container: Container, instruction: Instruction, context: Path, built: dict[str, Path]
) -> None:
    stage = instruction.flags.get("from")
    *sources, target_name = instruction.unflagged.split()
    target = container.inside(target_name)
    for name in sources:
        source = built[stage] / name.lstrip("/") if stage else context / name
        to = target / source.name if target_name.endswith("/") else target
        to.parent.mkdir(parents=True, exist_ok=True)
        if stage:
            subprocess.run(["cp", "--archive", source, to], check=True)
        elif not source.is_dir():
            if name not in sent_to_engine([name], context):
                raise SystemExit(f"COPY {name}: .dockerignore leaves it out")
            shutil.copy(source, to)
        else:
            files = [path for path in source.rglob("*") if path.is_file()]
            names = [path.relative_to(context).as_posix() for path in files]
            for each in sent_to_engine(names, context):
                inside = to / Path(each).relative_to(name)
                inside.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(context / each, inside)


def sent_to_engine(names: list[str], context: Path) -> list[str]:
    """Those of `names` that .dockerignore lets through: the last pattern that matches decides."""
    patterns = [
        line
        for line in (context / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    return [name for name in names if not _is_ignored(name, patterns)]


def _is_ignored(name: str, patterns: list[str]) -> bool:
    path = Path(name)
    selves = [name, *(parent.as_posix() for parent in path.parents)]
    is_ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").removeprefix("**/")
        candidates = selves
        if "**/" in pattern:
            candidates = list(path.parts)
        if any(fnmatch.fnmatch(candidate, wanted) for candidate in candidates):
            is_ignored = not pattern.startswith("!")
    return is_ignored


def try_image(container: Container, stage: Stage) -> None:
    """Start what the image starts, ask for its health as the engine would, and end it."""
    health = stage.last("HEALTHCHECK").rest.partition("CMD ")[2]
    start = stage.last("ENTRYPOINT").words + stage.last("CMD").words
    script = f"""
        set -e
        test "$(id -u):$(id -g)" = "{container.user}"
        if command -v pip || command -v gcc || python -c 'import pip' 2>/dev/null; then
            echo 'build tools are left'; exit 1
        fi
        sip-edge version
        {" ".join(start)} > /tmp/edge.log 2>&1 &
        edge=$!
        for _ in $(seq 120); do
            {" ".join(Instruction("CMD", health).words)} && sip-edge health --ready && break
            kill -0 $edge || {{ cat /tmp/edge.log; exit 1; }}
            sleep 0.5
        done
        kill -TERM $edge
        wait $edge
        cat /tmp/edge.log
        ls -la /var/lib/sip-edge
    """
    subprocess.run(container.command("/bin/sh", "-c", script), check=True)


def main() -> None:
    """The command line."""
    base, result = (Path(argument).resolve() for argument in sys.argv[1:3])
    container = build(base, result, ROOT)
    try_image(container, read_dockerfile(ROOT / "Dockerfile")[-1])
    size = subprocess.run(["du", "-sm", result], capture_output=True, text=True, check=True)
    print(f"done: {size.stdout.split()[0]} MB in {result}, base included")


if __name__ == "__main__":
    main()
