"""S3 object stores: a bucket that exists, answers, and belongs to one registry."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.object_store import Objects, Store, hint_of
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.object_store import Listing

__all__ = ["BucketPresent", "Claimed", "Has", "bucket_present", "claimed", "has"]

_OWNERS = "runbook-owner/"
_MISSING = "store.bucket"


@dataclass(frozen=True)
class BucketPresent(Operation):
    """A bucket exists, and the host may use it with its keys.

    Args:
        store: The bucket.
        create: Whether a missing bucket is made; False: it is refused.
    """

    store: Store
    create: bool = True

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what the bucket has."""
        return (Objects(self.store),)

    def plan(self, facts: Facts) -> Plan:
        """Make the bucket if the store says that it is missing."""
        listing = facts[Objects(self.store)]
        if not listing.problem:
            return Plan()
        if listing.cause != _MISSING or not self.create:
            _refuse(self.store, listing)
        command = self.store.ask(
            "", "--request", "PUT", "--fail-with-body", purpose=f"make {self.store.bucket}"
        )
        return Plan(commands=(command,), changes=(Change(f"bucket {self.store.bucket}", None, "made"),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the store lists the bucket."""
        return [_listed(self.store, facts[Objects(self.store)])]


@dataclass(frozen=True)
class Claimed(Operation):
    """One registry alone uses a folder of a bucket; an object with its name in the folder says so.

    The garbage collection of one registry deletes what is just being pushed to another one on the same objects.

    Args:
        store: The bucket.
        folder: As `registry`, without slashes at its ends.
        owner: The registry, as `192.168.7.31:5000`.
    """

    store: Store
    folder: str
    owner: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return who has claimed the folder."""
        return (self._claims,)

    def plan(self, facts: Facts) -> Plan:
        """Claim a folder that nobody has claimed."""
        listing = facts[self._claims]
        if listing.problem:
            _refuse(self.store, listing)
        others = [owner for owner in self._owners(listing) if owner != self.owner]
        if others:
            raise PlanRefused(
                f"/{self.folder} in the bucket {self.store.bucket} is used by the registry {', '.join(others)}: the "
                "garbage collection of one registry would delete what is being pushed to the other",
                hint="use another bucket or folder; or, if that registry is gone for good, delete the object "
                f"{self._prefix}{others[0]}",
            )
        if listing.keys:
            return Plan()
        key = urllib.parse.quote(self._prefix + self.owner, safe="/")
        put = self.store.ask(
            f"/{key}", "--request", "PUT", "--fail-with-body", purpose="claim the folder for this registry"
        )
        claim = Change(f"registry of /{self.folder} in {self.store.bucket}", None, self.owner)
        return Plan(commands=(put,), changes=(claim,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that this registry is the only one."""
        listing = facts[self._claims]
        owners = ", ".join(self._owners(listing)) or listing.problem or "none"
        name = f"registries that use /{self.folder} in the bucket {self.store.bucket}"
        return [Check.equal(name, self.owner, owners, "object_store.owner")]

    @property
    def _prefix(self) -> str:
        return f"{self.folder}/{_OWNERS}"

    @property
    def _claims(self) -> Objects:
        return Objects(self.store, self._prefix)

    def _owners(self, listing: Listing) -> list[str]:
        return [key.removeprefix(self._prefix) for key in listing.keys]


@dataclass(frozen=True)
class Has(Probe):
    """A bucket has objects below a folder.

    Args:
        store: The bucket.
        folder: As `registry/docker`, without slashes at its ends.
    """

    store: Store
    folder: str

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the objects."""
        return (Objects(self.store, f"{self.folder}/"),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that there is one at least."""
        (fact,) = self.facts()
        listing = facts[fact]
        count = f"{len(listing.keys)}{' and more' if listing.more else ''}"
        name = f"objects below /{self.folder} in the bucket {self.store.bucket}"
        holds = bool(listing.keys) and not listing.problem
        return [Check(name, "1 or more", listing.problem or count, holds, "object_store.objects")]


def _refuse(store: Store, listing: Listing) -> None:
    raise PlanRefused(
        f"{store.endpoint}, bucket {store.bucket}: {listing.problem}",
        hint=hint_of(listing.cause) or "correct the runbook's parameters, or the store; then run this again",
    )


def _listed(store: Store, listing: Listing) -> Check:
    name = f"the store {store.endpoint} lists the bucket"
    observed = listing.problem or store.bucket
    return Check.equal(name, store.bucket, observed, "object_store.bucket")


bucket_present = BucketPresent
claimed = Claimed
has = Has
