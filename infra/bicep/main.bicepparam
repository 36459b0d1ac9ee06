// What `azd up` deploys, as azd's environment says (`azd env set NAME VALUE`). Everything else is as main.bicep has it;
// for more, put it here, or use infra/deploy.sh with a file of parameters/.
using './main.bicep'

// Of azd's name for the environment, what fits into the name of a storage account.
param environmentName = take(toLower(replace(readEnvironmentVariable('AZURE_ENV_NAME'), '-', '')), 8)
param tags = {
  'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME')
}
param deployerPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param deployerPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
param firstAdminTokenSha256 = readEnvironmentVariable('NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256', '')
param instanceMemoryMB = int(readEnvironmentVariable('NEXOMATIC_INSTANCE_MEMORY_MB', '512'))
param alwaysReadyInstances = int(readEnvironmentVariable('NEXOMATIC_ALWAYS_READY', '0'))
param privateNetworking = bool(readEnvironmentVariable('NEXOMATIC_PRIVATE_NETWORKING', 'false'))
param oidcIssuer = readEnvironmentVariable('NEXOMATIC_OIDC_ISSUER', '')
param oidcClientId = readEnvironmentVariable('NEXOMATIC_OIDC_CLIENT_ID', '')
param oidcAdmins = readEnvironmentVariable('NEXOMATIC_OIDC_ADMINS', '')
param oidcViewers = readEnvironmentVariable('NEXOMATIC_OIDC_VIEWERS', '')
param firstAdmin = readEnvironmentVariable('NEXOMATIC_FIRST_ADMIN', '')
// 365, say, for a hub that is to stay: a container with such a policy cannot be deleted while it holds a young blob.
param auditPolicyDays = int(readEnvironmentVariable('NEXOMATIC_AUDIT_POLICY_DAYS', '0'))
