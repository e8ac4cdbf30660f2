"""Places for a store that machines share."""

from tests.s3_server import s3_server, shared_url

__all__ = ["s3_server", "shared_url"]
