"""Versions are ordered as the real dpkg and rpm order them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.errors import FactError
from runbook_lib.operations.package_versions import compare, newer, upstream

KERNELS = [
    "6.1.0-9", "6.1.0-10", "6.1.140-1", "6.1.99-1", "6.12.117-1~deb12u1", "6.12.117-1", "6.12~rc3-1~exp1",
    "5.10.0+bpo-1", "1:4.19-1", "6.1.140-1+b1",
]  # fmt: skip
ELS = [
    "2.6.32-431.23.3.el6", "2.6.32-431.el6", "3.10.59-1.el6.elrepo", "5.4.278-1.el9.elrepo", "5.14.0-70.13.1.el9_0",
    "5.14.0-427.13.1.el9_4", "5.14.0-427.el9", "6.10~rc1-1.el9", "6.10-1.el9", "6.10^git1-1.el9", "6.9.10-1.el9",
]  # fmt: skip
PIECES = st.lists(
    st.sampled_from([*"0129", "10", "rc", "a", "el9", ".", "~", "+", "_"]), min_size=1, max_size=7
)
VERSION = st.builds(
    lambda first, rest, release: f"{first}{''.join(rest)}-{release}",
    st.integers(0, 12),
    PIECES,
    st.integers(1, 12),
)


def by_dpkg(one: str, other: str) -> int:
    def holds(sign: str) -> bool:
        return subprocess.run(["dpkg", "--compare-versions", one, sign, other], check=False).returncode == 0

    return int(holds("gt")) - int(holds("lt"))


def by_rpm(one: str, other: str) -> int:
    def epoch_version_release(text: str) -> list[str]:
        return text.rsplit("-", 1)

    for first, second in zip(epoch_version_release(one), epoch_version_release(other), strict=True):
        script = f"%{{lua:print(rpm.vercmp('{first}','{second}'))}}"
        done = subprocess.run(["rpm", "--eval", script], capture_output=True, text=True, check=True)
        if int(done.stdout):
            return int(done.stdout)
    return 0


needs_dpkg = pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
needs_rpm = pytest.mark.skipif(
    shutil.which("rpm") is None, reason="rpm is not installed: apt-get install rpm"
)


@needs_dpkg
@pytest.mark.parametrize("one", KERNELS)
def test_kernel_packages_of_debian_are_ordered_as_by_dpkg(one: str) -> None:
    for other in KERNELS:
        assert compare("debian", one, other) == by_dpkg(one, other), (one, other)


@needs_rpm
@pytest.mark.parametrize("one", ELS)
def test_kernel_packages_of_el_are_ordered_as_by_rpm(one: str) -> None:
    for other in ELS:
        assert compare("el", one, other) == by_rpm(one, other), (one, other)


@needs_dpkg
@settings(max_examples=60, deadline=None)
@given(VERSION, VERSION)
def test_any_versions_are_ordered_as_by_dpkg(one: str, other: str) -> None:
    one, other = one.replace("_", "."), other.replace("_", ".")
    assert compare("debian", one, other) == by_dpkg(one, other)


@needs_rpm
@settings(max_examples=60, deadline=None)
@given(VERSION, VERSION)
def test_any_versions_are_ordered_as_by_rpm(one: str, other: str) -> None:
    assert compare("el", one, other) == by_rpm(one, other)


def test_ten_is_newer_than_nine() -> None:
    assert newer("debian", "6.1.0-10", "6.1.0-9")
    assert newer("el", "6.10-1", "6.9-1")
    assert upstream("6.12.117+deb12-cloud-amd64") > upstream("6.9")
    assert upstream("2.6.32-431.23.3.el6.x86_64") < upstream("3.8") < upstream("3.10")


@pytest.mark.parametrize(("family", "version"), [("debian", "not a version"), ("debian", ""), ("other", "1")])
def test_malformed_version_or_unknown_family_is_refused(family: str, version: str) -> None:
    with pytest.raises(FactError):
        compare(family, version, "1-1")


def test_malformed_kernel_release_is_refused() -> None:
    with pytest.raises(FactError, match="'amd64' is not a kernel release"):
        upstream("amd64")
