"""Base models and adapters, as files and in memory."""
