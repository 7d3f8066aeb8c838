"""Finding peers: a Kademlia directory of announcements signed by nodes, and static peers."""

from tradercast.swarm.announcement import Announcement, topic_of_core, topic_of_root
from tradercast.swarm.directory import KademliaDirectory, Timing
from tradercast.swarm.discovery import Discovery, StaticPeers
from tradercast.swarm.held import Cover, announceable, covering, merge_ranges
from tradercast.swarm.lookup import KademliaLookup

__all__ = [
    "Announcement",
    "Cover",
    "Discovery",
    "KademliaDirectory",
    "KademliaLookup",
    "StaticPeers",
    "Timing",
    "announceable",
    "covering",
    "merge_ranges",
    "topic_of_core",
    "topic_of_root",
]
