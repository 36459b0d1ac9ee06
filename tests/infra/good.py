"""A small set of files in which the checker finds nothing; the examples of what it finds are made from it."""

from __future__ import annotations

from typing import Final

MAIN: Final = """
targetScope = 'resourceGroup'

@description('Where.')
@allowed([
  'westeurope'
  'northeurope'
])
param location string = 'westeurope'
@minLength(3)
param prefix string // of all names
@secure()
param adminPassword string = newGuid()
param names string[] = []
param limits Limits
param note string?

type Most = 1 | 2
type Limits = {
  most: Most
}

func short(text string) string => take(toLower(text), 8)

var tags = { project: 'nexomatic', 'hidden-note': note ?? '' }
#disable-next-line no-hardcoded
var suffix = uniqueString(resourceGroup().id, tags['hidden-note'])
var roles = {
  reader: 'x'
}
var long = '''
not ${filled} in
'''
var upper = map(names, name => toUpper('${name}-${roles.reader}'))

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: short('${prefix}${suffix}')
  location: location
  tags: union(tags, { 'azd-service-name': 'hub', long: long })
  kind: 'StorageV2'
  sku: { name: limits.most > 1 ? 'Standard_ZRS' : 'Standard_LRS' }
  properties: {
    minimumTlsVersion: 'TLS1_2'
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for (name, index) in upper: if (name != 'X') {
  parent: blobs
  name: 'it-is-${name}-${index}'
}]

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: '${prefix}-kv'
}

module hub 'modules/hub.bicep' = if (!empty(prefix)) {
  name: 'hub'
  params: {
    name: '${prefix}-func'
    password: adminPassword
    secret: vault.getSecret('one')
    size: 'small'
    most: 2
    extra: [for container in containers: container]
  }
}

@description('Where the hub is.')
output HUB_ADDRESS string = hub.outputs.address
"""  # noqa: E501 - a loop's head is one line
HUB: Final = """
param name string
@secure()
param password string
@secure()
param secret string
@allowed(['small', 'large'])
param size string
param most int
param extra array = []

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  properties: {
    functionAppConfig: {
      runtime: { name: 'python', version: '3.12' }
      scaleAndConcurrency: { maximumInstanceCount: most, triggers: { http: { perInstanceConcurrency: length(extra) } } }
    }
    siteConfig: { minTlsVersion: '1.2' }
  }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    SIZE: size
    PASSWORD: password
    SECRET: secret
  }
}

output address string = app.properties.defaultHostName
"""
DEV: Final = """using '../main.bicep'

// The least of everything.
param prefix = 'dev'
param limits = {
  most: 1
}
param adminPassword = readEnvironmentVariable('ADMIN_PASSWORD', '')
"""
AZD: Final = """name: nexomatic
infra:
  provider: bicep
  path: infra/bicep
  module: main
services:
  hub:
    project: .
    language: python
    host: function
"""
GOOD: Final = {
    "infra/bicep/main.bicep": MAIN,
    "infra/bicep/modules/hub.bicep": HUB,
    "infra/bicep/parameters/dev.bicepparam": DEV,
    "azure.yaml": AZD,
}
READ_BY: Final = "HUB_ADDRESS is where the hub is."
