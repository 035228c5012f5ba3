"""What the lab offers its hosts: packages, images."""
