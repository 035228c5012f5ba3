# OpenSSH: one master connection per host, one process per command. Argument: the directory with the settings.
cd "$1"
work() {
  options="-F ssh_config -S master-$1"
  ssh $options -o ControlMaster=yes -fN "$1"
  for command in commands/*; do ssh $options -n "$1" "$(cat "$command")" >/dev/null 2>&1 || exit 1; done
  ssh $options -O exit "$1" 2>/dev/null
}
for host in $(cat addresses); do work "$host" & pids="$pids $!"; done
for pid in $pids; do wait "$pid"; done
