"""What the documentation names exists: commands, options, functions, make targets, files."""

import ast
import inspect
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.core import TyperGroup
from typer.main import get_command

import spinefrac
from spinefrac.cli import app, main
from spinefrac.data import class_names
from spinefrac.data.phantom import write_phantom
from spinefrac.training.augmentation.yaml_io import from_yaml

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
#: What `make docs` writes from the code is held to the code by `test_site.py`.
_GENERATED = re.compile(r"<!-- generated -->\n.*?<!-- end of generated -->\n", re.DOTALL)
TEXT = {
    name: _GENERATED.sub("", (ROOT / name).read_text(encoding="utf-8"))
    for name in (*DOCUMENTS, "Makefile")
}
#: What people read to use the program; a changelog names what is gone too.
GUIDE = "".join(TEXT[name] for name in DOCUMENTS if name.startswith("docs/"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str, document: str = "README.md") -> list[str]:
    """Return the fenced blocks of a language in a document."""
    return [body for kind, body in _FENCE.findall(TEXT[document]) if kind == language]


def commands() -> list[str]:
    """Return every spinefrac command that a document or the Makefile runs or names."""
    shell = [TEXT["Makefile"].replace("$(PY) -m spinefrac", "spinefrac").replace("$(PORT)", "8501")]
    found = []
    for document in DOCUMENTS:
        shell += [*blocks("sh", document), *blocks("console", document)]
        found += re.findall(r"`(spinefrac \w[^`\n]*)`", TEXT[document])
    for text in shell:
        for line in text.replace("\\\n", " ").splitlines():
            if run := re.match(r"\s*(?:\$ |SPINE\S+ )?(spinefrac .*)", line):
                found.append(run[1])
    return found


def parse(arguments: list[str]) -> None:
    """Have the command line check arguments, without running anything."""
    command, name, parent = get_command(app), "spinefrac", None
    while True:
        context = command.make_context(name, arguments, parent=parent)
        if not isinstance(command, TyperGroup):
            return
        rest = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, rest)
        parent = context


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_is_accepted_with_its_options(line: str) -> None:
    arguments = shlex.split(line)[1:]
    command = get_command(app)
    for word in arguments:
        if not isinstance(command, TyperGroup):  # not a mere mention: its arguments follow
            return parse(arguments)
        assert word in command.commands, f"there is no `{word}` in {line}"
        command = command.commands[word]


def test_the_documentation_names_every_command() -> None:
    def names(command: TyperGroup, prefix: str) -> list[str]:
        found: list[str] = []
        for name, inner in command.commands.items():
            deeper = isinstance(inner, TyperGroup)
            found += names(inner, f"{prefix} {name}") if deeper else [f"{prefix} {name}"]
        return found

    command = get_command(app)
    assert isinstance(command, TyperGroup)
    missing = [name for name in names(command, "spinefrac") if name not in GUIDE]
    assert not missing


def test_parsing_notices_an_option_that_does_not_exist() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["predict", "x.png", "--nonsense"])
    with pytest.raises(Exception, match="No such command"):
        parse(["models", "nonsense"])


def test_functions_of_the_example_exist_and_take_their_arguments() -> None:
    (example,) = blocks("python")
    assert blocks("python", "docs/python.md")[0] == example
    tree = ast.parse(example)
    imported = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "spinefrac"
        for alias in node.names
    ]
    assert sorted(imported) == sorted(spinefrac.__all__) and len(imported) == 7
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in imported:
                called.add(name)
                named = {str(keyword.arg): keyword.value for keyword in node.keywords}
                inspect.signature(getattr(spinefrac, name)).bind(*node.args, **named)
    assert called == set(imported)


@pytest.mark.parametrize("document", [*DOCUMENTS, "Makefile"])
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", TEXT["Makefile"], re.MULTILINE))
    named = set(re.findall(r"(?:`|^|\")make ([a-z0-9]+)", TEXT[document], re.MULTILINE))
    for listed in re.findall(r"`make` targets: (.*?)\. ", TEXT[document]):
        named |= set(re.findall(r"`(\w+)`", listed))
    assert named <= targets


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    "target", ["app", "test", "lint", "bench", "docs", "site", "demo", "clean", "help"]
)
def test_make_understands_its_file(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_first_hour_names_pages_and_buttons_as_they_are_called() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "spinefrac" / "ui").rglob("*.py"))
    named = set(re.findall(r"\*\*([A-Z][\w &]+)\*\*", TEXT["docs/first-hour.md"]))
    named.remove("Not a medical device")
    assert len(named) > 7
    assert not [name for name in named if f'"{name}"' not in sources]


def test_opening_is_how_to_start() -> None:
    assert blocks("sh")[0].split("\n")[0].startswith("make app ")
    assert blocks("sh")[0].split("\n")[1].startswith("make test ")
    assert len(blocks("bat")[0].strip().splitlines()) == 3


def test_the_errors_are_those_that_people_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every console example of the documents that runs a command, with its last line."""
    write_phantom(tmp_path / "slices", patients=4, slices=2, seed=7, size=256)
    shutil.copytree(tmp_path / "slices" / "fracture", tmp_path / "only" / "fracture")
    shutil.copytree(tmp_path / "slices" / "fracture", tmp_path / "flat")
    (tmp_path / "notes.txt").write_text("no picture")
    shutil.copy(ROOT / "README.md", tmp_path)
    sample = (ROOT / "spinefrac" / "ui" / "samples" / "fracture-1.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(sample[:20_000])
    shutil.copytree(ROOT / "models" / "phantom-demo", tmp_path / "home" / "models" / "phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    examples = [*blocks("console", "docs/faq.md"), *blocks("console", "docs/command-line.md")]
    examples = [example for example in examples if "\nerror: " in example]
    assert len(examples) > 8
    for example in examples:
        command, expected = example.strip().split("\n")
        assert main(shlex.split(command)[2:]) == 1
        assert expected in capsys.readouterr().err.splitlines(), command


def test_the_augmentation_s_file_is_read() -> None:
    (example,) = blocks("yaml", "docs/training.md")
    config = from_yaml(example)
    assert config.get_range("rotation") == (-10, 10) and config.noise_probability == 0.3


def test_class_names_are_those_that_are_read() -> None:
    words = TEXT["docs/your-data.md"].replace("_", " ")
    for name in (*class_names.POSITIVE_NAMES, *class_names.NEGATIVE_NAMES):
        assert re.search(rf"\b{name}\b", words), name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_paths_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT[document])
    sampled = re.findall(r"\b(spinefrac/ui/samples/\S+\.(?:dcm|png))", TEXT[document])
    missing = [path for path in linked if not (folder / path).is_file()]
    missing += [path for path in sampled if not (ROOT / path).is_file()]
    assert not missing


def test_variables_are_read_somewhere_and_all_are_documented() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "spinefrac").rglob("*.py"))
    read = set(re.findall(r'"(SPINEFRAC_[A-Z_]+)"', sources))
    assert len(read) > 8
    named = set(re.findall(r"SPINEFRAC_[A-Z_]*[A-Z]", GUIDE + TEXT["README.md"]))
    documented = set(re.findall(r"`(SPINEFRAC_\w+)`", TEXT["docs/settings.md"]))
    assert named <= documented and read <= documented
    for name in documented:  # those of the three certificates are put together where they are read
        assert name in read or (name.startswith("SPINEFRAC_TLS_") and "SPINEFRAC_TLS_" in sources)


def test_the_readme_is_two_screens() -> None:
    assert len(TEXT["README.md"].splitlines()) <= 130
    assert "Not a medical device." in TEXT["README.md"]


def read_pins(file: str) -> list[Requirement]:
    """Return what a requirements file pins."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def test_pins_fit_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for file, asked in {
        "requirements.txt": project["dependencies"],
        "requirements-test.txt": [
            *extras["test"],
            *extras["docs"],
            *extras["s3"],
            *extras["mlflow"],
        ],
    }.items():
        pins = read_pins(file)
        assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
        pinned = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
        for requirement in map(Requirement, asked):
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_no_package_is_named_twice() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = [*read_pins("requirements.txt"), *read_pins("requirements-test.txt")]
    for requirements in (
        pinned,
        [Requirement(line) for line in project["dependencies"]],
        *(
            [Requirement(line) for line in extra]
            for extra in project["optional-dependencies"].values()
        ),
    ):
        names = [canonicalize_name(requirement.name) for requirement in requirements]
        assert not {name for name in names if names.count(name) > 1}
