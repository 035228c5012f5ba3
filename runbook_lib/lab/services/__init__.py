"""The services that the lab provides to its hosts: packages, images and an object store."""
