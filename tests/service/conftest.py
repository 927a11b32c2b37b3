"""A control store on each database."""

from tests.store.conftest import postgresql, postgresql_url, url

__all__ = ["postgresql", "postgresql_url", "url"]
