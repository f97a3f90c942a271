"""Handlers of the API, one module a subject; each has `ENDPOINTS`, and `jobs.console.app` adds them all."""
