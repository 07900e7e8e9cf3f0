"""Services as processes of their own, as in a cluster: for end-to-end tests, benchmarks and the chaos run."""
