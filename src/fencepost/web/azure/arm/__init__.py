"""
The dialect of Azure Resource Manager: security groups, alerts, suppression rules, security solutions.

Microsoft's public REST reference of Microsoft.Security documents it; so it is not in the document of our own
API. It needs an `ArmService` as `app.state.arm`. Every operation is in `operations`, and in
docs/azure-compatibility.md.
"""

from fencepost.web.azure.arm.dispatch import HANDLERS, spelled_alike
from fencepost.web.azure.arm.operations import OPERATIONS
from fencepost.web.azure.arm.service import ArmService, Place

__all__ = ["HANDLERS", "OPERATIONS", "ArmService", "Place", "spelled_alike"]
