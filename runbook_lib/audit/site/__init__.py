"""An archive as a site of static pages: they load nothing from the network, and output of hosts stays text."""
