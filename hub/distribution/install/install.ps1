# Installs, updates or removes the Nexomatic agent on this machine. Made by the hub at @HUB@.
#
#   Set-ExecutionPolicy -Scope Process RemoteSigned
#   Invoke-WebRequest -UseBasicParsing @HUB@/agent/install.ps1 -OutFile install.ps1
#   .\install.ps1 -Name NAME
#
# In a PowerShell of an administrator. The enrolment token is asked for, or read from -TokenFile or
# $env:NEXOMATIC_AGENT_TOKEN: what is on a command line is seen by all on the machine.
[CmdletBinding()]
param(
    [string] $Name = $env:COMPUTERNAME,
    [string] $TokenFile,
    [string] $Prefix = "$env:ProgramFiles\Nexomatic Agent",
    [string] $State = "$env:ProgramData\Nexomatic\agent",
    [string] $Python = 'python',
    [string] $CaFile,
    [string] $TrustedKeys,
    [switch] $NoService,
    [switch] $Uninstall,
    [switch] $Purge
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$Hub = '@HUB@'
$Version = '@VERSION@'
$Sha256 = '@SHA256@'
$TaskName = 'Nexomatic agent'
$Config = "$env:ProgramData\Nexomatic\agent.conf"

function Invoke-Program([string] $File, [string[]] $Arguments) {
    & $File @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$File ended with $LASTEXITCODE" }
}

function Stop-Agent {
    if (Get-ScheduledTask -TaskName $TaskName -ErrorAction SilentlyContinue) {
        Stop-ScheduledTask -TaskName $TaskName
    }
}

function Remove-Agent {
    Stop-Agent
    Unregister-ScheduledTask -TaskName $TaskName -Confirm:$false -ErrorAction SilentlyContinue
    if (Test-Path "$Prefix\.nexomatic-agent") { Remove-Item -Recurse -Force $Prefix }
    if ($Purge) {
        if (Test-Path "$State\identity.json") { Remove-Item -Recurse -Force $State }
        Remove-Item -Force $Config -ErrorAction SilentlyContinue
        Write-Output 'removed, with all that it knew. Remove the sink at the hub too: nexo sinks remove NAME'
    }
    else { Write-Output "removed; what it knew is in $State" }
}

function Install-Program([string] $Place) {
    New-Item -ItemType Directory -Force "$Prefix\versions" | Out-Null
    New-Item -ItemType File -Force "$Prefix\.nexomatic-agent" | Out-Null
    if (Test-Path $Place) { Remove-Item -Recurse -Force $Place }
    Invoke-Program $Python @('-m', 'venv', '--without-pip', $Place)
    $Package = "$Place\package.zip"
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    Invoke-WebRequest -UseBasicParsing "$Hub/agent/package/${Version}?sha256=$Sha256" -OutFile $Package
    if ((Get-FileHash -Algorithm SHA256 $Package).Hash -ne $Sha256) {
        Remove-Item -Recurse -Force $Place
        throw "$Hub/agent/package/$Version is not what this script was made for; get the script again"
    }
    $Unpack = 'import io,sys,sysconfig,zipfile' + "`n" + @'
site = sysconfig.get_path("purelib")
with zipfile.ZipFile(sys.argv[1]) as package:
    for name in package.namelist():
        if name.endswith(".whl"):
            zipfile.ZipFile(io.BytesIO(package.read(name))).extractall(site)
'@
    Set-Content -Encoding Ascii -Path "$Place\unpack.py" -Value $Unpack
    Invoke-Program "$Place\Scripts\python.exe" @("$Place\unpack.py", $Package)
    Remove-Item "$Place\unpack.py", $Package
    Invoke-Program "$Place\Scripts\python.exe" @('-m', 'nexomatic_agent', '--version')
    New-Item -ItemType File "$Place\.complete" | Out-Null
}

function Set-Configuration {
    if (Test-Path $Config) { Write-Output "$Config stays as it is"; return }
    $Lines = @("hub = $Hub", "state = $State", "name = $Name")
    if ($CaFile) { $Lines += "ca_bundle = $CaFile" }
    if ($TrustedKeys) { $Lines += "trusted_keys = $TrustedKeys" }
    New-Item -ItemType Directory -Force (Split-Path $Config) | Out-Null
    Set-Content -Encoding Ascii -Path $Config -Value $Lines
}

function Register-Sink([string] $Program) {
    if (Test-Path "$State\identity.json") { Write-Output 'it is enrolled already, and stays who it is'; return }
    $Before = $env:NEXOMATIC_AGENT_TOKEN
    if ($TokenFile) { $env:NEXOMATIC_AGENT_TOKEN = (Get-Content -Raw $TokenFile).Trim() }
    elseif (-not $Before) {
        $Secure = Read-Host -AsSecureString 'Enrolment token (nexo sinks enrol SINK_TYPE)'
        $env:NEXOMATIC_AGENT_TOKEN = [Net.NetworkCredential]::new('', $Secure).Password
    }
    try { Invoke-Program $Program @('-m', 'nexomatic_agent', 'enroll') }
    finally { $env:NEXOMATIC_AGENT_TOKEN = $Before }
}

function Start-Agent([string] $Program) {
    $Action = New-ScheduledTaskAction -Execute $Program -Argument '-m nexomatic_agent run'
    $Trigger = New-ScheduledTaskTrigger -AtStartup
    $Settings = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
        -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    $Principal = New-ScheduledTaskPrincipal -UserId 'SYSTEM' -LogonType ServiceAccount -RunLevel Highest
    Register-ScheduledTask -Force -TaskName $TaskName -Action $Action -Trigger $Trigger -Settings $Settings `
        -Principal $Principal | Out-Null
    Start-ScheduledTask -TaskName $TaskName
}

if ($Uninstall) { Remove-Agent; return }
Invoke-Program $Python @('-c', 'import sys, ssl, venv; sys.exit(sys.version_info < (3, 9))')
$Place = "$Prefix\versions\$Version-$($Sha256.Substring(0, 8))"
if (-not (Test-Path "$Place\.complete")) { Install-Program $Place }
Stop-Agent
Set-Configuration
New-Item -ItemType Directory -Force $State | Out-Null
# SYSTEM and Administrators, by their numbers: their names differ from language to language.
Invoke-Program 'icacls.exe' @($State, '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F')
Register-Sink "$Place\Scripts\python.exe"
if (-not $NoService) { Start-Agent "$Place\Scripts\python.exe" }
Get-ChildItem "$Prefix\versions" | Where-Object { $_.FullName -ne $Place } | Remove-Item -Recurse -Force
Write-Output "the agent $Version is installed"
