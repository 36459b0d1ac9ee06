// A hub for trying out: nothing is paid for that is not used, and nothing outlives it for long.
using '../main.bicep'

param environmentName = 'dev'
param instanceMemoryMB = 512
param alwaysReadyInstances = 0
param storageSku = 'Standard_LRS'
param vaultSoftDeleteDays = 7
param blobSoftDeleteDays = 1
// A container with such a policy cannot be deleted while it holds a young blob, and so neither could the hub.
param auditPolicyDays = 0
param retentionDays = '30'
param availabilityTest = false
param telemetryDailyCapGb = 1
