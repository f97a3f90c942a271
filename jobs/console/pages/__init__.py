"""Pages of the console, one module a subject; each has `ENDPOINTS`. A page calls the API's own handler for what it shows."""
