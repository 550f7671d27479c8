"""The FastGPT API client: one method per endpoint, every answer classified once."""
