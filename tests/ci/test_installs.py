"""Nothing that this project ships, prints or writes installs it by a bare name."""

from __future__ import annotations

import pytest

from tests.ci.conftest import ROOT
from tests.ci.installs import bare_installs, moving_addresses, shipped_files

OLD, NEW = "spark-" + "batch", "spark-i2i-" + "batch"  # in two pieces: this file is read, too
GIT = f"git+https://github.com/OWNER/{OLD}"
# The extra `dev` has further extras of the very project that is being installed.
SELF_REFERENCES = {"pyproject.toml": [f"{NEW}[cloud,dask,heif,sandbox,tables]"]}


def test_no_shipped_file_installs_by_a_bare_name() -> None:
    """Code, messages, workflows, documents and tests: every file that git knows."""
    names = shipped_files(ROOT)
    assert {"README.md", ".ci/run", "spark_batch/starter/pictures.yml"} <= set(names)
    texts = {name: (ROOT / name).read_bytes().decode("utf-8", "replace") for name in names}
    bare = {name: bare_installs(name, text) for name, text in texts.items()}
    assert {name: found for name, found in bare.items() if found} == SELF_REFERENCES
    assert [found for text in texts.values() for found in moving_addresses(text)] == []


@pytest.mark.parametrize("package", [OLD, NEW, "Spark_Batch", f"{NEW}[sandbox]", f"{OLD}==0.1.0"])
@pytest.mark.parametrize(
    "line",
    [
        "pip install {}",
        "pip3 install -U --quiet {}",
        "python -m pip --no-input install '{}'",
        'RUN pip install --upgrade pip "{}" && true',
        "python3 -m venv .venv && .venv/bin/pip install {} requests",
        "pip install \\\n    requests \\\n    {}",
        "pip download {} --no-deps",
        "try `pip install {}`, then run it",
        "uv pip install {}",
        "uv add {}",
        "uv tool install {}",
        "uv run --with {} make",
        "uvx {} run recipe.yaml",
        "uvx --from={} make",
        "pipx install {}",
        "pipx run {} plan",
        "pipx run --spec={} plan",
        "poetry add {}",
        "conda install -c conda-forge {}",
        '["pip", "install", "{}"]',
    ],
)
def test_a_planted_command_is_found(line: str, package: str) -> None:
    """In any file, with any spelling, quotes, options, extras and versions."""
    for name in ("Dockerfile", "notes.md", ".ci/run"):
        assert bare_installs(name, f"first\n{line.format(package)}\nlast\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", f"raise E(\n    'install it: pip install'\n    \" '{OLD}[sandbox]'\"\n)\n"),
        ("a.py", f"call([python, '-m', 'pip', 'install',\n    '{OLD}'])\n"),
        ("a.py", f"print(f'{{python}} -m pip install {NEW}')\n"),
        ("a.py", f"EXTRA = '{NEW}[sandbox]'\n"),
        ("a.md", f"Get it by `pip install\n{OLD}`.\n"),
        ("a.md", f"```yaml\n- run: >-\n    pip install\n    {OLD}\n```\n"),
        ("a.yml", f"run: >-\n  pip install\n  {OLD}\n"),
        ("a.yml", f"install:\n  type: string\n  default: {OLD}[sandbox]\n"),
        ("a.yml", f"with: {{recipe: a.yaml, install: {OLD}}}\n"),
        ("a.yml", f"env: {{INSTALL: {NEW}}}\n"),
        (".pre-commit-hooks.yaml", f"- id: a\n  additional_dependencies: [pyyaml, {NEW}]\n"),
        ("pyproject.toml", f'dev = ["{OLD}[sandbox]"]\n'),
        ("pyproject.toml", f'dependencies = ["{OLD}>=0.1"]\n'),
        ("requirements.txt", f"requests\n{OLD}\n"),
        ("requirements-dev.txt", f"{NEW}[sandbox]>=0.1,<1 ; python_version > '3.9' # ours\n"),
        ("run.sh", f"PACKAGE={OLD}\npip install $PACKAGE\n"),
    ],
)
def test_a_planted_requirement_is_found(name: str, text: str) -> None:
    """Where no command stands beside it, or where it is broken over lines."""
    assert bare_installs(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", f'pip install "{NEW}[sandbox] @ {GIT}@COMMIT"'),
        ("a.md", f"pip install {GIT}@v0.1.0 && {OLD} run recipe.yaml"),
        ("a.md", f"pip install '.[sandbox]' && .venv/bin/{OLD} run recipe.yaml"),
        ("a.md", f"pip install ./{OLD}; pip install dist/{OLD}-0.1.0.whl"),
        ("a.md", f"The command is `{OLD}`, the distribution `{NEW}`."),
        ("a.yml", f"name: {OLD}\nsteps:\n  - run: {OLD} plan recipe.yaml\n"),
        ("a.yml", f"SPARK_BATCH: {NEW}[sandbox] @ {GIT}@COMMIT\n"),
        ("a.py", f"click.version_option(version, prog_name='{OLD}')\n"),
        ("pyproject.toml", f'name = "{NEW}"\n{OLD} = "spark_batch.cli:main"\n'),
    ],
)
def test_an_address_a_file_and_a_checkout_are_right(name: str, text: str) -> None:
    """Neither they nor the program's own name are taken for a bare install."""
    assert (bare_installs(name, text), moving_addresses(text)) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        f"pip install {GIT}",
        f'install: "{GIT}.git@main"',
        f"pip install '{NEW} @ {GIT}@refs/heads/master'",
        f"uses: OWNER/{OLD}/.github/workflows/pictures.yml@main",
        f"uses: OWNER/{OLD}/.github/actions/{OLD}@HEAD",
        f"- repo: https://github.com/OWNER/{OLD}\n  rev: main",
        f"#   - repo: https://github.com/OWNER/{OLD}\n#     rev: HEAD",
    ],
)
def test_a_branch_that_moves_is_found(text: str) -> None:
    """No reference at all, or the name of a branch, in all of the places that take one."""
    assert moving_addresses(text)
