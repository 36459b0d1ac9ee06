// What wakes somebody: the hub does not answer, events that nobody can run, sinks that are lost, the timer that stands still.

@description('What names of alert rules begin with.')
param namePrefix string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of the Application Insights component that holds the hub\'s metrics.')
param insightsId string

@description('The hub\'s public address, without a slash at its end.')
param publicUrl string

@description('Mail addresses that are told. None: alerts are shown in the portal only.')
param mailAddresses array

@description('Whether the hub is asked from outside whether it is well.')
param availabilityTest bool

@description('Seconds between two questions from one place.')
@allowed([
  300
  600
  900
])
param availabilitySeconds int

@description('Places of Azure Monitor that ask. Two of them have to fail.')
param availabilityPlaces array

@description('Age of the timer\'s heartbeat, in seconds, from which it is told of. The timer runs once a minute.')
@minValue(180)
param heartbeatSeconds int

@description('Whether the rules are on.')
param enabled bool

// As the hub names them; the only place here that does.
var metrics = {
  unroutable: 'nexomatic.events.unroutable'
  lostSinks: 'nexomatic.sinks.lost'
  heartbeatAge: 'nexomatic.heartbeat.age'
}

var rules = [
  {
    name: 'unroutable-events'
    title: 'Events wait that no sink can run'
    says: 'Events have waited longer than their event type allows and no sink is there that could run them. See docs/runbooks/events-wait.md.'
    severity: 2
    metric: metrics.unroutable
    above: 0
  }
  {
    name: 'lost-sinks'
    title: 'Sinks are lost'
    says: 'Sinks that should be there have not polled for longer than they were told to. See docs/runbooks/sink-is-lost.md.'
    severity: 2
    metric: metrics.lostSinks
    above: 0
  }
  {
    name: 'old-heartbeat'
    title: 'The timer has stopped'
    says: 'The timer that makes schedules and reconciles has not run for minutes. See docs/runbooks/timer-has-stopped.md.'
    severity: 1
    metric: metrics.heartbeatAge
    above: heartbeatSeconds
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(mailAddresses)) {
  name: '${namePrefix}-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'nexomatic'
    enabled: true
    emailReceivers: [for (address, index) in mailAddresses: {
      name: 'mail-${index}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

resource metricRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${namePrefix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.says
    severity: rule.severity
    enabled: enabled
    scopes: [
      insightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
    criteria: {
      allOf: [
        {
          query: 'customMetrics | where name == "${rule.metric}" | summarize highest = max(valueMax) by bin(timestamp, 5m)'
          metricMeasureColumn: 'highest'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: rule.above
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The metric does not exist before the hub has sent it once, and a deployment must not fail for that.
    skipQueryValidation: true
    actions: {
      actionGroups: empty(mailAddresses) ? [] : [people.id]
    }
  }
}]

resource question 'Microsoft.Insights/webtests@2022-06-15' = if (availabilityTest) {
  name: '${namePrefix}-health'
  location: location
  // The link is how Application Insights finds the test.
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  properties: {
    SyntheticMonitorId: '${namePrefix}-health'
    Name: 'Is the hub well'
    Kind: 'standard'
    Enabled: enabled
    Frequency: availabilitySeconds
    Timeout: 60
    RetryEnabled: true
    Locations: [for place in availabilityPlaces: {
      Id: place
    }]
    Request: {
      RequestUrl: '${publicUrl}/api/health'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      IgnoreHttpStatusCode: false
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource notAnswering 'Microsoft.Insights/metricAlerts@2018-03-01' = if (availabilityTest) {
  name: '${namePrefix}-hub-not-answering'
  location: 'global'
  tags: tags
  properties: {
    description: 'The hub does not answer at its public address, or says that it cannot work. See docs/runbooks/hub-does-not-answer.md.'
    severity: 0
    enabled: enabled
    scopes: [
      question.id
      insightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: question.id
      componentId: insightsId
      failedLocationCount: 2
    }
    autoMitigate: true
    actions: empty(mailAddresses) ? [] : [
      {
        actionGroupId: people.id
      }
    ]
  }
}
