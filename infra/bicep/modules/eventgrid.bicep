// Two topics: on one others tell the hub, on the other the hub tells others. Two, so that it never hears itself.

@description('Name of the topic whose events come to the hub.')
param incomingName string

@description('Name of the topic that is told of every change of an event\'s state.')
param outgoingName string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of the Log Analytics workspace that is told of what could not be published or delivered.')
param workspaceId string

resource incoming 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: incomingName
  location: location
  tags: tags
  // It brings dead letters to storage as itself.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource outgoing 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: outgoingName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource incomingFailures 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'failures'
  scope: incoming
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'DeliveryFailures'
        enabled: true
      }
      {
        category: 'PublishFailures'
        enabled: true
      }
    ]
  }
}

@description('Name of the topic whose events come to the hub.')
output incomingName string = incoming.name

@description('Where events for the hub are published.')
output incomingEndpoint string = incoming.properties.endpoint

@description('Who brings the dead letters: the principal of the incoming topic\'s identity.')
output incomingPrincipalId string = incoming.identity.principalId

@description('Name of the topic that is told of changes.')
output outgoingName string = outgoing.name

@description('Where the hub publishes.')
output outgoingEndpoint string = outgoing.properties.endpoint
