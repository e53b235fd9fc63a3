"""From flags and `--config run.yaml` to one `RunSpec`: a flag that was given wins over the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.runspec import RunSpec, parse_run_spec
from aqaa_eval.core.shard import Shard


def read_config(path: Path) -> dict[str, Any]:
    """A YAML file of run-spec fields; plain values only.

    Raises:
        UsageError: there is no such file.
        DataError: it is not a YAML mapping.
    """
    from aqaa_eval.core.plain_file import read_plain_text
    from aqaa_eval.core.plain_yaml import MAX_CHARACTERS, YamlError, load_yaml

    try:
        values = load_yaml(read_plain_text(path, max_bytes=4 * MAX_CHARACTERS))
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read ({error.strerror})") from error
    except YamlError as error:
        raise DataError(f"--config {path}:{error.line}: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"--config {path}: holds a {type(values).__name__}, not a mapping of settings")
    return values


def parse_options(
    pairs: Sequence[str] | None, *, base_url: str | None = None, trusts_code: bool = False
) -> dict[str, Any] | None:
    """`--set name=value` pairs, with numbers and booleans read as such; None if nothing is given.

    >>> parse_options(["delay_s=0.5", "greedy=true", "voice=jane"])
    {'delay_s': 0.5, 'greedy': True, 'voice': 'jane'}
    >>> parse_options(None, base_url="http://localhost:8000/v1")
    {'base_url': 'http://localhost:8000/v1'}

    Raises:
        UsageError: a pair without "=", or a server's address that holds a password.
    """
    options: dict[str, Any] = {} if base_url is None else {"base_url": base_url}
    for pair in pairs or ():
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--set {pair}: write it as name=value")
        options[name] = _plain(value)
    if trusts_code:
        options["trust_remote_code"] = True
    if "@" in str(options.get("base_url", "")):
        raise UsageError("the server's address holds a user or password; give keys by the environment (OPENAI_API_KEY)")
    return options or None


def _plain(value: str) -> str | int | float | bool:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def names_of(value: str) -> list[str]:
    """Comma-separated names; "none" is the empty list.

    >>> names_of("gaming, singing"), names_of("none")
    (['gaming', 'singing'], [])
    """
    return [name for name in (part.strip() for part in value.split(",")) if name and name != "none"]


def make_spec(flags: dict[str, Any], config: Path | None) -> RunSpec:
    """Merge the file and the flags that were given (not None).

    Raises:
        UsageError: a field is unknown or out of range, or no model is named.
    """
    values = read_config(config) if config else {}
    values.update({name: value for name, value in flags.items() if value is not None})
    if "model" not in values:
        raise UsageError("name a model: --model cascade, or model: in --config; `aqaa-eval list models` shows them")
    return parse_run_spec(values, name=str(config) if config else "command line")


def default_folder(spec: RunSpec, shard: Shard | None = None) -> Path:
    """Where a run goes if nobody says: the same spec, the same folder, so the same command goes on.

    >>> default_folder(RunSpec(model="fake:echo")).name.startswith("fake-echo-")
    True
    >>> default_folder(RunSpec(model="fake:echo"), Shard(number=2, of=8)).name.endswith("-shard-2-of-8")
    True
    """
    safe = "".join(character if character.isalnum() or character in "._-" else "-" for character in spec.model)
    part = f"-shard-{shard.number}-of-{shard.of}" if shard else ""
    return Path("runs") / f"{safe[:60]}-{spec.fingerprint}{part}"
