"""How a host is reached: SSH through Fabric, or this machine itself."""
