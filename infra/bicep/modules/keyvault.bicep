// A key vault. Two are made of this: the hub's (root key, secret of sign-in), which the hub only reads, and that of the
// secrets which Admins put and tasks are given, which the hub writes. So no name in the second can ever be the root key.

@description('Name of the vault: 3 to 24 letters, digits and dashes, unique in the world.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Days for which a deleted secret, or the deleted vault, can be recovered. Cannot be changed later.')
@minValue(7)
@maxValue(90)
param softDeleteDays int

@description('Takes a vault of this name that was deleted, with all that was in it, instead of making one.')
param recover bool

@description('Closes the vault to all networks but private endpoints and the addresses that are allowed.')
param closed bool

@description('Public IPv4 addresses or ranges that may reach a closed vault.')
param allowedIpAddresses array

@description('Resource id of the Log Analytics workspace that is told who read or wrote what.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    createMode: recover ? 'recover' : 'default'
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // Nobody can purge: what is deleted by mistake, or by somebody who should not, comes back.
    enablePurgeProtection: true
    softDeleteRetentionInDays: softDeleteDays
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: closed && empty(allowedIpAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: closed ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpAddresses: {
        value: address
      }]
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

@description('Name of the vault.')
output name string = vault.name

@description('Resource id of the vault.')
output id string = vault.id

@description('Address of the vault, with a slash at its end.')
output uri string = vault.properties.vaultUri
