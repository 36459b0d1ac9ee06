// The one storage account: the hub's tables, queues and containers, the Functions host's state, and the code.
// No keys: whoever comes, comes with an identity of Entra ID and a role from roles.bicep.

@description('Name of the account: 3 to 24 lower-case letters and digits, unique in the world.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('How often data is kept: Standard_LRS (three times in one place) or Standard_ZRS (in three zones).')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param sku string

@description('Days for which no anchor of the audit can be changed or deleted by anybody; 0: no such policy.')
@minValue(0)
@maxValue(146000)
param auditPolicyDays int

@description('Whether the policy has been locked by hand. A locked one cannot be written again, so the template then leaves it alone.')
param auditPolicyLocked bool

@description('Days for which deleted blobs and containers can be brought back.')
@minValue(1)
@maxValue(365)
param softDeleteDays int

@description('Closes the account to all networks but private endpoints and the addresses that are allowed.')
param closed bool

@description('Public IPv4 addresses or ranges that may reach a closed account.')
param allowedIpAddresses array

@description('Queues that are made here. None: that of a SinkType or of a pinned sink has a hash for its name, and the hub makes it when it is first needed.')
param queueNames array = []

// What hub/storage/keys.py names.
var tableNames = [
  'events'
  'partitions'
  'logs'
  'configuration'
  'presence'
  'slots'
  'rates'
  'upkeep'
  'stats'
  'secrets'
  'receipts'
  'deliveries'
  'tokenuse'
  'audit'
  'releases'
]

// The hub's own (hub/storage/keys.py). 'audit' holds the anchors of the audit.
var containerNames = [
  'payloads'
  'results'
  'requests'
  'audit'
  'bundles'
]

// Not the hub's: its code, the Functions host's leases and keys, and events that could not be delivered to the hub.
var deploymentContainerName = 'deployments'
var hostContainerNames = [
  'azure-webjobs-hosts'
  'azure-webjobs-secrets'
]
var deadLetterContainerName = 'dead-letters'
var otherContainerNames = concat([deploymentContainerName, deadLetterContainerName], hostContainerNames)

var auditContainerName = 'audit'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Not 'Disabled', also when closed: Event Grid brings dead letters as a trusted service, by the public endpoint.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: closed ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpAddresses: {
        value: address
        action: 'Allow'
      }]
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for container in concat(containerNames, otherContainerNames): {
  parent: blobService
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

resource auditContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobService
  name: auditContainerName
}

// Write-once: for so many days nobody deletes or changes a blob in it, the hub included. Unlocked until somebody locks
// it by hand (docs/deploy.md); the hub's role may neither change nor remove it.
resource auditPolicy 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = if (auditPolicyDays > 0 && !auditPolicyLocked) {
  parent: auditContainer
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: auditPolicyDays
    allowProtectedAppendWrites: false
  }
  dependsOn: [
    containers
  ]
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

@description('Name of the account.')
output name string = account.name

@description('Resource id of the account.')
output id string = account.id

@description('Address of the blob service, with a slash at its end.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of the queue service.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Address of the table service.')
output tableEndpoint string = account.properties.primaryEndpoints.table

@description('Container of the deployed code.')
output deploymentContainerName string = deploymentContainerName

@description('Container of events that Event Grid could not deliver.')
output deadLetterContainerName string = deadLetterContainerName

@description('Containers of the hub.')
output containerNames array = containerNames

@description('Containers of the Functions host.')
output hostContainerNames array = hostContainerNames
