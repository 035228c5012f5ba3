"""Every kind of inventory becomes the same hosts, groups and variables; a wrong one is refused with its place."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from runbook_lib import project
from runbook_lib.errors import InventoryError
from runbook_lib.inventories.kinds import ansible_inventory
from runbook_lib.inventories.program import program_output
from runbook_lib.inventory import Inventory
from tests.counted_calls import counted_calls
from tests.deadlines import deadline
from tests.inventories.inventory_files import JUMP, write

FILES = Path(__file__).parent / "files"
RECORDED = FILES / "ansible_list.json"
"""What ansible-inventory of ansible-core 2.19 printed for `ansible/hosts.ini`."""


def program(place: Path, script: str, name: str = "inventory") -> Path:
    return write(place / name, f"#!/bin/sh\n{script}\n", 0o755)


def listed(groups: dict[str, Any], **hostvars: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps({**groups, "_meta": {"hostvars": hostvars}})


def check_site(inventory: Inventory) -> None:
    """Check the hosts of `ansible/hosts.ini`."""
    web, db = inventory.hosts["web-3"], inventory.hosts["db-1"]
    assert (web.target, web.port, web.identity_file, web["tier"]) == (
        "10.0.0.3",
        2222,
        "~/.ssh/id_ops",
        "canary",
    )
    assert web.proxy_command == f"{JUMP} -W '[%h]:%p' ssh://ops@bastion:2200"
    assert (db.connection, db.sudo_password, db["ntp"]) == ("local", "${env:SUDO_PASSWORD}", ["a", "b"])
    assert inventory.hosts["web-1"].user == "ops"
    assert [host.name for host in inventory.select("web,!web-2")] == ["web-1", "web-3"]
    assert len(inventory.select("site")) == 4


def test_what_ansible_inventory_printed_is_read_from_a_file() -> None:
    inventory = Inventory.load(RECORDED)
    check_site(inventory)
    digest = hashlib.sha256(RECORDED.read_bytes()).hexdigest()
    assert (inventory.kind, inventory.sha256, inventory.path) == ("json", digest, RECORDED)


def test_an_ansible_inventory_is_read_by_ansible_inventory_itself() -> None:
    """With ansible-core, a package of the extra `test`."""
    inventory = Inventory.load(FILES / "ansible" / "hosts.ini")
    check_site(inventory)
    assert inventory.kind == "ansible"
    with pytest.raises(InventoryError, match="no such file"):
        Inventory.load("ansible:/nonexistent/hosts.ini")


def test_an_ansible_inventory_that_cannot_be_read_is_not_one_without_hosts(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.ini", "[db\nhost-a\n")
    with pytest.raises(InventoryError, match="No inventory was parsed") as refused:
        Inventory.load(path)
    assert f"run it by hand: {ansible_inventory(path)[0]} -i {path} --list" in str(refused.value.hint)


def test_without_ansible_inventory_the_message_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(InventoryError, match="only ansible-inventory can read") as refused:
        Inventory.load(FILES / "ansible" / "hosts.ini")
    assert "ansible-inventory -i hosts.ini --list > inventory.json" in str(refused.value.hint)


def test_a_program_prints_an_inventory_with_variables_of_groups(tmp_path: Path) -> None:
    groups = {
        "all": {"children": ["site"], "vars": {"a": "all", "b": "all", "c": "all", "d": "all"}},
        "site": {"children": ["web"], "vars": {"b": "site", "c": "site", "d": "site"}},
        "web": {"hosts": ["w"], "vars": {"c": "web", "d": "web"}},
        "old": ["w", "x"],
    }
    printed = listed(groups, w={"d": "own", "ansible_host": "10.0.0.9"})
    path = program(tmp_path, f"test \"$*\" = --list || exit 9\necho warning >&2\nprintf '%s' '{printed}'")
    inventory = Inventory.load(path)
    assert inventory.hosts["w"].variables == {"a": "all", "b": "site", "c": "web", "d": "own"}
    assert inventory.hosts["x"].variables == {"a": "all", "b": "all", "c": "all", "d": "all"}
    assert inventory.groups == {"site": ["w"], "web": ["w"], "old": ["w", "x"]}
    assert (inventory.kind, inventory.sha256) == ("program", hashlib.sha256(printed.encode()).hexdigest())


def stacked(layers: int) -> str:
    """Return groups of which each but the last two is in both groups of the layer above."""
    children = {
        f"{side}{layer}": {
            "children": [f"left{layer + 1}", f"right{layer + 1}"],
            "vars": {"a": f"{side}{layer}"},
        }
        for layer in range(layers)
        for side in ("left", "right")
    }
    bottom = {f"{side}{layers}": {"hosts": [side, "both"]} for side in ("left", "right")}
    return listed({**children, **bottom})


def test_groups_that_many_groups_contain_are_visited_once(tmp_path: Path) -> None:
    calls = {}
    for layers in (20, 40):
        path = write(tmp_path / f"{layers}.json", stacked(layers))
        with counted_calls() as counts:
            inventory = Inventory.load(path)
        calls[layers] = sum(count for name, count in counts.items() if ".ansible_json." in name)
        assert inventory.groups["right0"] == ["left", "both", "right"]
        assert inventory.hosts["both"].variables == {"a": f"right{layers - 1}"}
    assert calls[40] < 3 * calls[20]


def test_our_own_yaml_has_variables_of_groups_and_of_all_hosts(tmp_path: Path) -> None:
    text = (
        "variables: {a: all, b: all, c: all}\nhosts:\n  w: {variables: {c: own}}\n  x: {}\n"
        "groups:\n  web: {hosts: [w, x], variables: {b: web, c: web}}\n  late: {hosts: [w], variables: {b: late}}\n"
    )
    inventory = Inventory.load(write(tmp_path / "inventory.yml", text))
    assert inventory.hosts["w"].variables == {"a": "all", "b": "late", "c": "own"}
    assert inventory.hosts["x"].variables == {"a": "all", "b": "web", "c": "web"}
    assert inventory.groups == {"web": ["w", "x"], "late": ["w"]}
    assert inventory.kind == "yaml"


def test_several_files_and_a_directory_are_one_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "site" / "one.yml", "hosts:\n  w: {}\ngroups:\n  web: [w]\n")
    two = write(tmp_path / "site" / "two.json", listed({"web": ["x"]}))
    write(tmp_path / "site" / "README", "not an inventory")
    monkeypatch.chdir(tmp_path)
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in (one, two))
    for name in ("site", "site/one.yml, site/two.json"):
        inventory = Inventory.load(name)
        assert inventory.groups == {"web": ["w", "x"]}
        assert inventory.kind == "yaml,json"
        assert inventory.sha256 == hashlib.sha256(sums.encode()).hexdigest()
    write(tmp_path / "three.yml", "hosts:\n  W: {}\n")
    write(tmp_path / "four.yml", "hosts:\n  web: {}\n")
    for name, why in (
        ("site,three.yml", "host 'W' has the name of host 'w'"),
        ("site,site/one.yml", "host 'w' has the name of host 'w'"),
        ("site,four.yml", "group 'web' has the name of host 'web'"),
        ("site,", "has an empty part"),
        ("site,nowhere.yml", "no such file"),
    ):
        with pytest.raises(InventoryError, match=why):
            Inventory.load(name)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo nonsense", "not JSON: .*it begins with 'nonsense"),
        ("printf ''", "not JSON"),
        ("echo '[]'", "the JSON is not a mapping"),
        ("echo 'cannot reach the cloud' >&2; exit 1", "ended with exit code 1: cannot reach the cloud"),
        ("kill -9 $$", "ended with exit code -9"),
        ('echo \'{"web": ["a"]}\'', "has no _meta.hostvars"),
        ('echo \'{"hosts": {"a": {}}}\'', "has `hosts` as a mapping"),
        ('echo \'{"_meta": {"hostvars": {}}}\'', "has no hosts"),
        ('echo \'{"_meta": {"hostvars": {"a": {}, "a": {}}}}\'', "the name 'a' twice"),
        ("echo '{\"a\": NaN}'", "NaN is not JSON"),
        (
            f"echo '{listed({'a': {'children': ['b']}, 'b': {'children': ['a']}}, x={})}'",
            "group 'a' contains itself: a > b > a",
        ),
        (
            f"echo '{listed({'z': {'children': ['b', 'c']}, 'c': {'children': ['z']}, 'd': {'children': ['z']}})}'",
            "group 'z' contains itself: z > c > z",
        ),
        (f"echo '{listed({'a': {'children': ['a']}})}'", "group 'a' contains itself: a > a"),
        (
            f"echo '{listed({f'g{n}': {'children': [f'g{n + 1}']} for n in range(102)})}'",
            "group 'g101' is more than 100 groups deep",
        ),
        (f"echo '{listed({'a': {'hosts': 'x'}})}'", "its hosts and children are not lists"),
        (f"echo '{listed({'a': 7})}'", "'a' is not a mapping or a list"),
        (f"echo '{listed({'a': {'vars': []}}, x=[])}'", "its variables are not a mapping"),
        (f"echo '{listed({}, **{'a b': {}})}'", "String should match pattern"),
    ],
)
def test_a_program_that_prints_something_else_is_refused(tmp_path: Path, script: str, why: str) -> None:
    path = program(tmp_path, script)
    with pytest.raises(InventoryError, match=why) as refused:
        Inventory.load(path)
    assert str(path) in str(refused.value.where)


def test_a_program_that_hangs_or_floods_is_killed_with_what_it_started(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    slow = program(tmp_path, f"(sleep 3071; touch {marker}) & sleep 3071")
    with pytest.raises(InventoryError, match=r"has not ended after 0\.2 s"):
        program_output([str(slow)], "here", timeout=0.2)
    silent = program(tmp_path, "exec >&- 2>&-\nsleep 3071", "silent")
    with pytest.raises(InventoryError, match=r"has not ended after 0\.2 s"):
        program_output([str(silent)], "here", timeout=0.2)
    flood = program(tmp_path, "yes 0123456789 | head -c 100000000", "flood")
    with pytest.raises(InventoryError, match="prints more than 1000000 bytes"):
        program_output([str(flood)], "here", timeout=deadline(30), most=1_000_000)
    noisy = program(tmp_path, "yes 0123456789 >&2", "noisy")
    with pytest.raises(InventoryError, match="prints more than 1000000 bytes"):
        program_output([str(noisy)], "here", timeout=deadline(30), most=1_000_000)
    running = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "3071"] not in running


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("inventory.yml", "`runbook new NAME` writes an example"),
        ("params/lab/inventory.yml", "`runbook lab up` writes params/lab/inventory.yml"),
    ],
)
def test_an_inventory_that_is_missing_comes_with_a_way_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    # As if no lab had been started in this checkout: `make demo` writes its inventory next to the package.
    monkeypatch.setattr(project, "bundled_top", lambda: tmp_path / "checkout")
    with pytest.raises(InventoryError, match="no such file") as refused:
        Inventory.load(name)
    assert refused.value.hint is not None
    assert f"the current directory is {tmp_path}" in refused.value.hint
    assert "-p inventory=FILE" in refused.value.hint
    assert hint in refused.value.hint


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "inventory", "#!/nonexistent/python\n", 0o755)
    with pytest.raises(InventoryError, match="cannot be started: No such file"):
        Inventory.load(path)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"ansible_connection": "winrm"}, "ansible_connection is 'winrm'"),
        ({"ansible_connection": "ansible.netcommon.network_cli"}, "ansible_connection is 'ansible.netcommon"),
        ({"ansible_become_password": "hunter2"}, "ansible_become_password is a password in plain text"),
        ({"ansible_become_pass": {"__ansible_vault": "x"}}, "ansible_become_pass is an Ansible vault value"),
        ({"ansible_host": {"__ansible_vault": "x"}}, "ansible_host is an Ansible vault value"),
        ({"ansible_host": "{{ inventory_hostname }}.example"}, "ansible_host is a template"),
        ({"ansible_password": "x"}, "ansible_password: passwords are not used to log in"),
        ({"ansible_become_method": "su"}, "ansible_become_method is 'su'; here it can only be sudo"),
        ({"ansible_become_user": "postgres"}, "ansible_become_user is 'postgres'; here it can only be root"),
        ({"ansible_shell_type": "powershell"}, "ansible_shell_type is 'powershell'"),
        ({"ansible_port": "22a"}, "'port': Input should be a valid integer"),
        ({"ansible_host": "a; reboot"}, "'address'"),
        ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}, "StrictHostKeyChecking=no: host keys are always"),
        ({"ansible_ssh_extra_args": "-o UserKnownHostsFile=/dev/null"}, "host keys are always verified"),
        ({"ansible_ssh_common_args": "-o ProxyJump='a;b'"}, "not a list of hosts to jump through: 'a;b'"),
        ({"ansible_ssh_common_args": "-J a,$(id)"}, "not a list of hosts to jump through"),
        ({"ansible_ssh_common_args": "-o RemoteCommand=id"}, "ssh's option RemoteCommand is not supported"),
        ({"ansible_ssh_common_args": "-D 1080"}, "the argument '-D' is not supported"),
        ({"ansible_ssh_common_args": "-o 'x"}, "No closing quotation"),
    ],
)  # fmt: skip
def test_what_ansible_can_and_we_cannot_is_named(tmp_path: Path, variables: dict[str, Any], why: str) -> None:
    path = write(tmp_path / "inventory.json", listed({}, a=variables))
    with pytest.raises(InventoryError) as refused:
        Inventory.load(path)
    assert why in str(refused.value)
    assert "host 'a'" in str(refused.value.where)
    assert "hunter2" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ("-J bastion", {"proxy_command": f"{JUMP} -W '[%h]:%p' ssh://bastion"}),
        ("-Jops@[fe80::1]:22", {"proxy_command": f"{JUMP} -W '[%h]:%p' ssh://ops@[fe80::1]:22"}),
        ('-o ProxyCommand="ssh -W %h:%p -q bastion"', {"proxy_command": "ssh -W %h:%p -q bastion"}),
        ("-o 'ProxyJump bastion' -C", {"proxy_command": f"{JUMP} -W '[%h]:%p' ssh://bastion"}),
        ("-p 2222 -o Port=22 -o port=23", {"port": 2222}),
        ("-o User=ops -l root", {"user": "ops"}),
        ("-J one -o ProxyCommand=two", {"proxy_command": f"{JUMP} -W '[%h]:%p' ssh://one"}),
        ("-o ProxyCommand=two -J one", {"proxy_command": "two"}),
        ("-o UserKnownHostsFile=~/a -o UserKnownHostsFile=~/b", {"known_hosts": "~/a"}),
        ("-o ConnectTimeout=5 -o ConnectTimeout=9", {"connect_timeout": 5.0}),
        ("-p 2222 -i ~/key", {"port": 2222, "identity_file": "~/key"}),
        ("-l ops -o ConnectTimeout=5", {"user": "ops", "connect_timeout": 5.0}),
        ("-o UserKnownHostsFile=~/known -o StrictHostKeyChecking=yes", {"known_hosts": "~/known"}),
        ("-o ControlMaster=auto -o ControlPersist=60s", {}),
    ],
)  # fmt: skip
def test_arguments_of_ssh_become_settings(tmp_path: Path, arguments: str, settings: dict[str, Any]) -> None:
    path = write(tmp_path / "inventory.json", listed({}, a={"ansible_ssh_common_args": arguments}))
    host = Inventory.load(path).hosts["a"]
    assert host.model_dump(exclude_defaults=True) == {"name": "a", **settings}


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({"ansible_port": 22, "ansible_ssh_common_args": "-p 2222"}, 22),
        ({"ansible_port": 22, "ansible_ssh_extra_args": "-p 2222"}, 22),
        ({"ansible_port": 22, "ansible_ssh_args": "-p 2222"}, 2222),
        ({"ansible_ssh_common_args": "-p 23", "ansible_ssh_extra_args": "-p 24"}, 23),
        (
            {
                "ansible_ssh_args": "-p 25",
                "ansible_ssh_common_args": "-p 23",
                "ansible_ssh_extra_args": "-p 24",
            },
            25,
        ),
    ],
)
def test_of_settings_that_ansible_gives_ssh_twice_the_first_counts(
    tmp_path: Path, variables: dict[str, Any], port: int
) -> None:
    host = Inventory.load(write(tmp_path / "i.json", listed({}, a=variables))).hosts["a"]
    assert host.port == port


def test_vault_values_that_are_only_variables_are_left_out_and_others_are_kept(tmp_path: Path) -> None:
    given = {
        "secret": {"__ansible_vault": "x"},
        "zone": "a",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    host = Inventory.load(write(tmp_path / "i.json", listed({}, a=given))).hosts["a"]
    assert host.variables == {"zone": "a", "ansible_python_interpreter": "/usr/bin/python3"}
    with pytest.raises(InventoryError, match="has no variable 'secret'") as refused:
        host["secret"]
    assert "vault values are left out" in str(refused.value.hint)


def test_an_ansible_directory_is_not_mixed_up_with_ours(tmp_path: Path) -> None:
    shutil.copytree(FILES / "ansible", tmp_path / "site")
    with pytest.raises(InventoryError, match="has group_vars") as refused:
        Inventory.load(tmp_path / "site")
    assert f"ansible:{tmp_path}/site" in str(refused.value.hint)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InventoryError, match="the directory has no inventory"):
        Inventory.load(tmp_path / "empty")


@pytest.mark.parametrize("name", ["", "  ", "\t", "ansible:"])
def test_an_inventory_without_a_name_is_not_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program(tmp_path, f"touch {tmp_path}/started; echo '{{}}'")
    write(tmp_path / "hosts.yml", "hosts: {web: {connection: local}}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InventoryError, match=r"is empty|names no file") as refused:
        Inventory.load(name)
    assert refused.value.hint
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("name", ["a" * 5000, "ansible:" + "a" * 5000, "hosts.yml," + "a" * 300 + ".yml"])
def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path: Path, name: str) -> None:
    write(tmp_path / "hosts.yml", "hosts: {web: {connection: local}}\n")
    with pytest.raises(InventoryError, match="File name too long") as refused:
        Inventory.load(name.replace("hosts.yml", str(tmp_path / "hosts.yml")))
    assert len(str(refused.value)) < 500
