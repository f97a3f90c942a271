"""Order of steps from what they declare."""

import pytest

from jobs.night import StepConfig
from jobs.steps import STEPS, load_step, order_steps


def test_a_step_comes_after_those_it_reads_whatever_the_order_of_lines():
    order = order_steps({"report": ("score", "links"), "score": ("links",), "links": (), "store": ("report",)})
    assert order == ["links", "score", "report", "store"]


def test_steps_that_are_free_to_run_keep_the_order_of_their_lines():
    assert order_steps({"c": (), "a": (), "b": ("c",)}) == ["c", "a", "b"]


def test_an_unregistered_step_is_refused_by_name():
    with pytest.raises(ValueError, match="lincs"):
        order_steps({"links": (), "score": ("lincs",)})


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="circles"):
        order_steps({"a": ("b",), "b": ("a",)})


def test_every_registered_step_keeps_the_protocol():
    order_steps({name: load_step(name).READS for name in STEPS})
    for name in STEPS:
        step = load_step(name)
        assert issubclass(step.Config, StepConfig), name
        step.Config()  # each setting has a default
        for field, info in step.Config.model_fields.items():
            assert info.description, f"{name}.{field} needs a description for `ringlight config`"
