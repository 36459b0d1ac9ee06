"""Azure Storage: `open_azure()` opens an account.

Importing this loads the SDKs, which takes most of a second: do it only where this engine is wanted.
"""

from hub.storage.azure.account import Endpoints
from hub.storage.azure.engine import AzureStorage, open_azure
from hub.storage.azure.patience import Patience

__all__ = ["AzureStorage", "Endpoints", "Patience", "open_azure"]
