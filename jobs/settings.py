"""Settings: flag over environment over `ringlight.toml` over default.

General settings are fields of `Settings`; each step adds its own `Config` as a section of its name, so that a new step
brings its settings along. `train.interval_days` is, in `ringlight.toml`, `interval_days` under `[train]`; in the
environment RINGLIGHT_TRAIN__INTERVAL_DAYS; as a flag `--set train.interval_days=7`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from graph.errors import InputError
from jobs.console.config import ConsoleConfig
from jobs.night import StepConfig
from jobs.steps import STEPS, load_step

__all__ = ["MOST_PARTITIONS", "SETTINGS_FILE", "Settings", "describe", "flat", "nested", "read_settings"]

SETTINGS_FILE = "ringlight.toml"
MOST_PARTITIONS = 4096
ENV_PREFIX = "RINGLIGHT_"
SERVICES: dict[str, type[StepConfig]] = {"console": ConsoleConfig}  # what has a section of its own and is no step
SECTIONS = (*STEPS, *SERVICES)


class Settings(BaseModel):
    """What holds for a run. Frozen and picklable.

    Attributes:
        steps: each step's and service's own settings, by its name.
        origins: where a value that is not the default came from, by its dotted name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Those that change how a night runs, never what it finds.
    EXECUTION: ClassVar[frozenset[str]] = frozenset(
        {"n_threads", "memory_bytes", "metrics_path", "store_home", "place"}
    )

    capacity: int = Field(50, ge=1, description="cases that investigators can review in a day")
    seed: int = Field(0, ge=0, description="seed of all that is drawn")
    n_partitions: int = Field(
        0,
        ge=0,
        le=MOST_PARTITIONS,
        description="hash partitions that the accounts are cut into; 0 = by the size of the events",
    )
    n_threads: int = Field(0, ge=0, description="cores to use on this machine; 0 = all")
    memory_bytes: int = Field(4 * 1024**3, ge=1024**3, description="memory that a local run may take")
    metrics_path: Path | None = Field(None, description="the Prometheus textfile; default: LAKE/metrics.prom")
    store_home: Path | None = Field(None, description="folder of the local Neo4j; default: in the user's data folder")
    place: Path | None = Field(
        None,
        description="the working place of events and lakes at URLs, a folder that all nodes see; default: in the user's cache",
    )
    steps: dict[str, StepConfig] = Field(default_factory=dict, exclude=True)
    origins: dict[str, str] = Field(default_factory=dict, exclude=True)

    def general(self) -> dict[str, Any]:
        """The general settings that change what a night finds, by name."""
        return {name: value for name, value in self.model_dump(mode="json").items() if name not in self.EXECUTION}

    def of_step(self, name: str) -> StepConfig:
        """The settings of one step."""
        return self.steps[name] if name in self.steps else load_step(name).Config()

    @property
    def console(self) -> ConsoleConfig:
        """The settings of the console."""
        held = self.steps.get("console")
        return held if isinstance(held, ConsoleConfig) else ConsoleConfig.model_validate({})


_OWN = ("steps", "origins")


def read_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings that hold.

    Args:
        flags: values given on the command line, by dotted name.
        environment: the process's environment; None reads none.
        file: the settings file; a missing one is empty.

    Raises:
        InputError: with every fault: names that do not exist (the valid ones are listed), values that are out of range.
    """
    layers = {
        "flag": nested(flags or {}),
        "environment": _environment_layer(environment or {}),
        SETTINGS_FILE: _file_layer(file),
    }
    try:
        values = _settings_class(layers)()
    except ValidationError as error:
        faults = _faults(error, layers)
        raise InputError("The settings must be valid; these are not:", faults) from None
    general = {name: getattr(values, name) for name in Settings.model_fields if name not in _OWN}
    origins = {name: layer for layer in reversed(layers) for name in flat(layers[layer])}
    return Settings(**general, steps={name: getattr(values, name) for name in SECTIONS}, origins=origins)


def describe(settings: Settings) -> list[str]:
    """Each setting's name, value and where it came from, one line each, as `ringlight config` prints them."""
    lines = []
    for name, (_, info) in _fields().items():
        if name in SECTIONS:
            section = settings.console if name in SERVICES else settings.of_step(name)
            entries = [
                (f"{name}.{own}", getattr(section, own), field) for own, field in type(section).model_fields.items()
            ]
        else:
            entries = [(name, getattr(settings, name), info)]
        lines += [
            f"{dotted} = {'' if value is None else value}  ({settings.origins.get(dotted, 'default')})  # {field.description}"
            for dotted, value, field in entries
        ]
    return lines


def _fields() -> dict[str, Any]:
    general = {name: (info.annotation, info) for name, info in Settings.model_fields.items() if name not in _OWN}
    classes = {name: load_step(name).Config for name in STEPS} | SERVICES
    return general | {name: (config, Field(default_factory=config)) for name, config in classes.items()}


def _settings_class(layers: Mapping[str, dict[str, Any]]) -> type[BaseSettings]:
    """A settings model with a section for each step, whose values come from the layers alone."""

    class Layer(PydanticBaseSettingsSource):
        def __init__(self, cls: type[BaseSettings], values: dict[str, Any]) -> None:
            super().__init__(cls)
            self.values = values

        def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
            return self.values.get(field_name), field_name, False

        def __call__(self) -> dict[str, Any]:
            return self.values

    class Base(BaseSettings):
        model_config = SettingsConfigDict(extra="forbid")

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Layer(settings_cls, values) for values in layers.values())

    return create_model("NightSettings", __base__=Base, **_fields())


def _environment_layer(environment: Mapping[str, str]) -> dict[str, Any]:
    """Values of RINGLIGHT_<NAME> and RINGLIGHT_<STEP>__<NAME>."""
    values: dict[str, Any] = {}
    for name, info in _fields().items():
        prefix = ENV_PREFIX + name.upper()
        if prefix in environment:
            values[name] = environment[prefix]
        if name in SECTIONS:
            own = {
                field: environment[f"{prefix}__{field.upper()}"]
                for field in info[0].model_fields
                if f"{prefix}__{field.upper()}" in environment
            }
            if own:
                values[name] = own
    return values


def _file_layer(file: Path | None) -> dict[str, Any]:
    if file is None or not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"`{file.name}` must be readable TOML; got a file that is not: {error}. Correct it.") from None


def _faults(error: ValidationError, layers: Mapping[str, dict[str, Any]]) -> list[str]:
    faults = []
    for fault in error.errors():
        names = [str(part) for part in fault["loc"]]
        name = ".".join(names)
        origin = next((layer for layer, values in layers.items() if _holds(values, name)), "default")
        if fault["type"] == "extra_forbidden":
            section = _fields().get(names[0]) if len(names) > 1 else None
            valid = section[0].model_fields if section else _fields()
            prefix = f"{names[0]}." if section else ""
            faults.append(
                f"`{name}` ({origin}) must be a setting that exists; valid: "
                + ", ".join(f"`{prefix}{known}`" for known in valid)
                + "."
            )
            continue
        constraint = fault["msg"].removeprefix("Input should ")
        faults.append(f"`{name}` ({origin}) must {constraint}; got `{fault['input']}`.")
    return faults


def _holds(values: Mapping[str, Any], name: str) -> bool:
    return any(known == name or known.startswith(f"{name}.") for known in flat(values))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = value
    return result


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, nested; the inverse of `flat`."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return result
