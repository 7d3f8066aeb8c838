"""Hypercore as Python sees it: signed logs of opaque blocks, kept by a sidecar process."""

from tradercast.log.answers import AppendResult, CoreInfo, Progress
from tradercast.log.core import Core
from tradercast.log.events import OVERFLOW, RESTART, Event, EventStream
from tradercast.log.launch import SidecarOptions
from tradercast.log.node import NodeInfo, find_node
from tradercast.log.proof import BlockProof, Checkpoint, TreeNode, core_key
from tradercast.log.store import LogStore
from tradercast.log.swarm import Dialled, Note, Swarm, SwarmAddress, Topics, note

__all__ = [
    "OVERFLOW",
    "RESTART",
    "AppendResult",
    "BlockProof",
    "Checkpoint",
    "Core",
    "CoreInfo",
    "Dialled",
    "Event",
    "EventStream",
    "LogStore",
    "NodeInfo",
    "Note",
    "Progress",
    "SidecarOptions",
    "Swarm",
    "SwarmAddress",
    "Topics",
    "TreeNode",
    "core_key",
    "find_node",
    "note",
]
