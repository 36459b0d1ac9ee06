// Optional: a network from which the hub reaches storage and both vaults at private addresses, closed to everybody else.

@description('What names of the network\'s resources begin with.')
param namePrefix string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Address range of the network.')
param addressPrefix string

@description('Range within it for the app: at least /27, and used by nothing else.')
param appSubnetPrefix string

@description('Range within it for the private endpoints: at least /28.')
param endpointSubnetPrefix string

@description('Resource id of the storage account.')
param storageId string

@description('Resource id of the hub\'s vault.')
param hubVaultId string

@description('Resource id of the vault for secrets.')
param keyVaultId string

var storageSuffix = environment().suffixes.storage

var zones = [
  'privatelink.blob.${storageSuffix}'
  'privatelink.queue.${storageSuffix}'
  'privatelink.table.${storageSuffix}'
  'privatelink.vaultcore.azure.net'
]

var endpoints = [
  {
    name: 'blob'
    target: storageId
    group: 'blob'
    zone: 0
  }
  {
    name: 'queue'
    target: storageId
    group: 'queue'
    zone: 1
  }
  {
    name: 'table'
    target: storageId
    group: 'table'
    zone: 2
  }
  {
    name: 'hub-vault'
    target: hubVaultId
    group: 'vault'
    zone: 3
  }
  {
    name: 'secrets-vault'
    target: keyVaultId
    group: 'vault'
    zone: 3
  }
]

// Nothing comes in from the internet: that is what such a group says when it says nothing.
resource appGuard 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: '${namePrefix}-app'
  location: location
  tags: tags
}

resource endpointGuard 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: '${namePrefix}-endpoints'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'https-from-the-app'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appSubnetPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointSubnetPrefix
          destinationPortRange: '443'
        }
      }
      {
        name: 'nothing-else'
        properties: {
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: namePrefix
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    // Within the network, not beside it: written apart they would be removed and made again at each deployment.
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          networkSecurityGroup: {
            id: appGuard.id
          }
          // What Flex Consumption asks for; the other plans ask for Microsoft.Web/serverFarms.
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointSubnetPrefix
          networkSecurityGroup: {
            id: endpointGuard.id
          }
          // Else the group's rules would not hold for private endpoints.
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, index) in zones: {
  parent: privateZones[index]
  name: namePrefix
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for endpoint in endpoints: {
  name: '${namePrefix}-${endpoint.name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${network.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.target
          groupIds: [
            endpoint.group
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (endpoint, index) in endpoints: {
  parent: privateEndpoints[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.group
        properties: {
          privateDnsZoneId: privateZones[endpoint.zone].id
        }
      }
    ]
  }
}]

@description('Resource id of the app\'s subnet.')
output appSubnetId string = '${network.id}/subnets/app'
