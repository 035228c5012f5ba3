
# Hosts with netplan or NetworkManager: continues container.sh. A host starts what its network stack needs.
systemctl --root="$root" --quiet disable NetworkManager.service NetworkManager-dispatcher.service \
    NetworkManager-wait-online.service
