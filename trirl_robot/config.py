"""Strict configuration: YAML to frozen dataclasses, command-line overrides, and back to YAML.

An unknown key or a value of the wrong type is a `ConfigError` that names the place and the nearest
valid key; nothing is converted silently except an integer where a number is asked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from trirl_robot.errors import ConfigError, unknown_name

T = TypeVar("T")

_CHECKOUT = Path(__file__).resolve().parents[1] / "configs"
CONFIGS = _CHECKOUT if _CHECKOUT.is_dir() else Path(sys.prefix) / "share/trirl-robot/configs"
"""Folder of the configurations that come with the project, in a checkout or installed."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: the file is missing, is not YAML, or its top level is not a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a YAML configuration") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); expected a YAML file") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML ({problem})") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, got {_kind_of(data)}")
    return data


def find_config(kind: str, name: str) -> Path:
    """Return the file of a built-in configuration, or the path that `name` itself is.

    Args:
        kind: folder under `configs/`, such as `robots`.
        name: built-in name (`so101`) or a path to a YAML file.

    Raises:
        ConfigError: there is no such built-in name or file.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{name}: no such file; expected a YAML configuration")
        return path
    known = {stem: CONFIGS / kind / f"{stem}.yaml" for stem in names_of(kind)}
    if name not in known:
        raise ConfigError(unknown_name(_SINGULAR.get(kind, kind), name, known))
    return known[name]


def names_of(kind: str) -> list[str]:
    """Return the names of the built-in configurations of a kind, such as `robots`."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


_SINGULAR = {
    "robots": "robot",
    "tasks": "task",
    "randomisation": "randomisation",
    "algorithms": "algorithm",
    "experiments": "experiment",
}


def load(cls: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read `path` into the dataclass `cls`, with `key.subkey=value` overrides applied last."""
    data = read_yaml(path)
    for override in overrides:
        apply_override(data, override)
    return from_mapping(cls, data, str(path))


def from_mapping(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from plain data, strictly.

    Args:
        cls: a dataclass, or a union of dataclasses that a `Literal` in their first field tells
            apart; nested dataclasses, tuples, mappings and unions with None are understood.
        data: plain data, as read from YAML.
        where: how messages name the place, such as the file.

    Raises:
        ConfigError: an unknown or missing key, or a value of the wrong type.
    """
    if typing.get_origin(cls) in (typing.Union, types.UnionType):
        return typing.cast(T, _convert(cls, data, where))
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise ConfigError(f"{where}: {unknown_name('key', str(key), fields)}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: key '{name}' is missing")
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def require(config: Any, expected: str, holds: Callable[[Any], bool], *names: str) -> None:
    """Check fields of a configuration; for `__post_init__`.

    Args:
        config: the configuration.
        expected: what a value has to be, such as `at least 1`.
        holds: whether a value is that.
        names: the fields.

    Raises:
        ConfigError: a field's value is not as expected.
    """
    for name in names:
        value = getattr(config, name)
        if not holds(value):
            raise ConfigError(f"{name} is {value}, expected {expected}")


def to_mapping(config: Any) -> Any:
    """Return plain data (dicts, lists, scalars) for a dataclass, ready for YAML or JSON."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {
            f.name: to_mapping(getattr(config, f.name))
            for f in dataclasses.fields(config)
            if f.init
        }
    if isinstance(config, Mapping):
        return {str(key): to_mapping(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_mapping(value) for value in config]
    return config


def to_yaml(config: Any) -> str:
    """Return the resolved configuration as YAML text that `load` reads back to an equal object."""
    text: str = yaml.safe_dump(to_mapping(config), sort_keys=False)
    return text


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data with everything of `first` and `second`; `second` goes before."""
    result = dict(first)
    for key, value in second.items():
        before = result.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set the value that `key.subkey=value` names, in place.

    Raises:
        ConfigError: it is not of that form, or a key on the way holds a value.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"override '{override}': expected KEY=VALUE, such as ppo.gamma=0.98")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"override '{override}': the value is not valid YAML") from None
    if isinstance(value, str):
        # PyYAML reads 1e-4 as a string; on a command line that spelling is common
        with contextlib.suppress(ValueError):
            value = float(value)
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"override '{override}': '{parent}' has no keys of its own")
    if last == "form" and data.get(last, value) != value:
        # what one form is set to means nothing to another
        data.clear()
    data[last] = value


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            options = [str(option) for option in typing.get_args(hint)]
            raise ConfigError(f"{where}: {unknown_name('value', str(value), options)}")
        return value
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), value, where)
    if origin in (dict, Mapping):
        _, value_hint = typing.get_args(hint)
        _expect(isinstance(value, dict), "keys and values", value, where)
        return {str(k): _convert(value_hint, v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        _expect(isinstance(value, dict), "keys and values", value, where)
        return from_mapping(typing.cast(type, hint), value, where)
    return _convert_scalar(hint, value, where)


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [option for option in options if option is not type(None)]
    if len(rest) == 1:
        return _convert(rest[0], value, where)
    tag = _tag(rest)
    if tag is not None:
        name, kinds = tag
        _expect(isinstance(value, dict), "keys and values", value, where)
        kind = value.get(name)
        if kind is None:
            raise ConfigError(f"{where}: key '{name}' is missing; valid are {', '.join(kinds)}")
        if kind not in kinds:
            raise ConfigError(f"{where}: {unknown_name(name, str(kind), kinds)}")
        return from_mapping(kinds[kind], value, where)
    for option in rest:
        try:
            return _convert(option, value, where)
        except ConfigError:
            continue
    raise ConfigError(f"{where}: got {_kind_of(value)}, which fits none of the accepted forms")


def _tag(options: list[Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the field that tells dataclasses apart, and the dataclass for each of its values.

    It is the first field of each, and a `Literal`.
    """
    kinds = {}
    names = set()
    for option in options:
        if not dataclasses.is_dataclass(option):
            return None
        name = dataclasses.fields(option)[0].name
        hint = typing.get_type_hints(option)[name]
        if typing.get_origin(hint) is not typing.Literal:
            return None
        names.add(name)
        kinds.update(dict.fromkeys(typing.get_args(hint), option))
    return (names.pop(), kinds) if len(names) == 1 else None


def _convert_tuple(options: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _expect(isinstance(value, (list, tuple)), "a list", value, where)
    if len(options) == 2 and options[1] is Ellipsis:
        return tuple(_convert(options[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    _expect(len(value) == len(options), f"a list of {len(options)}", value, where)
    return tuple(
        _convert(o, v, f"{where}[{i}]") for i, (o, v) in enumerate(zip(options, value, strict=True))
    )


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _expect(number, "a number", value, where)
        _expect(abs(value) <= sys.float_info.max, "a finite number", value, where)
        return float(value) + 0.0  # -0.0 becomes 0.0: equal numbers must hash alike
    if hint is int:
        integer = isinstance(value, int) and not isinstance(value, bool)
        _expect(integer, "a whole number", value, where)
        return value
    if hint is bool:
        _expect(isinstance(value, bool), "true or false", value, where)
        return value
    if hint is str:
        _expect(isinstance(value, str), "text", value, where)
        return value
    raise TypeError(f"{where}: configuration fields of type {hint} are not supported")


def _expect(condition: bool, expected: str, value: Any, where: str) -> None:
    if not condition:
        hint = ""
        if isinstance(value, str) and expected == "a number":
            hint = "; write exponents as 1.0e-4 and leave out quotes"
        raise ConfigError(f"{where}: expected {expected}, got {_kind_of(value)}{hint}")


def _kind_of(value: Any) -> str:
    kinds = {str: "text", bool: "true/false", list: "a list", dict: "keys and values"}
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{kinds.get(type(value), type(value).__name__)} {shown}"
