"""The identity registry: who may connect, and what its twin says."""

from fencepost.service.registry.drafts import Draft, RegistryCounts, TwinPatch, Wanted
from fencepost.service.registry.ports import Note
from fencepost.service.registry.registry import Registry

__all__ = ["Draft", "Note", "Registry", "RegistryCounts", "TwinPatch", "Wanted"]
