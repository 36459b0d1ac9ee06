# Runs a task's PowerShell script so that its streams keep their level: the agent reads the level before each line
# between two control characters (see logstream.py). Not run by the project's tests, which have no PowerShell.
param([Parameter(Mandatory)][string] $Script)

$ErrorActionPreference = 'Continue'
$OutputEncoding = [Console]::OutputEncoding = [System.Text.UTF8Encoding]::new($false)

function Write-Line([string] $Level, [string] $Text) {
    foreach ($line in $Text -split "`r?`n") {
        [Console]::Out.WriteLine("$([char] 0x1e)$Level$([char] 0x1f)$line")
    }
}

$global:LASTEXITCODE = 0
try {
    & $Script *>&1 | ForEach-Object {
        switch ($_) {
            { $_ -is [System.Management.Automation.ErrorRecord] } { Write-Line 'ERROR' ($_ | Out-String).TrimEnd(); break }
            { $_ -is [System.Management.Automation.WarningRecord] } { Write-Line 'WARNING' $_.Message; break }
            { $_ -is [System.Management.Automation.VerboseRecord] } { Write-Line 'DEBUG' $_.Message; break }
            { $_ -is [System.Management.Automation.DebugRecord] } { Write-Line 'DEBUG' $_.Message; break }
            { $_ -is [System.Management.Automation.InformationRecord] } { Write-Line 'INFO' "$($_.MessageData)"; break }
            default { Write-Line 'INFO' ($_ | Out-String).TrimEnd() }
        }
    }
}
catch {
    Write-Line 'ERROR' ($_ | Out-String).TrimEnd()
    exit 1
}
exit $global:LASTEXITCODE
