// Puts the app's settings in use. A module of its own, because it has to come after the roles.

@description('Name of the Functions app.')
param appName string

@description('The settings that the templates decide.')
param appSettings object

@description('Further settings of the hub, by name (docs/settings.md). Those that the templates decide win.')
param furtherSettings object

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

// Replaces all settings that were there, and starts the app anew if one of them is another.
resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(furtherSettings, appSettings)
}
