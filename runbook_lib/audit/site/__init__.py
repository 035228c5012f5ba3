"""An archive as a site of static pages: they fetch nothing, and what a host printed stays text."""
