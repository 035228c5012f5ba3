"""S3 object stores: the objects of a bucket, and why a store refuses.

A store is asked by a host, with the keys that the host has in a file. So no command and no record holds a key.
"""

from __future__ import annotations

import html
import re
import urllib.parse
from dataclasses import dataclass

from runbook_lib.errors import FactError, ParameterError
from runbook_lib.facts.base import Fact
from runbook_lib.facts.url import curl_problem
from runbook_lib.masking import excerpt, excerpt_of_end
from runbook_lib.model.commands import Command, Output

__all__ = ["ACCESS_KEY", "SECRET_KEY", "Cause", "Listing", "Objects", "Store", "cause_of", "hint_of"]

ACCESS_KEY = "REGISTRY_STORAGE_S3_ACCESSKEY"
"""Variable of the access key in a file with keys, as docker-registry reads it."""
SECRET_KEY = "REGISTRY_STORAGE_S3_SECRETKEY"  # noqa: S105 - a variable's name
"""Variable of the secret key."""

_NO_KEYS = 3  # exit code of the script if the file with the keys is missing
_TOO_OLD = 2  # exit code of a curl that does not know an option
_NOT_FOUND = 127  # exit code of a shell that does not find the program
_TIMEOUT = 15  # seconds for one answer of the store
# Of the two options that old versions lack, --aws-sigv4 came with curl 7.75, --fail-with-body with 7.76.
# The keys go from the file to curl's standard input: a command line can be read by every user of the host.
_ASK = rf"""keys=$1 region=$2; shift 2
[ -r "$keys" ] || {{ echo "keys are missing: $keys" >&2; exit {_NO_KEYS}; }}
command -v curl >/dev/null || exit {_NOT_FOUND}
curl --help all 2>/dev/null | grep -q -e --fail-with-body || {{
  echo "curl is too old: $(curl --version | head -n 1 | cut -d ' ' -f 1,2)" >&2; exit {_TOO_OLD}; }}
SSL_CERT_FILE=; . "$keys"
printf 'user = "%s:%s"\n' "${ACCESS_KEY}" "${SECRET_KEY}" |
  env -u CURL_CA_BUNDLE curl --silent --show-error --max-time {_TIMEOUT} ${{SSL_CERT_FILE:+--cacert "$SSL_CERT_FILE"}} \
    --aws-sigv4 "aws:amz:$region:s3" --write-out '\n%{{http_code}}' --config - "$@"
"""
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_KEY = re.compile(r"<Key>([^<]*)</Key>")
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,62}$")
_PAGE = 1000  # the most that a store lists in one answer


@dataclass(frozen=True)
class Cause:
    """Why a store does not do what it was asked for.

    Args:
        id: As `store.bucket`.
        words: The cause, for a reader.
        hint: What to do.
    """

    id: str
    words: str
    hint: str


_CAUSES = (
    (
        r"keys are missing",
        Cause(
            "store.keys",
            "the host has no keys",
            "keys in memory are lost when the host reboots: apply the step that writes them",
        ),
    ),
    (
        r"curl is too old",
        Cause(
            "store.curl",
            "the host's curl cannot sign requests to a store",
            "install curl 7.76 or newer, which Debian 12, Ubuntu 22.04 and EL 9 have",
        ),
    ),
    (
        r"InvalidAccessKeyId",
        Cause(
            "store.access-key",
            "the store does not know the access key",
            "correct the access key that the runbook's parameter refers to",
        ),
    ),
    (
        r"SignatureDoesNotMatch",
        Cause(
            "store.secret-key",
            "the secret key does not belong to the access key",
            "correct the secret key that the runbook's parameter refers to",
        ),
    ),
    (
        r"NoSuchBucket",
        Cause("store.bucket", "the bucket does not exist", "correct the bucket's name, or create the bucket"),
    ),
    (
        r"certificate has expired",
        Cause("store.certificate-expired", "the store's certificate has expired", "renew that certificate"),
    ),
    (
        r"signed by unknown authority|unable to get local issuer|self[- ]signed certificate",
        Cause(
            "store.certificate-untrusted",
            "the host does not trust the authority that issued the store's certificate",
            "make the host trust that authority, or give its certificate to the runbook",
        ),
    ),
    (
        r"x509: certificate is (?:not )?valid for|IP SANs|no alternative certificate subject name",
        Cause(
            "store.certificate-name",
            "the store's certificate is for another name",
            "use a name of the certificate in the store's URL",
        ),
    ),
    (
        r"QuotaExceeded|StorageFull|InsufficientStorage|no space left|status code: 507",
        Cause("store.full", "the store is full", "make room in the store, or raise its quota"),
    ),
    (
        r"RequestTimeTooSkewed",
        Cause(
            "store.clock",
            "the clocks of the host and the store differ",
            "set the clocks by NTP, then try again",
        ),
    ),
    (
        r"AccessDenied|status code: 403",
        Cause(
            "store.permission",
            "the access key lacks a permission in the bucket",
            "allow the access key to list, read, write and delete in the bucket",
        ),
    ),
    (
        r"connection refused|Failed to connect|Couldn't connect",
        Cause("store.stopped", "nothing listens at the store's address", "start the store"),
    ),
    (
        r"no such host|Could not resolve",
        Cause("store.name", "the store's name is unknown", "correct the store's URL, or the name server"),
    ),
    (
        r"i/o timeout|timed out|deadline exceeded|Timeout exceeded",
        Cause("store.silent", "the store does not answer in time", "check the store, and firewalls between"),
    ),
    (
        r"InternalError|ServiceUnavailable|SlowDown|status code: 50\d",
        Cause("store.failing", "the store answers with a server error", "look at the store's own log"),
    ),
)


def cause_of(text: str) -> Cause | None:
    """Return why a store refused, by the words of a client of it; None if no cause is known for the words.

    Args:
        text: A line that curl or docker-registry has printed, or an error code of S3.

    >>> cause_of("s3aws: NoSuchBucket: The specified bucket does not exist").id
    'store.bucket'
    """
    return next((cause for pattern, cause in _CAUSES if re.search(pattern, text)), None)


def hint_of(cause: str) -> str:
    """Return what to do about a cause; empty if there is nothing to say.

    Args:
        cause: Its id, as in `Listing.cause`.
    """
    return next((known.hint for _, known in _CAUSES if known.id == cause), "")


@dataclass(frozen=True)
class Store:
    """A bucket of an S3 store, and what a host needs to use it.

    Args:
        endpoint: URL of the store, as `https://192.168.7.254:9000`; no path.
        bucket: The bucket's name.
        region: As `us-west-1`.
        keys: File on the host with the keys (`ACCESS_KEY`, `SECRET_KEY`), as for a shell; only root reads it. The
            variable `SSL_CERT_FILE` in it names a file with the authorities to trust instead of the host's own.

    Raises:
        ParameterError: The endpoint is not a URL, or the bucket's name is not one.
    """

    endpoint: str
    bucket: str
    region: str
    keys: str

    def __post_init__(self) -> None:
        """Refuse what is not an endpoint or a bucket."""
        try:
            parts = urllib.parse.urlsplit(self.endpoint)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.path or parts.query or not self.endpoint.isprintable() or " " in self.endpoint:
            raise ParameterError(
                f"{self.endpoint!r} is not the URL of a store",
                hint="as in https://s3.example.com, without a path",
            )
        if not _NAME.match(self.bucket):
            raise ParameterError(
                f"{self.bucket!r} is not the name of a bucket", hint="lowercase letters, digits, '-' and '.'"
            )

    def ask(self, path: str, *options: str, purpose: str = "", accept: tuple[int, ...] = (0,)) -> Command:
        """Return the command that sends the store a request, signed with the host's keys.

        Args:
            path: Below the bucket, with its query; encoded as in a URL, the query in alphabetical order.
            options: Further options for curl.
            purpose: Explanation for the reader.
            accept: Exit codes that count as success.
        """
        url = f"{self.endpoint}/{self.bucket}{path}"
        argv = ("sh", "-c", _ASK, "sh", self.keys, self.region, *options, url)
        return Command(argv, sudo=True, accept=accept, timeout=2.0 * _TIMEOUT, purpose=purpose)


@dataclass(frozen=True)
class Listing:
    """The objects of a bucket.

    Args:
        keys: The first 1000 keys, in alphabetical order.
        more: Whether there are more.
        problem: Why the store does not list the bucket; empty if it does.
        cause: Id of the cause, as `store.bucket`; empty if there is no problem, or its cause is not known.
    """

    keys: tuple[str, ...] = ()
    more: bool = False
    problem: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Objects(Fact[Listing]):
    """The objects of a bucket whose keys begin with a prefix, as the store lists them for the host.

    Args:
        store: The bucket.
        prefix: As `registry/`.
    """

    store: Store
    prefix: str = ""

    def request(self) -> Command:
        """Return the command."""
        prefix = urllib.parse.quote(self.prefix, safe="")
        query = f"?list-type=2&max-keys={_PAGE}&prefix={prefix}"
        return self.store.ask(query, accept=tuple(range(256)))

    def parse(self, output: Output) -> Listing:
        """Return the listing: the last line is the status code."""
        if output.exit_code is None:
            raise FactError(f"{self.label}: {output.problem}")
        if output.exit_code == _NOT_FOUND:
            raise FactError(f"{self.label}: curl is not installed on the host", hint="install curl there")
        if output.exit_code == _NO_KEYS:
            return _refused(excerpt(output.stderr.strip(), 200))
        if output.exit_code != 0:
            return _refused(curl_problem(output))
        body, _, status = output.stdout.rpartition("\n")
        if not (status.isascii() and status.isdecimal()):
            raise FactError(f"{self.label}: unexpected output {excerpt_of_end(output.stdout, 80)!r}")
        if status != "200":
            code = _CODE.search(body)
            return _refused(f"{code[1]} (status code: {status})" if code else f"status code: {status}")
        if "<ListBucketResult" not in body:
            raise FactError(
                f"{self.label}: the answer is not a list of objects: {excerpt(body, 80)!r}",
                hint="find out what listens at the endpoint",
            )
        keys = tuple(html.unescape(key) for key in _KEY.findall(body))
        return Listing(keys, more="<IsTruncated>true</IsTruncated>" in body)

    def absent(self) -> Listing:
        """Return that nothing is known: the host has no keys yet."""
        return _refused("keys are missing")

    @property
    def label(self) -> str:
        """Where the objects are."""
        return f"{self.id}({self.store.endpoint}/{self.store.bucket}/{self.prefix})"


def _refused(observed: str) -> Listing:
    cause = cause_of(observed)
    return Listing(
        problem=f"{cause.words}: {observed}" if cause else observed, cause=cause.id if cause else ""
    )
