"""The two chapters of the Docker book: parameters, ambassadors, hops, published ports, overlays, readiness."""
