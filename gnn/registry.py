"""The models, by name. To add one: a class that is a `ModelKind`, and its line here."""

from collections.abc import Mapping

from gnn.model_types import ModelKind
from gnn.sage_model import Sage
from gnn.trees import Trees

__all__ = ["BLEND", "MEMBERS", "MODELS"]

MEMBERS: Mapping[str, type[ModelKind]] = {
    "trees": Trees,
    "sage": Sage,
}
BLEND = "blend"  # the members' mean in log odds
MODELS: tuple[str, ...] = (*MEMBERS, BLEND)
