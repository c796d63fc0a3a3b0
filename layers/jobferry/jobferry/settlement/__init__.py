"""Results → outcomes: retries, the circuit breaker, and runs that nobody goes on with."""
