"""AMQP takes an extra: without it these tests are not there."""

import importlib.util

collect_ignore_glob = ["test_*.py"] if importlib.util.find_spec("proton") is None else []
