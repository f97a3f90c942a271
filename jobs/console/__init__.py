"""The investigators' console: the server and its API. `create_app` is the way in; see ARCHITECTURE.md."""
