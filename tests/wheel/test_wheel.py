"""What is tested is the wheel, and the wheel is what its users should get."""

import json
import sys
import sysconfig
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path
from typing import TypedDict, cast
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

import pytest
import tomli

import ProxyPatternPool

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ProxyPatternPool"

Project = TypedDict(
    "Project",
    {
        "name": str,
        "license": str,
        "requires-python": str,
        "dependencies": list[str],
        "optional-dependencies": dict[str, list[str]],
    },
)


class Origin(TypedDict):
    """What pip writes of where a distribution came from."""

    url: str


@pytest.fixture(scope="module")
def wheel() -> ZipFile:
    """The very file that was installed."""
    text = distribution("ProxyPatternPool").read_text("direct_url.json")
    assert text is not None, "installed, but not from a file"
    origin: Origin = json.loads(text)
    path = Path(unquote(urlsplit(origin["url"]).path))
    assert path.suffix == ".whl", f"installed, but not from a wheel: {path}"
    return ZipFile(path)


@pytest.fixture(scope="module")
def project() -> Project:
    """What pyproject.toml promises."""
    return cast("Project", tomli.loads((ROOT / "pyproject.toml").read_text())["project"])


@pytest.fixture(scope="module")
def info(project: Project) -> str:
    """The directory of the wheel's metadata."""
    return f"{project['name'].lower()}-{ProxyPatternPool.__version__}.dist-info"


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile, info: str) -> Message:
    return Parser().parsestr(wheel.read(f"{info}/METADATA").decode())


def requirements(metadata: Message) -> set[str]:
    """All requirements, their spaces and quotes apart."""
    found = metadata.get_all("Requires-Dist")
    assert found is not None
    return {requirement.replace(" ", "").replace("'", '"') for requirement in found}


def test_the_installed_package_is_tested() -> None:
    assert Path(ProxyPatternPool.__file__).parent.parent == Path(sysconfig.get_path("purelib"))
    assert str(PACKAGE.parent) not in sys.path


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: ZipFile, info: str) -> None:
    """Tests, benchmarks, examples or stubs would land beside everyone's packages."""
    assert {name.split("/")[0] for name in wheel.namelist()} == {"ProxyPatternPool", info}


def test_the_package_in_the_wheel_is_the_source(wheel: ZipFile, info: str) -> None:
    source = {
        path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name: wheel.read(name) for name in wheel.namelist() if not name.startswith(info)} == source


def test_the_wheel_is_typed(wheel: ZipFile) -> None:
    assert "ProxyPatternPool/py.typed" in wheel.namelist()


def test_the_wheel_holds_the_license(wheel: ZipFile, info: str, metadata: Message, project: Project) -> None:
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert metadata["License-Expression"] == project["license"] == "CC0-1.0"


def test_the_wheel_shows_the_readme(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_wheel_is_called_as_the_project_says(metadata: Message, project: Project) -> None:
    assert (metadata["Name"], metadata["Version"]) == (project["name"], ProxyPatternPool.__version__)
    assert metadata["Requires-Python"] == project["requires-python"] == ">=3.10"


def test_the_wheel_requires_typing_extensions_only(metadata: Message, project: Project) -> None:
    plain = {requirement for requirement in requirements(metadata) if "extra==" not in requirement}
    assert plain == set(project["dependencies"])
    assert [requirement.split(">")[0] for requirement in plain] == ["typing-extensions"]


def test_the_extras_are_those_of_the_scopes_and_the_doors(metadata: Message, project: Project) -> None:
    extras = project["optional-dependencies"]
    assert set(extras) == {"werkzeug", "gevent", "eventlet", "opentelemetry", "prometheus", "psycopg", "sqlalchemy"}
    assert {requirement for requirement in requirements(metadata) if "extra==" in requirement} == {
        f'{requirement};extra=="{extra}"' for extra, wanted in extras.items() for requirement in wanted
    }
