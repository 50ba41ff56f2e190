"""The layout of the project, as tests: file lengths, and tests that mirror modules.

`tests/unit/a/b/test_c.py` tests `sip_edge/a/b/c.py`. Where that name is taken by another module's
test, the package's name comes before it: `test_b_c.py`. What needs a socket or a database is
tested under the same names in `tests/integration`. A package may also be tested as a whole
(`test_b.py` for `sip_edge/b`).
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sip_edge"
TESTS = ROOT / "tests"
UNIT = TESTS / "unit"

LONGEST_FILE = 400
"""Lines. A longer file does more than one thing, and nobody reads it to its end."""

TESTED_ELSEWHERE: dict[str, str] = {}
"""Modules without a test file of their own, and what tests them."""


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "peers" not in path.parts)


def modules() -> list[Path]:
    return [path for path in python_files(PACKAGE) if not path.name.startswith("__")]


def name_of(path: Path, folder: Path = ROOT) -> str:
    return path.relative_to(folder).as_posix()


def unit_mirrors(module: Path) -> set[Path]:
    """Where the unit test of a module may be."""
    inside = module.relative_to(PACKAGE)
    folder = UNIT / inside.parent
    return {
        folder / f"test_{inside.stem}.py",
        folder / f"test_{inside.parent.name}_{inside.stem}.py",
    }


def mirrors(module: Path) -> set[Path]:
    """Every file that would count as the test of a module."""
    in_unit = unit_mirrors(module)
    return in_unit | {TESTS / "integration" / path.name for path in in_unit}


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {
        name_of(path): len(path.read_text().splitlines())
        for path in [*python_files(PACKAGE), *python_files(TESTS)]
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_module_has_a_test_file_of_its_own() -> None:
    untested = {
        name_of(module, PACKAGE)
        for module in modules()
        if not any(path.exists() for path in mirrors(module))
    }
    assert untested == set(TESTED_ELSEWHERE)


def test_every_unit_test_mirrors_a_module_or_a_package() -> None:
    mirrored = {path for module in modules() for path in unit_mirrors(module)}
    mirrored |= {
        UNIT / folder.relative_to(PACKAGE).parent / f"test_{folder.name}.py"
        for folder in PACKAGE.rglob("*")
        if (folder / "__init__.py").exists()
    }
    strays = [
        name_of(path)
        for path in python_files(UNIT)
        if path not in mirrored and path.name != "conftest.py" and path != Path(__file__)
    ]
    assert strays == []


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in python_files(TESTS) if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in python_files(PACKAGE)
        if not path.read_text().lstrip().startswith('"""')
    ]
    assert silent == []
