"""The two chapters of the Docker book: parameters, ambassadors, hops, readiness."""
