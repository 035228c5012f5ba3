"""The services that the lab provides to its hosts: packages and images."""
