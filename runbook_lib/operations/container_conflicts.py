"""What keeps a container from being made or started: its name, its image or its ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.container import ContainerState, ContainerSummary
    from runbook_lib.facts.image import ImageState
    from runbook_lib.facts.ports import Listener

__all__ = ["refuse_foreign", "refuse_taken_ports", "require_image"]


def refuse_foreign(name: str, container: ContainerState | None) -> None:
    """Refuse to touch a container that no runbook made.

    Args:
        name: The container's name.
        container: The container of that name.

    Raises:
        PlanRefused: No runbook made it.
    """
    if container and container.spec is None:
        raise PlanRefused(
            f"the name {name!r} is used by another container, which was not made by a runbook",
            hint=f"rename or remove it (`docker rename {name} …`), or give the runbook another name",
        )


def require_image(name: str, image: ImageState | None) -> ImageState:
    """Return the image.

    Args:
        name: Its name, for the message.
        image: The image; None if it is not on the host.

    Raises:
        PlanRefused: It is not on the host.
    """
    if image is None:
        raise PlanRefused(
            f"image {name!r} is not on the host", hint="add a step with image.present before this one"
        )
    return image


def refuse_taken_ports(
    publish: Sequence[str],
    container: ContainerState | None,
    listeners: tuple[Listener, ...],
    containers: tuple[ContainerSummary, ...],
) -> None:
    """Refuse to publish a port that something else on the host has, and name what has it.

    Args:
        publish: The ports to publish, as `6379:6379`.
        container: The container that is to publish them, which may have them already.
        listeners: The host's listening ports.
        containers: The host's containers.

    Raises:
        PlanRefused: A port is taken.
    """
    own = container.ports if container and container.running else ()
    published = {item.split(":")[0] for item in own}
    for port in publish:
        number = int(port.split(":")[0])
        taken = [listener for listener in listeners if listener.port == number]
        if str(number) in published or not taken:
            continue
        program = f"{taken[0].program or 'another program'} on {taken[0].address}"
        holder = _publisher(containers, number)
        raise PlanRefused(
            f"port {number} is in use by " + (f"the container {holder!r} ({program})" if holder else program),
            hint=f"stop that {'container' if holder else 'program'}, or publish another port",
        )


def _publisher(containers: tuple[ContainerSummary, ...], port: int) -> str:
    """Return the name of the container that publishes a TCP port; empty if none does."""
    for container in containers:
        for published in container.ports:
            if published.startswith(f"{port}:") and published.endswith("/tcp"):
                return container.name
    return ""
