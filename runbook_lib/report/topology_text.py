"""The picture of hosts, bridges and containers in words: for those who do not see it, and for Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.report.topology import Card, Container, Picture

__all__ = ["picture_in_words", "way_in_words"]


def picture_in_words(drawn: Picture) -> list[tuple[int, str]]:
    """Return the picture as lines with their depth, for those who do not see it."""
    lines: list[tuple[int, str]] = []
    for host in drawn.hosts:
        lab = f", a practice host of lab {host.lab}" if host.lab else ""
        lines.append((0, f"Host {host.name} ({host.address}){lab}"))
        lines += [(1, _card_in_words(card)) for card in host.cards]
        for bridge in host.bridges:
            network = f" (Docker network {bridge.network})" if bridge.network else ""
            ports = [*bridge.cards, *([f"{bridge.veths} veth"] if bridge.veths else [])]
            told = f"Bridge {bridge.name}{network}: {_list(bridge.addresses)}; ports: {_list(ports)}"
            lines.append((1, told))
            lines += [(2, f"Container {name}") for name in bridge.containers]
        lines += [(1, _container_in_words(item)) for item in host.containers]
    for way in drawn.ways:
        verdict = "answers" if way.holds else f"does not answer as expected: {way.observed}"
        lines.append((0, f"{way.what} (asked on {way.source[0]}): {verdict}"))
    return lines


def way_in_words(drawn: Picture) -> str:
    """Return the way of the PING in one line, broken where a hop does not answer; empty without one.

    The hop that is broken is the lowest number: each higher one goes through it.
    """
    if not drawn.ways:
        return ""
    stations = list(dict.fromkeys(station for way in drawn.ways for station in (way.source, way.target)))
    line = "PING: " + " → ".join(f"{container} ({host})" for host, container in stations)
    broken = [way for way in drawn.ways if not way.holds]
    if broken:
        return f"{line}: ✗ no PONG; the break is at {broken[-1].what}"
    return f"{line}: PONG ✓"


def _card_in_words(card: Card) -> str:
    bridge = f"a port of {card.bridge}" if card.bridge else _list(card.addresses)
    leads = f"; leads to the physical network {card.subnet}" if card.subnet else ""
    return f"Card {card.name}: {bridge}{leads}"


def _container_in_words(item: Container) -> str:
    ports = f"; published: {_list(item.ports)}" if item.ports else ""
    image = f", image {item.image}" if item.image else ""
    return f"Container {item.name} ({item.state}{image}): {_list(item.addresses)}{ports}"


def _list(items: list[str]) -> str:
    return ", ".join(items) or "no address"
