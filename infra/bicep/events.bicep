// Stage two, once the code is deployed: Event Grid looks for the function that it is to call, and finds it only then.
targetScope = 'resourceGroup'

@description('Name of the Functions app (output hubName of stage one).')
param hubName string

@description('Name of the topic whose events come to the hub (output incomingTopicName).')
param incomingTopicName string

@description('Name of the storage account (output storageName).')
param storageName string

@description('Container of events that could not be delivered (output deadLetterContainerName).')
param deadLetterContainerName string

@description('Types of events to deliver; none: all. The sources of the hub choose among what is delivered.')
param eventTypes array = []

@description('Hours for which delivery is tried again.')
@minValue(1)
@maxValue(24)
param retryHours int = 24

// The name of the function in the code (functions/eventgrid.py).
var functionName = 'eventgrid'

resource hub 'Microsoft.Web/sites@2025-03-01' existing = {
  name: hubName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: incomingTopicName
}

resource toTheHub 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'to-the-hub'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${hub.id}/functions/${functionName}'
        // One at a time: what is refused is sent again, and so would be all of its batch.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: empty(eventTypes) ? null : eventTypes
      isSubjectCaseSensitive: false
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: retryHours * 60
    }
    // Without it, what could not be delivered would be dropped.
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: storage.id
          blobContainerName: deadLetterContainerName
        }
      }
    }
  }
}
