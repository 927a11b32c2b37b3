"""
The query language of an IoT Hub, as far as twins are asked for.

    SELECT * | COUNT() [AS n] | a, b.c [AS x], ...  FROM devices | devices.modules  [WHERE condition]

Microsoft, "IoT Hub query language for device and module twins". Keywords and functions are without case.
"""

from fencepost.web.azure.iothub.query.evaluate import UNDEFINED, holds, projected
from fencepost.web.azure.iothub.query.lexer import QueryError
from fencepost.web.azure.iothub.query.parser import parse
from fencepost.web.azure.iothub.query.tree import Query

__all__ = ["UNDEFINED", "Query", "QueryError", "holds", "parse", "projected"]
