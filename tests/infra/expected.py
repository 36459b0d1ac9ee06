"""What the code cannot say of itself: who may do what on Azure and why, what the platform reads, what is left alone.

A change of the templates that turns `test_agreement.py` red is either a mistake or belongs here, with its reason.
"""

from __future__ import annotations

import re
from typing import Final

from hub.rules.metrics import HEARTBEAT_AGE, SINKS_LOST, UNROUTABLE

OF_THE_PLATFORM: Final = {
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsDisableHomepage": "true",
    "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": None,
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Authorization=AAD",
}
"""What the platform and the Functions host read, and the value it has to have."""
NOT_IN_THE_TEMPLATE: Final = {
    "NEXOMATIC_HOME": "of the embedded engine",
    "NEXOMATIC_ROOT_KEY_FILE": "of the embedded engine",
    "NEXOMATIC_MIN_FREE_BYTES": "of the embedded engine",
    "AzureWebJobsStorage": "a connection string has a key in it; the account takes none",
    "AzureWebJobsStorage__clientId": "the identity is the system's",
    "NEXOMATIC_KEY_VAULT_CLIENT_ID": "the identity is the system's",
    "NEXOMATIC_KEY_VAULT_PREFIX": "the vault is the hub's alone",
    "NEXOMATIC_EVENTGRID_KEY": "the topic takes no key",
    **dict.fromkeys(
        (
            "NEXOMATIC_RECEIPT_DAYS",
            "NEXOMATIC_SEALED_SECRETS",
            "NEXOMATIC_OIDC_SCOPES",
            "NEXOMATIC_SESSION_HOURS",
            "NEXOMATIC_ADMIN_CONTACT",
            "NEXOMATIC_EVENT_SHARDS",
            "NEXOMATIC_MAX_PAYLOAD",
            "NEXOMATIC_MAX_BUNDLE",
            "NEXOMATIC_LEASE_SECONDS",
            "NEXOMATIC_CLOCK_MARGIN_SECONDS",
            "NEXOMATIC_POLL_SECONDS",
            "NEXOMATIC_CADENCE",
            "NEXOMATIC_SINK_CREDENTIAL_DAYS",
            "NEXOMATIC_RETENTION_DAYS_SUCCESS",
            "NEXOMATIC_RETENTION_DAYS_WARNING",
            "NEXOMATIC_RETENTION_DAYS_ERROR",
        ),
        "not Azure's business; its default is good, and furtherSettings takes it",
    ),
}
"""Settings of the hub that the template leaves alone, and why."""
NO_SECRET: Final = {"NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": "the hash of a long random token"}
"""Settings that are kept out of logs, and yet may stand in a deployment."""

ROLE_IDS: Final = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataReader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "eventGridDataSender": "d5a91429-5739-47e2-a06b-3470a27159e7",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
"""Of Azure, the same everywhere; as in the templates of Azure Verified Modules."""
IN_WORDS: Final = {"eventGridDataSender": "EventGrid Data Sender"}
RUNBOOK: Final = "docs/runbooks/timer-has-stopped.md"
ROLE_IN_WORDS: Final = re.compile(
    r"\b(?:Storage (?:Table|Queue|Blob) Data|Key Vault Secrets|EventGrid Data) [A-Z]\w+|\bMonitoring Metrics Publisher"
)
RIGHTS: Final = {
    ("storageTableDataContributor", "storage", "hubPrincipalId"): "AzureWebJobsStorage__tableServiceUri",
    ("storageQueueDataContributor", "storage", "hubPrincipalId"): "AzureWebJobsStorage__queueServiceUri",
    ("storageBlobDataContributor", "hubContainers", "hubPrincipalId"): "AzureWebJobsStorage__blobServiceUri",
    ("storageBlobDataOwner", "hostContainers", "hubPrincipalId"): "AzureWebJobsStorage__blobServiceUri",
    ("storageBlobDataReader", "storage", "hubPrincipalId"): "AzureWebJobsStorage__blobServiceUri",
    ("storageBlobDataContributor", "deploymentContainer", "hubPrincipalId"): None,
    ("keyVaultSecretsUser", "hubVault", "hubPrincipalId"): "NEXOMATIC_ROOT_KEY",
    ("keyVaultSecretsOfficer", "secretsVault", "hubPrincipalId"): "NEXOMATIC_KEY_VAULT",
    ("monitoringMetricsPublisher", "insights", "hubPrincipalId"): "APPLICATIONINSIGHTS_CONNECTION_STRING",
    ("eventGridDataSender", "outgoingTopic", "hubPrincipalId"): "NEXOMATIC_EVENTGRID_TOPIC",
    ("storageBlobDataContributor", "deadLetterContainer", "incomingTopicPrincipalId"): None,
    ("keyVaultSecretsOfficer", "hubVault", "deployerPrincipalId"): None,
}
"""Who may do what, and the setting by which the hub comes to need it. No right but these is given."""
ALERTED: Final = frozenset({UNROUTABLE.name, SINKS_LOST.name, HEARTBEAT_AGE.name})
"""Metrics that somebody is woken for."""
PACKAGES: Final = {
    "AzureWebJobsStorage__tableServiceUri": "azure-data-tables",
    "AzureWebJobsStorage__queueServiceUri": "azure-storage-queue",
    "AzureWebJobsStorage__blobServiceUri": "azure-storage-blob",
    "AzureWebJobsStorage__credential": "azure-identity",
    "NEXOMATIC_KEY_VAULT": "azure-keyvault-secrets",
    "NEXOMATIC_EVENTGRID_TOPIC": "azure-eventgrid",
}
"""What reads a setting, and has to be installed with the hub."""
OF_THE_HOST: Final = {"azure-webjobs-hosts", "azure-webjobs-secrets"}
"""Containers in which the Functions host keeps leases and keys."""
