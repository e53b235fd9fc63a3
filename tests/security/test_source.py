"""Rules that the source itself must keep: nothing that is read may become a program. Held over the whole tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("aqaa_eval", "tasks", "judges", "reference_model", "reports")
OWN_YAML = {"aqaa_eval/core/plain_yaml.py", "reference_model/cosyvoice.py"}
"""The two places that call PyYAML; both refuse anchors and depth, and build plain values only."""
SAFE_IN_TEMPLATES = {"radar", "style", "frame.style", "frame.script", "radars[name]"}
"""What our own code draws or ships; everything else in a page is escaped."""
WITHIN_ONE_CLUSTER = {"aqaa_eval/engine/executors/bench.py", "aqaa_eval/engine/executors/ray_data.py"}
"""Work that goes between the processes of one run on Ray, which pickles whatever it carries; nothing that is read."""
FORBIDDEN_MODULES = frozenset({"marshal", "shelve", "dill", "cloudpickle", "joblib"})
FORBIDDEN_CALLS = frozenset(
    {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load_all"}
    | {"yaml.unsafe_load", "yaml.full_load", "tarfile.extractall", "shutil.unpack_archive", "pandas.read_pickle"}
    | {"pd.read_pickle", "numpy.fromfile", "tempfile.mktemp", "webbrowser.open"}
)


@cache
def _trees() -> dict[str, ast.Module]:
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not any(name.startswith(f"aqaa_eval/{other}/") for other in FOLDERS):  # links to the folders beside it
                found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=name)
    return found


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    """File, dotted name and node of every call."""
    for name, tree in _trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{name}:{node.lineno}", ast.unparse(node.func), node


def _keyword(call: ast.Call, name: str) -> object:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value.value if isinstance(keyword.value, ast.Constant) else ast.unparse(keyword.value)
    return None


def test_the_whole_tree_is_looked_at() -> None:
    assert len(_trees()) > 250
    assert {name.split("/", 1)[0] for name in _trees()} == set(FOLDERS)


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    found = {place.partition(":")[0] for place, name, _ in _calls() if name in FORBIDDEN_CALLS}
    assert found - WITHIN_ONE_CLUSTER == set()
    assert [place for place, _, call in _calls() if _keyword(call, "shell") not in (None, False)] == []
    imported = {
        (name, alias.name.split(".")[0])
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert [pair for pair in imported if pair[1] in FORBIDDEN_MODULES] == []
    for name in {name for name, module in imported if module == "pickle"} - WITHIN_ONE_CLUSTER:
        used = {ast.unparse(node) for node in ast.walk(_trees()[name]) if isinstance(node, ast.Attribute)}
        assert {part for part in used if part.startswith("pickle.")} == {"pickle.UnpicklingError"}, name


def test_weights_are_read_as_tensors_alone() -> None:
    loads = [(place, call) for place, name, call in _calls() if name == "torch.load"]
    assert loads
    assert [place for place, call in loads if _keyword(call, "weights_only") is not True] == []
    arrays = [(place, call) for place, name, call in _calls() if name in ("np.load", "numpy.load")]
    assert [place for place, call in arrays if _keyword(call, "allow_pickle") is not False] == []


def test_yaml_is_read_in_two_places_as_plain_values() -> None:
    callers = {place.partition(":")[0] for place, name, _ in _calls() if re.fullmatch(r"yaml\.\w*load\w*", name)}
    assert callers == OWN_YAML
    for place, name, call in _calls():
        if name == "yaml.load":
            assert ast.unparse(call).endswith(("Loader=loader)", "_PlainLoader)")), place


def test_no_model_is_loaded_with_its_own_code() -> None:
    assert [place for place, _, call in _calls() if _keyword(call, "trust_remote_code") not in (None, False)] == []


def test_programs_are_started_from_lists_of_arguments() -> None:
    starts = [
        (place, call) for place, name, call in _calls() if re.fullmatch(r"subprocess\.(run|Popen|check_\w+)", name)
    ]
    assert starts
    for place, call in starts:
        assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), place


def test_every_template_escapes_what_it_is_given() -> None:
    environments = [(place, call) for place, name, call in _calls() if name.split(".")[-1] == "Environment"]
    assert len(environments) >= 3
    assert [place for place, call in environments if _keyword(call, "autoescape") is not True] == []
    shown = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.j2"):
            text = path.read_text(encoding="utf-8")
            assert "autoescape" not in text
            shown |= set(re.findall(r"\{\{\s*([^|{}]+?)\s*\|\s*safe\b", text))
    assert shown <= SAFE_IN_TEMPLATES


@pytest.mark.parametrize(
    "script",
    [*sorted((ROOT / "reports").rglob("*.js")), *sorted((ROOT / "aqaa_eval").rglob("*.js"))],
    ids=lambda path: path.name,
)
def test_no_script_of_a_page_makes_markup_or_code_of_texts(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    found = re.findall(
        r"\b(?:eval|Function|document\.write|insertAdjacentHTML)\s*\(|\.(?:inner|outer)HTML\s*\+?=", text
    )
    assert found == []
