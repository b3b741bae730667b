"""The rules of the house that no linter holds."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = ("rtdecode", "offline", "replay", "benchmarks")
LONGEST_MODULE = 400


def modules(repo, *folders):
    return [path for folder in folders for path in sorted((repo / folder).rglob("*.py"))]


def python(code, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **kwargs
    )


def test_modules_are_short(repo):
    lengths = {
        str(path.relative_to(repo)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(repo, *CODE, "tests")
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def _swallows(node):
    caught = [node.type, *getattr(node.type, "elts", [])]
    blanket = node.type is None or any(
        isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in caught
    )
    handled = any(
        isinstance(inner, ast.Raise) or (isinstance(inner, ast.Name) and inner.id == node.name)
        for statement in node.body
        for inner in ast.walk(statement)
    )
    return blanket and not handled


def _opens_pickles(node):
    if isinstance(node, ast.Import):
        return any(alias.name in {"pickle", "dill", "cloudpickle"} for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in {"pickle", "dill", "cloudpickle"}
    if isinstance(node, ast.keyword):
        return node.arg == "allow_pickle" and getattr(node.value, "value", None) is not False
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "joblib.load"}


def offenders(repo, offends, kind):
    return [
        f"{path.relative_to(repo)}:{node.lineno}"
        for path in modules(repo, *CODE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kind) and offends(node)
    ]


def test_no_error_is_swallowed_whole(repo):
    assert offenders(repo, _swallows, ast.ExceptHandler) == []


def test_nothing_unpickles(repo):
    assert (
        offenders(repo, _opens_pickles, (ast.Import, ast.ImportFrom, ast.Call, ast.keyword)) == []
    )


def _makes_a_kernel(node):
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(inner, ast.FunctionDef)
        and any("kernel" in ast.unparse(decorator) for decorator in inner.decorator_list)
        for statement in node.body
        for inner in ast.walk(statement)
    )


def test_no_kernel_is_made_within_a_function(repo):
    """Round another kernel it would be compiled anew by every process: seconds of its start."""
    assert offenders(repo, _makes_a_kernel, ast.FunctionDef) == []


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("try: x\nexcept: pass", True),
        ("try: x\nexcept (OSError, Exception): pass", True),
        ("try: x\nexcept Exception as error: pass", True),
        ("try: x\nexcept Exception: raise", False),
        ("try: x\nexcept Exception as error: kept.append(error)", False),
        ("try: x\nexcept OSError: pass", False),
    ],
)
def test_the_look_for_swallowed_errors_sees(code, bad):
    handlers = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.ExceptHandler)]
    assert [_swallows(handler) for handler in handlers] == [bad]


def _plant(repo, tmp_path, file, line):
    """A copy of the tree's code with one more import in it, and what the contracts say."""
    for folder in CODE:
        shutil.copytree(repo / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.nb?"))
    shutil.copy(repo / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [lint, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("rtdecode/__init__.py", "", ""),
        ("rtdecode/engine.py", "import time", "The engine knows"),
        ("rtdecode/engine.py", "from rtdecode import streams", "The engine knows"),
        ("rtdecode/tasks.py", "import offline", "The package uses no scripts"),
        ("rtdecode/gui/__init__.py", "import rtdecode.engine", "The display never decodes"),
        ("replay/__init__.py", "import pylsl", "One place speaks"),
    ],
)
def test_the_contracts_hold_and_catch_a_breach(repo, tmp_path, file, line, contract):
    found = _plant(repo, tmp_path, file, line)
    broken = re.findall(r"^(.*) BROKEN", found.stdout, re.MULTILINE)
    assert (found.returncode == 0) == (not line), found.stdout + found.stderr
    assert any(name.startswith(contract) for name in broken) == bool(line)


@pytest.mark.parametrize("module", ["rtdecode", "rtdecode.cli", "rtdecode.session", "rtdecode.gui"])
def test_importing_starts_no_network_no_screen_no_torch(module):
    heavy = {"pylsl", "PyQt6", "pyqtgraph", "torch"}
    found = python(f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))")
    assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_help_loads_nothing_heavy():
    found = python(
        "import sys; sys.argv = ['rtdecode', '--help']\n"
        "from rtdecode.cli import app\n"
        "app(standalone_mode=False)\n"
        "print(sorted({'torch', 'numba', 'pylsl', 'PyQt6', 'sklearn'} & set(sys.modules)))"
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip().endswith("[]")


def sub_commands():
    import typer.main

    from rtdecode.cli import app

    return set(typer.main.get_command(app).commands)


def test_the_commands_of_the_readme_exist(repo):
    told = set(re.findall(r"rtdecode ([a-z][a-z-]*)", _shell_text(repo)))
    assert told
    assert told <= sub_commands()


def test_every_command_stands_in_the_readme(repo):
    readme = (repo / "README.md").read_text(encoding="utf-8")
    assert {name for name in sub_commands() if f"`{name}" not in readme} == set()


def test_the_readmes_make_targets_exist(repo):
    targets = set(re.findall(r"^([a-z]+):", (repo / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", _shell_text(repo), re.MULTILINE)) <= targets
    assert {"demo", "test"} <= targets


def test_what_the_readme_shows_and_links_exists(repo):
    readme = (repo / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link]
    assert [link for link in links if not (repo / link).exists()] == []


def _shell_text(repo):
    readme = (repo / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```(?:sh|bash|powershell)?\n(.*?)```", readme, re.DOTALL))
