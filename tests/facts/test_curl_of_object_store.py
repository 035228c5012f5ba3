"""Which curl can ask an S3 store: one that is too old is named, before it is given the keys."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.object_store import Listing, Objects, Store
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from pathlib import Path

CURL = """case $* in
--version) echo "curl {version} (x86_64) libcurl/{version}"; echo "Features: SSL" ;;
"--help all") printf '%s\\n' {options} ;;
*) cat > "$PLACE/asked"; case "$*" in *--aws-sigv4*) [ -n "$SIGNS" ] || exit 2 ;; esac
  printf '<ListBucketResult><Key>a</Key></ListBucketResult>\\n200' ;;
esac
"""


def ask(place: Path, version: str, *options: str) -> Listing:
    keys = place / "keys.env"
    keys.write_text("REGISTRY_STORAGE_S3_ACCESSKEY=a\nREGISTRY_STORAGE_S3_SECRETKEY=b\n", encoding="utf-8")
    curl = place / "curl"
    words = " ".join(f"'     {option}  Some words'" for option in options)
    curl.write_text("#!/bin/sh\n" + CURL.format(version=version, options=words), encoding="utf-8")
    curl.chmod(0o755)
    fact = Objects(Store("https://store:9000", "acme", "eu-1", str(keys)))
    signs = "yes" if "--aws-sigv4" in options else ""
    done = subprocess.run(
        fact.request().argv,
        env={"PATH": f"{place}:{os.environ['PATH']}", "PLACE": str(place), "SIGNS": signs},
        capture_output=True,
        text=True,
        check=False,
    )
    return fact.parse(Output(done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize(
    ("version", "options"),
    [("7.61.1", ("--fail",)), ("7.74.0", ("--fail", "--fail-early")), ("7.75.0", ("--aws-sigv4", "--fail"))],
)
def test_a_curl_without_the_options_is_too_old(
    tmp_path: Path, version: str, options: tuple[str, ...]
) -> None:
    listing = ask(tmp_path, version, *options)
    assert listing.cause == "store.curl"
    assert listing.problem.endswith(f"curl is too old: curl {version}")
    assert not (tmp_path / "asked").exists()


def test_a_newer_curl_is_asked(tmp_path: Path) -> None:
    assert ask(tmp_path, "7.76.0", "--aws-sigv4", "--fail", "--fail-with-body") == Listing(("a",))
