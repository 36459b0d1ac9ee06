// The hub: a Flex Consumption plan and the Functions app on it. What it is told (its settings) is computed here and put
// in use by settings.bicep, once the app has its rights: a setting that points into a vault is read as soon as it is there.

@description('Name of the Functions app: its address is https://NAME.azurewebsites.net.')
@maxLength(60)
param name string

@description('Name of the plan.')
param planName string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Memory of one instance. Twice the memory is twice the price; four times the memory is four times the processor.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

@description('Most instances on demand, for each group of functions (HTTP, the timer, Event Grid). 40 is the least that the platform takes everywhere.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Instances that are always there for HTTP; 0: none. They are paid for whether they work or not, and polls are then held.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int

@description('Requests that one instance is given at once. The platform and the hub are told the same number.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int

@description('How many of these may be polls that are held; the others are for webhooks, the API and the page.')
@minValue(0)
@maxValue(1000)
param maxHeldPolls int

@description('Resource id of the subnet through which the app reaches what it asks; empty: none.')
param subnetId string

@description('Address of the storage account\'s blob service, with a slash at its end.')
param blobEndpoint string

@description('Address of the storage account\'s queue service.')
param queueEndpoint string

@description('Address of the storage account\'s table service.')
param tableEndpoint string

@description('Container that the code is deployed to.')
param deploymentContainerName string

@description('Where telemetry is sent.')
param insightsConnectionString string

@description('Address of the vault that holds the root key, with a slash at its end.')
param hubVaultUri string

@description('Address of the vault that keeps the values of secrets, with a slash at its end.')
param keyVaultUri string

@description('Endpoint of the topic that is told of every change of an event\'s state; empty: nobody is told.')
param outgoingTopicEndpoint string

@description('Where callers reach the hub, if not at its own address.')
param publicUrl string

@description('The header in which the front end tells callers\' addresses, and after a colon how many proxies of yours append to it.')
param frontEnd string

@description('Issuer of the provider of OpenID Connect; empty: only the hub\'s own users sign in.')
param oidcIssuer string

@description('What the provider calls this hub.')
param oidcClientId string

@description('Whether the hub\'s secret at the provider is in the vault, as hub-oidc-client-secret; else it is a public client.')
param oidcClientSecretInVault bool

@description('The claim that says what people may.')
param oidcClaim string

@description('Values of that claim, with commas between, that make somebody an Admin.')
param oidcAdmins string

@description('Values of that claim, with commas between, that make somebody a Viewer.')
param oidcViewers string

@description('Who is an Admin before anybody could have made one: a subject (on Entra an object id), or a value of that claim. Only with a provider.')
param firstAdmin string

@description('SHA-256 of the token whose bearer is an Admin, for making the first real one; empty: none. Of a long random token, and so no secret.')
param firstAdminTokenSha256 string

@description('Whether the root key before this one is in the vault, as hub-previous-root-key: during a rotation.')
param previousRootKeyInVault bool

@description('Days for which events are kept after their end, or keep.')
param retentionDays string

var secretNames = {
  rootKey: 'hub-root-key'
  previousRootKey: 'hub-previous-root-key'
  oidcClientSecret: 'hub-oidc-client-secret'
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  // Of the system, because the Event Grid client of the hub knows no other. It goes when the app goes.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    // Callers, sinks, people and Event Grid come from the internet. The app asks for what it needs by the subnet.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: 'SystemAssigned'
    // Closes /admin, which the master key would open. Missing in the published types, not on the platform.
    #disable-next-line BCP037
    functionsRuntimeAdminIsolationEnabled: true
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${deploymentContainerName}'
          authentication: {
            type: 'SystemAssignedIdentity'
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.12'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyInstances
          }
        ]
        triggers: {
          http: {
            // Unset it is 1 for Python: each waiting sink would hold an instance of its own.
            perInstanceConcurrency: perInstanceConcurrency
          }
        }
      }
      // The other strategy ends what runs at once.
      siteUpdateStrategy: {
        type: 'RollingUpdate'
      }
    }
  }
}

// Nobody deploys with a user name and a password.
resource scmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

var address = empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl

// All that the app is told, by the names that the code reads (docs/settings.md). An empty value is no value. What Flex
// Consumption does not take (FUNCTIONS_WORKER_RUNTIME, FUNCTIONS_EXTENSION_VERSION, WEBSITE_RUN_FROM_PACKAGE …) is not here.
var appSettings = {
  // Storage, for the Functions host and the hub alike: as the app's identity, without a key.
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
  // GET / is the hub's, not the platform's.
  AzureWebJobsDisableHomepage: 'true'
  // Our pinned packages before the worker's own.
  PYTHON_ISOLATE_WORKER_DEPENDENCIES: '1'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD'
  NEXOMATIC_STORAGE: 'azure'
  NEXOMATIC_PUBLIC_URL: address
  NEXOMATIC_FRONT_END: frontEnd
  NEXOMATIC_ROOT_KEY: '@Microsoft.KeyVault(SecretUri=${hubVaultUri}secrets/${secretNames.rootKey})'
  NEXOMATIC_PREVIOUS_ROOT_KEY: previousRootKeyInVault ? '@Microsoft.KeyVault(SecretUri=${hubVaultUri}secrets/${secretNames.previousRootKey})' : ''
  NEXOMATIC_KEY_VAULT: keyVaultUri
  NEXOMATIC_OIDC_ISSUER: oidcIssuer
  NEXOMATIC_OIDC_CLIENT_ID: oidcClientId
  NEXOMATIC_OIDC_CLIENT_SECRET: oidcClientSecretInVault ? '@Microsoft.KeyVault(SecretUri=${hubVaultUri}secrets/${secretNames.oidcClientSecret})' : ''
  NEXOMATIC_OIDC_CLAIM: oidcClaim
  NEXOMATIC_OIDC_ADMINS: oidcAdmins
  NEXOMATIC_OIDC_VIEWERS: oidcViewers
  NEXOMATIC_FIRST_ADMIN: firstAdmin
  NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256: firstAdminTokenSha256
  NEXOMATIC_HTTP_CONCURRENCY: string(perInstanceConcurrency)
  NEXOMATIC_MAX_HELD_POLLS: string(maxHeldPolls)
  NEXOMATIC_ALWAYS_READY: string(alwaysReadyInstances)
  NEXOMATIC_EVENTGRID_TOPIC: outgoingTopicEndpoint
  NEXOMATIC_RETENTION_DAYS: retentionDays
}

@description('Name of the Functions app.')
output name string = app.name

@description('Resource id of the Functions app.')
output id string = app.id

@description('Who the app is: the principal of its identity.')
output principalId string = app.identity.principalId

@description('Where callers reach the hub, without a slash at its end.')
output publicUrl string = address

@description('The app\'s settings, for settings.bicep. No value is a secret: those are in the vault.')
output appSettings object = appSettings
