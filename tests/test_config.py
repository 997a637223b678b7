from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trirl_robot.config import find_config, from_mapping, load, read_yaml, to_mapping, to_yaml
from trirl_robot.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    gamma: float = 0.99
    hidden: tuple[int, ...] = (64, 64)


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    steps: int = 10
    rate: float = 1.0
    fast: bool = False
    mode: Literal["fine", "coarse"] = "fine"
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    limit: float | None = None
    ppo: Inner = field(default_factory=Inner)
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps is {self.steps}, expected at least 1")


def outer(**data: object) -> Outer:
    return from_mapping(Outer, {"name": "a", **data}, "here")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"stpes": 3}, "here: unknown key 'stpes': did you mean 'steps'"),
        ({"ppo": {"gama": 0.9}}, "here: ppo: unknown key 'gama': did you mean 'gamma'"),
        ({"rate": "0.5"}, "here: rate: expected a number, got text '0.5'; write exponents"),
        ({"rate": True}, "expected a number, got true/false"),
        ({"rate": float("inf")}, "expected a finite number"),
        ({"rate": float("nan")}, "expected a finite number"),
        ({"rate": 10**400}, "expected a finite number"),
        ({"steps": 3.0}, "steps: expected a whole number, got float 3.0"),
        ({"steps": True}, "expected a whole number"),
        ({"steps": 0}, "here: steps is 0, expected at least 1"),
        ({"fast": 1}, "expected true or false"),
        ({"name": 3}, "name: expected text"),
        ({"mode": "fin"}, "unknown value 'fin': did you mean 'fine'"),
        ({"axis": [0, 1]}, "axis: expected a list of 3"),
        ({"axis": [0, "x", 1]}, r"axis\[1\]: expected a number"),
        ({"axis": "xyz"}, "axis: expected a list, got text"),
        ({"ppo": 3}, "ppo: expected keys and values"),
        ({"ppo": {"hidden": [64, 1.5]}}, r"ppo: hidden\[1\]: expected a whole number"),
        ({"weights": {"a": "b"}}, "weights.a: expected a number"),
        ({"limit": "none"}, "limit: expected a number"),
    ],
)
def test_what_is_wrong_is_refused_and_named(data, message):
    with pytest.raises(ConfigError, match=message):
        outer(**data)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="here: key 'name' is missing"):
        from_mapping(Outer, {}, "here")


def test_whole_numbers_serve_as_numbers_and_none_where_allowed():
    config = outer(rate=2, limit=None)
    assert config.rate == 2.0
    assert isinstance(config.rate, float)
    assert outer(limit=3).limit == 3.0


NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\ufffe\uffff")
)
CONFIGS = st.builds(
    Outer,
    name=TEXT,
    steps=st.integers(1, 10**12),
    rate=NUMBER,
    fast=st.booleans(),
    mode=st.sampled_from(["fine", "coarse"]),
    axis=st.tuples(NUMBER, NUMBER, NUMBER),
    limit=st.none() | NUMBER,
    ppo=st.builds(Inner, gamma=NUMBER, hidden=st.lists(st.integers(1, 512)).map(tuple)),
    weights=st.dictionaries(TEXT, NUMBER, max_size=3),
)


@given(config=CONFIGS)
def test_yaml_reads_back_to_an_equal_configuration(config):
    assert from_mapping(Outer, yaml.safe_load(to_yaml(config)), "yaml") == config


@given(config=CONFIGS)
def test_plain_data_holds_no_tuple_and_no_dataclass(config):
    plain = to_mapping(config)
    assert type(plain["axis"]) is list
    assert type(plain["ppo"]) is dict
    assert from_mapping(Outer, plain, "plain") == config


def test_overrides_come_last_and_reach_nested_keys(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: a\nppo:\n  gamma: 0.9\n")
    config = load(Outer, path, ["ppo.gamma=0.5", "rate=1e-4", "ppo.hidden=[8]", "fast=true"])
    assert config == outer(rate=1e-4, fast=True, ppo={"gamma": 0.5, "hidden": [8]})
    with pytest.raises(ConfigError, match="did you mean 'gamma'"):
        load(Outer, path, ["ppo.gama=0.5"])
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        load(Outer, path, ["ppo.gamma"])
    with pytest.raises(ConfigError, match="'gamma' has no keys of its own"):
        load(Outer, path, ["ppo.gamma.deep=1"])


def test_an_exponent_without_a_point_gets_a_hint(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: a\nrate: 1e-4\n")
    with pytest.raises(ConfigError, match=r"run\.yaml: rate: .*write exponents as 1\.0e-4"):
        load(Outer, path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: no such file"):
        read_yaml(tmp_path / "no.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1,\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(bad)
    bad.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_yaml(bad)
    bad.write_text("- 1\n")
    with pytest.raises(ConfigError, match="expected keys and values, got a list"):
        read_yaml(bad)
    bad.write_text("")
    assert read_yaml(bad) == {}


def test_a_built_in_name_and_a_path_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("trirl_robot.config.CONFIGS", tmp_path)
    file = tmp_path / "robots" / "so101.yaml"
    file.parent.mkdir()
    file.write_text("")
    assert find_config("robots", "so101") == file
    assert find_config("robots", str(file)) == file
    with pytest.raises(ConfigError, match="unknown robot 'so100': did you mean 'so101'"):
        find_config("robots", "so100")
    with pytest.raises(ConfigError, match="no such file"):
        find_config("robots", "missing.yaml")


@dataclass(frozen=True, kw_only=True)
class Cat:
    animal: Literal["cat"] = "cat"
    lives: int


@dataclass(frozen=True, kw_only=True)
class Dog:
    animal: Literal["dog", "puppy"] = "dog"
    tricks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Owner:
    pet: Cat | Dog


def test_a_union_of_dataclasses_is_told_apart_by_its_first_field():
    assert from_mapping(Cat | Dog, {"animal": "cat", "lives": 7}, "f") == Cat(lives=7)
    owner = from_mapping(Owner, {"pet": {"animal": "puppy", "tricks": ["roll"]}}, "f")
    assert owner.pet == Dog(animal="puppy", tricks=("roll",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"lives": 7}, "f: key 'animal' is missing; valid are cat, dog, puppy"),
        ({"animal": "catt", "lives": 7}, "f: unknown animal 'catt': did you mean 'cat'"),
        ({"animal": "cat", "livs": 7}, "f: unknown key 'livs': did you mean 'lives'"),
        ({"animal": "dog", "lives": 7}, "f: unknown key 'lives'"),
    ],
)
def test_the_error_is_about_the_kind_that_was_meant(data, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Cat | Dog, data, "f")
