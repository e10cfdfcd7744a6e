"""What a run tells people: the model card."""

from lingualign.reporting.model_card import model_card

__all__ = ["model_card"]
