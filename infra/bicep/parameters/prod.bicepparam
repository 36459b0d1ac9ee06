// A hub that people rely on. What is yours to fill in says so.
using '../main.bicep'

param environmentName = 'prod'
param instanceMemoryMB = 512
// Events start at once, and a fleet of more than a few sinks is cheaper so (docs/cost.md).
param alwaysReadyInstances = 1
param maximumInstanceCount = 40
param perInstanceConcurrency = 200
param maxHeldPolls = 150
param storageSku = 'Standard_ZRS'
param vaultSoftDeleteDays = 90
param blobSoftDeleteDays = 14
// Lock it when you are sure of the period (docs/deploy.md), and set auditPolicyLocked then.
param auditPolicyDays = 365
param auditPolicyLocked = false
param retentionDays = '365'
param telemetryDays = 90
param telemetryDailyCapGb = 5
param availabilityTest = true
param availabilitySeconds = 300
// Yours: who is woken.
param alertMailAddresses = []
// Yours: how people sign in.
param oidcIssuer = ''
param oidcClientId = ''
param oidcClientSecretInVault = false
param oidcAdmins = ''
param oidcViewers = ''
param firstAdmin = ''
// Storage and vaults at private addresses; allowedIpAddresses is then whoever deploys.
param privateNetworking = false
param allowedIpAddresses = []
