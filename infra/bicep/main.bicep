// Stage one: everything but what needs the deployed code. Stage two is events.bicep. See docs/deploy.md.
targetScope = 'resourceGroup'

// --- what and where

@description('Short name of this hub, in the names of its resources: lower-case letters and digits. Another name is another hub, also in the same resource group.')
@minLength(2)
@maxLength(8)
param environmentName string

@description('Azure region. It has to have Flex Consumption.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = {}

// --- the app

@description('Memory of one instance in MB. What an instance costs goes by it.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 512

@description('Most instances on demand, for each group of functions. 40 is the least that the platform takes everywhere.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are always there and paid for whether they work or not; 0: none. With one, events start at once.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Requests that one instance is given at once.')
@minValue(16)
@maxValue(1000)
param perInstanceConcurrency int = 200

@description('How many of these may be polls that are held. At most perInstanceConcurrency; by default three quarters.')
@minValue(0)
@maxValue(1000)
param maxHeldPolls int = perInstanceConcurrency * 3 / 4

@description('Where callers reach the hub, if not at https://NAME.azurewebsites.net: an address of yours that leads there, without a slash at its end.')
param publicUrl string = ''

@description('The header in which the front end tells callers\' addresses; with another proxy before it x-forwarded-for:2.')
param frontEnd string = 'x-forwarded-for'

@description('Days for which events are kept after their end, or keep.')
param retentionDays string = 'keep'

@description('Further settings of the hub, by name (docs/settings.md).')
param furtherSettings object = {}

// --- people

@description('Issuer of the provider of OpenID Connect, on Entra https://login.microsoftonline.com/TENANT/v2.0; empty: only the hub\'s own users sign in.')
param oidcIssuer string = ''

@description('What the provider calls this hub; on Entra the application (client) id.')
param oidcClientId string = ''

@description('Whether the hub\'s secret at the provider is in the hub\'s vault as hub-oidc-client-secret; the deployment script puts it there.')
param oidcClientSecretInVault bool = false

@description('The claim that says what people may, such as groups or roles.')
param oidcClaim string = 'groups'

@description('Values of that claim, with commas between, that make somebody an Admin.')
param oidcAdmins string = ''

@description('Values of that claim, with commas between, that make somebody a Viewer.')
param oidcViewers string = ''

@description('Who is an Admin before anybody could have made one: a subject (on Entra an object id), or a value of that claim. Only with a provider.')
param firstAdmin string = ''

@description('SHA-256 of a token whose bearer is an Admin, for making the first real one; empty: none, and one that was there is good no longer.')
param firstAdminTokenSha256 string = ''

@description('Whether the root key before this one is in the hub\'s vault, as hub-previous-root-key: during a rotation.')
param previousRootKeyInVault bool = false

@description('Who deploys, and may put the root key: an object id; empty: nobody is given that right here.')
param deployerPrincipalId string = ''

@description('What the deployer is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param deployerPrincipalType string = 'User'

// --- data

@description('How often data is kept: Standard_LRS (three times in one place) or Standard_ZRS (in three zones).')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_LRS'

@description('Days for which deleted blobs and containers can be brought back.')
@minValue(1)
@maxValue(365)
param blobSoftDeleteDays int = 7

@description('Days for which nobody can change or delete an anchor of the audit; 0: no such policy.')
@minValue(0)
@maxValue(146000)
param auditPolicyDays int = 365

@description('Set it once you have locked that policy: a locked one cannot be written again.')
param auditPolicyLocked bool = false

@description('Days for which deleted secrets and vaults can be recovered. Cannot be changed later.')
@minValue(7)
@maxValue(90)
param vaultSoftDeleteDays int = 90

@description('Takes back vaults of this hub that were deleted, with the root key and the secrets in them.')
param recoverVaults bool = false

// --- events

@description('Whether the hub tells a topic of every change of an event\'s state.')
param announceChanges bool = false

// --- watching

@description('Days for which telemetry is kept; 31 are included in its price.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 30

@description('Gigabytes of telemetry a day after which no more is taken in until the next day; -1: no limit.')
param telemetryDailyCapGb int = 1

@description('Whether the alert rules are on.')
param alertsEnabled bool = true

@description('Mail addresses that alerts go to. None: they are shown in the portal only.')
param alertMailAddresses array = []

@description('Whether Azure Monitor asks the hub from outside whether it is well. Each question costs, and wakes an instance on demand.')
param availabilityTest bool = true

@description('Seconds between two questions from one place.')
@allowed([
  300
  600
  900
])
param availabilitySeconds int = 900

@description('Places that ask: ids of Azure Monitor. Two of them have to fail, so there are two at least.')
@minLength(2)
param availabilityPlaces array = [
  'emea-nl-ams-azr'
  'emea-gb-db3-azr'
  'us-va-ash-azr'
]

@description('Age of the timer\'s heartbeat, in seconds, from which it is told of.')
@minValue(180)
param heartbeatSeconds int = 300

// --- network

@description('Puts storage and both vaults behind private endpoints in a network of their own. The hub itself stays reachable from the internet.')
param privateNetworking bool = false

@description('Public IPv4 addresses or ranges that may still reach storage and vaults: of whoever deploys. Only with privateNetworking.')
param allowedIpAddresses array = []

@description('Address range of the network.')
param networkPrefix string = '10.80.0.0/24'

@description('Range within it for the app: at least /27, and used by nothing else.')
param appSubnetPrefix string = '10.80.0.0/26'

@description('Range within it for the private endpoints: at least /28.')
param endpointSubnetPrefix string = '10.80.0.64/27'

// The same for the same hub in the same resource group, and nobody else's.
var suffix = uniqueString(resourceGroup().id, environmentName)
var namePrefix = 'nexomatic-${environmentName}'
var allTags = union({ 'nexomatic-hub': environmentName }, tags)

module monitoring 'modules/monitoring.bicep' = {
  name: '${namePrefix}-monitoring'
  params: {
    workspaceName: '${namePrefix}-logs'
    insightsName: '${namePrefix}-insights'
    location: location
    tags: allTags
    retentionDays: telemetryDays
    dailyCapGb: telemetryDailyCapGb
  }
}

module storage 'modules/storage.bicep' = {
  name: '${namePrefix}-storage'
  params: {
    // 3 + 8 + 13 characters at most: 24.
    name: 'nxm${environmentName}${suffix}'
    location: location
    tags: allTags
    sku: storageSku
    auditPolicyDays: auditPolicyDays
    auditPolicyLocked: auditPolicyLocked
    softDeleteDays: blobSoftDeleteDays
    closed: privateNetworking
    allowedIpAddresses: privateNetworking ? allowedIpAddresses : []
  }
}

module hubVault 'modules/keyvault.bicep' = {
  name: '${namePrefix}-hub-vault'
  params: {
    name: 'nxm-hub-${suffix}'
    location: location
    tags: allTags
    softDeleteDays: vaultSoftDeleteDays
    recover: recoverVaults
    closed: privateNetworking
    allowedIpAddresses: privateNetworking ? allowedIpAddresses : []
    workspaceId: monitoring.outputs.workspaceId
  }
}

module secretsVault 'modules/keyvault.bicep' = {
  name: '${namePrefix}-secrets-vault'
  params: {
    name: 'nxm-sec-${suffix}'
    location: location
    tags: allTags
    softDeleteDays: vaultSoftDeleteDays
    recover: recoverVaults
    closed: privateNetworking
    allowedIpAddresses: privateNetworking ? allowedIpAddresses : []
    workspaceId: monitoring.outputs.workspaceId
  }
}

module topics 'modules/eventgrid.bicep' = {
  name: '${namePrefix}-topics'
  params: {
    incomingName: '${namePrefix}-in-${suffix}'
    outgoingName: '${namePrefix}-out-${suffix}'
    location: location
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: '${namePrefix}-network'
  params: {
    namePrefix: '${namePrefix}-network'
    location: location
    tags: allTags
    addressPrefix: networkPrefix
    appSubnetPrefix: appSubnetPrefix
    endpointSubnetPrefix: endpointSubnetPrefix
    storageId: storage.outputs.id
    hubVaultId: hubVault.outputs.id
    keyVaultId: secretsVault.outputs.id
  }
}

module hub 'modules/functionapp.bicep' = {
  name: '${namePrefix}-hub'
  params: {
    name: '${namePrefix}-${suffix}'
    planName: '${namePrefix}-plan'
    location: location
    tags: allTags
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    perInstanceConcurrency: perInstanceConcurrency
    maxHeldPolls: maxHeldPolls
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    deploymentContainerName: storage.outputs.deploymentContainerName
    insightsConnectionString: monitoring.outputs.connectionString
    hubVaultUri: hubVault.outputs.uri
    keyVaultUri: secretsVault.outputs.uri
    outgoingTopicEndpoint: announceChanges ? topics.outputs.outgoingEndpoint : ''
    publicUrl: publicUrl
    frontEnd: frontEnd
    oidcIssuer: oidcIssuer
    oidcClientId: oidcClientId
    oidcClientSecretInVault: oidcClientSecretInVault
    oidcClaim: oidcClaim
    oidcAdmins: oidcAdmins
    oidcViewers: oidcViewers
    firstAdmin: firstAdmin
    firstAdminTokenSha256: firstAdminTokenSha256
    previousRootKeyInVault: previousRootKeyInVault
    retentionDays: retentionDays
  }
}

module roles 'modules/roles.bicep' = {
  name: '${namePrefix}-roles'
  params: {
    storageName: storage.outputs.name
    hubContainerNames: storage.outputs.containerNames
    hostContainerNames: storage.outputs.hostContainerNames
    deploymentContainerName: storage.outputs.deploymentContainerName
    deadLetterContainerName: storage.outputs.deadLetterContainerName
    hubVaultName: hubVault.outputs.name
    keyVaultName: secretsVault.outputs.name
    insightsName: monitoring.outputs.insightsName
    outgoingTopicName: topics.outputs.outgoingName
    announceChanges: announceChanges
    hubPrincipalId: hub.outputs.principalId
    incomingTopicPrincipalId: topics.outputs.incomingPrincipalId
    deployerPrincipalId: deployerPrincipalId
    deployerPrincipalType: deployerPrincipalType
  }
}

module settings 'modules/settings.bicep' = {
  name: '${namePrefix}-settings'
  params: {
    appName: hub.outputs.name
    appSettings: hub.outputs.appSettings
    furtherSettings: furtherSettings
  }
  // A setting that points into a vault is read when it is put; without the right it would stay unread for a day.
  dependsOn: [
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: '${namePrefix}-alerts'
  params: {
    namePrefix: namePrefix
    location: location
    tags: allTags
    insightsId: monitoring.outputs.insightsId
    publicUrl: hub.outputs.publicUrl
    mailAddresses: alertMailAddresses
    availabilityTest: availabilityTest
    availabilitySeconds: availabilitySeconds
    availabilityPlaces: availabilityPlaces
    heartbeatSeconds: heartbeatSeconds
    enabled: alertsEnabled
  }
}

// In this spelling: the platform writes the first letter of an output's name small.

@description('Name of the Functions app.')
output hubName string = hub.outputs.name

@description('Resource id of the Functions app.')
output hubId string = hub.outputs.id

@description('Where callers reach the hub.')
output hubUrl string = hub.outputs.publicUrl

@description('Name of the vault that the root key is put into.')
output hubVaultName string = hubVault.outputs.name

@description('Name of the vault that the hub keeps secrets in.')
output secretsVaultName string = secretsVault.outputs.name

@description('Name of the storage account.')
output storageName string = storage.outputs.name

@description('Container of events that could not be delivered.')
output deadLetterContainerName string = storage.outputs.deadLetterContainerName

@description('Name of the topic whose events come to the hub.')
output incomingTopicName string = topics.outputs.incomingName

@description('Where events for the hub are published.')
output incomingTopicEndpoint string = topics.outputs.incomingEndpoint

@description('Name of the topic that the hub tells of changes.')
output outgoingTopicName string = topics.outputs.outgoingName

@description('Name of the Application Insights component.')
output insightsName string = monitoring.outputs.insightsName
