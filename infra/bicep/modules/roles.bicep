// Every right that the templates give, and to whom. Names are computed from scope, identity and role, so that a second
// deployment finds what the first one made. Nobody is given anything on the resource group or the subscription.

@description('Name of the storage account.')
param storageName string

@description('Containers of the hub.')
param hubContainerNames array

@description('Containers of the Functions host.')
param hostContainerNames array

@description('Container that the code is deployed to.')
param deploymentContainerName string

@description('Container of events that could not be delivered.')
param deadLetterContainerName string

@description('Name of the vault that holds the root key.')
param hubVaultName string

@description('Name of the vault that keeps the values of secrets.')
param keyVaultName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Name of the topic that the hub tells of changes.')
param outgoingTopicName string

@description('Whether the hub publishes on that topic.')
param announceChanges bool

@description('The hub: the principal of the Functions app\'s identity.')
param hubPrincipalId string

@description('The principal of the incoming topic\'s identity.')
param incomingTopicPrincipalId string

@description('Who deploys and puts the root key: an object id; empty: nobody is given that right here.')
param deployerPrincipalId string

@description('What the deployer is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param deployerPrincipalType string

// Of Azure, the same in every tenant.
var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  eventGridDataSender: 'd5a91429-5739-47e2-a06b-3470a27159e7'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: storage
  name: 'default'
}

resource hubContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for container in hubContainerNames: {
  parent: blobService
  name: container
}]

resource hostContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for container in hostContainerNames: {
  parent: blobService
  name: container
}]

resource deploymentContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobService
  name: deploymentContainerName
}

resource deadLetterContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobService
  name: deadLetterContainerName
}

resource hubVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: hubVaultName
}

resource secretsVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource outgoingTopic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: outgoingTopicName
}

// Container by container, not the account: the hub changes no dead letters. The role cannot touch the write-once policy of
// the audit's container; Storage Blob Data Owner could.
resource hubBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, index) in hubContainerNames: {
  name: guid(storage.id, container, hubPrincipalId, roles.storageBlobDataContributor)
  scope: hubContainers[index]
  properties: {
    description: 'The hub keeps large payloads, results, requests, bundles and the anchors of its audit.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}]

resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, index) in hostContainerNames: {
  name: guid(storage.id, container, hubPrincipalId, roles.storageBlobDataOwner)
  scope: hostContainers[index]
  properties: {
    description: 'The Functions host keeps its leases, the timer\'s state and its keys; it asks for this role.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}]

// On the account, where containers are listed: no role lists them and reads nothing in them.
resource hostLook 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, hubPrincipalId, roles.storageBlobDataReader)
  scope: storage
  properties: {
    description: 'The Functions host lists the containers each half minute, to see whether its storage answers.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

resource deployedCode 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, deploymentContainerName, hubPrincipalId, roles.storageBlobDataContributor)
  scope: deploymentContainer
  properties: {
    description: 'The platform stores and reads the deployed code as the app\'s identity.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}

// On the account, since the hub makes a queue for each SinkType and each pinned sink.
resource hubQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, hubPrincipalId, roles.storageQueueDataContributor)
  scope: storage
  properties: {
    description: 'The hub makes, fills and empties a queue for each SinkType and each pinned sink.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataContributor)
  }
}

// On the account, since the host keeps a table of its own in which it notes what went wrong.
resource hubTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, hubPrincipalId, roles.storageTableDataContributor)
  scope: storage
  properties: {
    description: 'The hub keeps events, configuration and audit in tables; the Functions host notes its diagnostic events.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

resource hubRootKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hubVault.id, hubPrincipalId, roles.keyVaultSecretsUser)
  scope: hubVault
  properties: {
    description: 'The platform reads the root key and the secret of sign-in for the hub. It cannot write or delete them.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

// Puts, reads, disables, deletes and recovers. Azure has no narrower role that writes; nothing is purged, the vault forbids it.
resource hubSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(secretsVault.id, hubPrincipalId, roles.keyVaultSecretsOfficer)
  scope: secretsVault
  properties: {
    description: 'The hub keeps the values of secrets that Admins put and tasks are given.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}

resource hubTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, hubPrincipalId, roles.monitoringMetricsPublisher)
  scope: insights
  properties: {
    description: 'The hub and its host send telemetry. They cannot read any.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}

resource hubAnnouncements 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (announceChanges) {
  name: guid(outgoingTopic.id, hubPrincipalId, roles.eventGridDataSender)
  scope: outgoingTopic
  properties: {
    description: 'The hub tells of every change of an event\'s state.'
    principalId: hubPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventGridDataSender)
  }
}

resource deadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, deadLetterContainerName, incomingTopicPrincipalId, roles.storageBlobDataContributor)
  scope: deadLetterContainer
  properties: {
    description: 'Event Grid puts down what it could not deliver to the hub.'
    principalId: incomingTopicPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}

resource deployerRootKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(hubVault.id, deployerPrincipalId, roles.keyVaultSecretsOfficer)
  scope: hubVault
  properties: {
    description: 'Who deploys puts the root key and the secret of sign-in.'
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}
