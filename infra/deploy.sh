#!/usr/bin/env bash
# Deploys the hub to Azure with nothing but az, curl and openssl. `infra/deploy.sh --help` says how; docs/deploy.md why.
#
# Each step may be done again: what is there already is left as it is. Secrets go by files and standard input, never by
# an argument, which others read in `ps`.
# One long file, so that it can be read, and carried to where somebody may deploy, by itself.
set -euo pipefail

readonly STEPS=(infrastructure root-key code events smoke)
readonly ROOT_KEY=hub-root-key
readonly OIDC_SECRET=hub-oidc-client-secret
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

group='' location='' parameters='' package="$HERE/../build/nexomatic-hub.zip"
token_file='' oidc_secret_file='' first=infrastructure from_azd=no what_if=no
settings=()
step='' work='' # where scratch files lie
# How often, and how many seconds apart, something is tried that Azure needs minutes for.
tries=${NEXOMATIC_DEPLOY_TRIES:-40}
pause=${NEXOMATIC_DEPLOY_PAUSE:-15}

usage() {
  cat <<'TEXT'
Deploys the hub to Azure: infrastructure, root key, code, subscription to Event Grid, and a look whether it answers.

  infra/deploy.sh --resource-group NAME --parameters FILE [options]

needed:
  --resource-group NAME       where to; made, with --location, if it is not there
  --parameters FILE           such as infra/bicep/parameters/prod.bicepparam

options:
  --location REGION           of a resource group that has to be made
  --set NAME=VALUE            a parameter of infra/bicep/main.bicep, in place of what FILE says; as often as you like
  --package FILE              what `make package` built (build/nexomatic-hub.zip)
  --first-admin-token FILE    makes the token in FILE an Admin's; a FILE that is not there is made, for you alone. For the
                              first deployment: done again without it, the token is good no longer
  --oidc-client-secret FILE   puts the hub's secret at the provider of sign-in, which FILE holds, into the vault
  --what-if                   shows what the infrastructure would change, and changes nothing
  --from STEP                 goes on with STEP: infrastructure, root-key, code, events, smoke
  --hash-of-token FILE        says the SHA-256 of that token, and makes it if it is not there; does nothing else
  --azd                       azd has made the infrastructure, and its environment says what is where (infra/azd.sh)
  --help                      this text

Sign in first (`az login`), and choose the subscription (`az account set`). You need the roles Contributor and Role Based
Access Control Administrator on the resource group, or Owner.
TEXT
}

say() { printf '%s\n' "$*" >&2; }

refuse() {
  say "$1" $'\ninfra/deploy.sh --help says what there is.'
  exit 2
}

fail() {
  say "$1"
  exit 1
}

at_the_end() {
  local code=$?
  if [[ -n $work ]]; then rm -rf "$work"; fi
  if ((code != 0)) && [[ -n $step ]]; then
    say "The step '$step' failed. What was done before stays. Once the cause is gone, go on with the same options and --from $step"
  fi
}

read_arguments() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --hash-of-token) hash_of_token "${2:-}" && exit 0 ;;
      --azd) from_azd=yes && shift && continue ;;
      --what-if) what_if=yes && shift && continue ;;
      --resource-group | --location | --parameters | --set | --package | --first-admin-token | --oidc-client-secret | --from) ;;
      *) refuse "There is no option $1." ;;
    esac
    if [[ -z ${2:-} || ${2:-} == --* ]]; then refuse "$1 needs a value."; fi
    case $1 in
      --resource-group) group=$2 ;;
      --location) location=$2 ;;
      --parameters) parameters=$2 ;;
      --set) settings+=("$2") ;;
      --package) package=$2 ;;
      --first-admin-token) token_file=$2 ;;
      --oidc-client-secret) oidc_secret_file=$2 ;;
      --from) first=$2 ;;
    esac
    shift 2
  done
}

check_arguments() {
  local each
  [[ -n $group ]] || refuse '--resource-group is missing: where is the hub to be?'
  [[ $what_if == no || $from_azd$first == noinfrastructure ]] || refuse '--what-if looks at the infrastructure alone.'
  [[ " ${STEPS[*]} " == *" $first "* ]] || refuse "There is no step $first. Steps: ${STEPS[*]}."
  if [[ $from_azd == no ]]; then
    [[ -n $parameters ]] || refuse '--parameters is missing: infra/bicep/parameters/dev.bicepparam is a beginning.'
    [[ -f $parameters && $parameters == *.bicepparam ]] || refuse "--parameters: $parameters is no .bicepparam file."
  fi
  [[ -f $package ]] || refuse "--package: there is no file $package. \`make package\` builds it."
  for each in "${settings[@]+"${settings[@]}"}"; do
    [[ $each =~ ^[A-Za-z][A-Za-z0-9]*=. ]] || refuse "--set takes NAME=VALUE, not $each."
  done
  if [[ -n $oidc_secret_file && ! -s $oidc_secret_file ]]; then
    refuse "--oidc-client-secret: $oidc_secret_file is not there, or empty."
  fi
  if [[ -n $token_file ]]; then check_token; fi
  for each in az curl openssl; do
    command -v "$each" >/dev/null || refuse "$each is not installed."
  done
}

# Runs a command until it succeeds, as long as it fails with what Azure says while rights and apps are not yet in force
# everywhere. Anything else that goes wrong is shown at once.
patiently() {
  local passing=$1 attempt
  shift
  for ((attempt = 1; ; attempt++)); do
    if "$@" 2>"$work/error"; then return 0; fi
    if ! grep -Eqi "$passing" "$work/error" || ((attempt >= tries)); then
      cat "$work/error" >&2
      return 1
    fi
    ((attempt > 1)) || say '  … not yet; Azure needs a few minutes for new rights'
    sleep "$pause"
  done
}
readonly RIGHTS='Forbidden|403|AuthorizationFailed|AuthorizationPermissionMismatch|not authorized'

# What stage one says of itself; from azd's environment where azd did it.
output() {
  local value
  if [[ $from_azd == yes ]]; then
    value=${!1:-}
  else
    value=$(az deployment group show --resource-group "$group" --name nexomatic \
      --query "properties.outputs.$1.value" --output tsv)
  fi
  [[ -n $value ]] || fail "The deployment of the infrastructure does not say $1: do that step first."
  printf '%s' "$value"
}

check_token() {
  if [[ -e $token_file ]] && ! grep -Eq '^nxt_[A-Za-z0-9_-]{40,}$' "$token_file"; then
    refuse "$token_file holds no token. Name a file that is not there, and one is made."
  fi
}

hash_of_token() {
  token_file=${1:?--hash-of-token needs a file}
  check_token
  [[ -e $token_file ]] || make_token
  token_sha256
}

make_token() {
  say "  making the first admin's token: $token_file"
  (umask 077 && printf 'nxt_%s\n' "$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n')" >"$token_file")
}

token_sha256() {
  tr -d '\n' <"$token_file" | openssl dgst -sha256 -r | cut -d ' ' -f 1
}

# Who deploys, and so puts the root key, as parameters; unless --set says who.
add_deployer() {
  local kind name id
  [[ " ${settings[*]-} " != *" deployerPrincipalId="* ]] || return 0
  kind=$(az account show --query user.type --output tsv)
  if [[ $kind == user ]]; then
    id=$(az ad signed-in-user show --query id --output tsv)
    given+=("deployerPrincipalId=$id" deployerPrincipalType=User)
  else
    name=$(az account show --query user.name --output tsv)
    id=$(az ad sp show --id "$name" --query id --output tsv)
    given+=("deployerPrincipalId=$id" deployerPrincipalType=ServicePrincipal)
  fi
}

# Flex Consumption needs this provider, which no template names and so no deployment registers.
register_provider() {
  local state
  state=$(az provider show --namespace Microsoft.App --query registrationState --output tsv)
  [[ $state == Registered ]] || az provider register --namespace Microsoft.App --wait --output none ||
    fail 'The subscription has no resource provider Microsoft.App, and you may not register it: ask who may.'
}

infrastructure() {
  local there hash given=() verb=(create --output none)
  if [[ $what_if == yes ]]; then verb=(what-if); else register_provider; fi
  there=$(az group exists --name "$group")
  if [[ $there != true ]]; then
    [[ $what_if == no ]] || fail "There is no resource group $group: everything would be made."
    [[ -n $location ]] || fail "There is no resource group $group: say with --location where it is to be made."
    az group create --name "$group" --location "$location" --output none
  fi
  add_deployer
  if [[ -n $token_file ]]; then
    [[ -e $token_file ]] || make_token
    hash=$(token_sha256)
    given+=("firstAdminTokenSha256=$hash")
  fi
  if [[ -n $oidc_secret_file ]]; then given+=(oidcClientSecretInVault=true); fi
  given+=("${settings[@]+"${settings[@]}"}")
  # As JSON, because az has long ignored what is said beside a .bicepparam file.
  az bicep build-params --file "$parameters" --outfile "$work/parameters.json"
  az deployment group "${verb[@]}" --resource-group "$group" --name nexomatic --template-file "$HERE/bicep/main.bicep" \
    --parameters "@$work/parameters.json" --parameters "${given[@]}"
}

# There, or recoverable: it stays what it is. A new one in place of an old one would make all secrets unreadable, so one is
# made only when the vault says that there is none, and has been none.
root_key() {
  local vault hub
  vault=$(output hubVaultName)
  hub=$(output hubId)
  if has_secret show "$vault"; then
    say '  the root key is there, and stays'
  elif has_secret show-deleted "$vault"; then
    say '  the root key was deleted: recovering it'
    az keyvault secret recover --vault-name "$vault" --name "$ROOT_KEY" --output none
    patiently 'SecretNotFound|Conflict' az keyvault secret show --vault-name "$vault" --name "$ROOT_KEY" --query id --output none
  else
    say '  making the root key; keep a copy of it, apart from copies of the data'
    (umask 077 && openssl rand -base64 32 | tr -d '\n' >"$work/root-key")
    az keyvault secret set --vault-name "$vault" --name "$ROOT_KEY" --file "$work/root-key" --encoding utf-8 --output none
  fi
  if [[ -n $oidc_secret_file ]]; then
    (umask 077 && tr -d '\r\n' <"$oidc_secret_file" >"$work/oidc")
    az keyvault secret set --vault-name "$vault" --name "$OIDC_SECRET" --file "$work/oidc" --encoding utf-8 --output none
  fi
  # What was not there when the settings were put would else be looked for again within a day.
  az rest --method post --url "$hub/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none
}

# Whether the vault has the root key (show), or had it (show-deleted). Any answer but yes and no ends the deployment.
has_secret() {
  if patiently "$RIGHTS" az keyvault secret "$1" --vault-name "$2" --name "$ROOT_KEY" --query id --output none 2>"$work/said"; then
    return 0
  fi
  if grep -q SecretNotFound "$work/said"; then return 1; fi
  cat "$work/said" >&2
  fail 'The vault does not say whether there is a root key, and a second one must not be made.'
}

# By the app's own door for deployments. Not by `az functionapp deployment source config-zip`: of Python that has everything
# built anew in Azure, whatever it is told, and then asks /admin, which is closed.
code() {
  local hub scm token status id attempt
  hub=$(output hubId)
  scm=$(az resource show --ids "$hub" --api-version 2023-12-01 --output tsv \
    --query "properties.hostNameSslStates[?hostType=='Repository'].name | [0]")
  token=$(az account get-access-token --resource https://management.core.windows.net/ --query accessToken --output tsv)
  for ((attempt = 1; attempt <= tries; attempt++)); do
    ((attempt == 1)) || sleep "$pause"
    status=$(signed_in "$token" --max-time 900 --header 'Content-Type: application/zip' --data-binary "@$package" \
      "https://$scm/api/publish?RemoteBuild=false&Deployer=nexomatic")
    case $status in
      200) return 0 ;;
      202)
        id=$(tr -d '"[:space:]' <"$work/answer")
        [[ $id =~ ^[A-Za-z0-9-]+$ ]] || fail 'The app took the package, and does not say which deployment it is.'
        if deployed "$scm" "$token" "$id"; then return 0; fi
        ;;
      000 | 401 | 403 | 409 | 429 | 5??) say "  … not yet: the app answers $status" ;;
      *) break ;;
    esac
  done
  fail "The app does not take the package: $status $(head -c 500 "$work/answer")"
}

# Waits for the end of a deployment. False: it failed for a right that is not yet in force.
deployed() {
  local at="https://$1/api/deployments/$3" status found attempt
  for ((attempt = 1; attempt <= tries; attempt++)); do
    status=$(signed_in "$2" "$at")
    found=$(grep -Eo '"status": *-?[0-9]+' "$work/answer" | head -n 1 | grep -Eo -- '-?[0-9]+$' || true)
    case $status:$found in
      200:4) return 0 ;;
      200:3 | 200:-1 | 200:5 | 200:6)
        signed_in "$2" "$at/log" >/dev/null
        if grep -Eqi "$RIGHTS" "$work/answer"; then say '  … not yet; Azure needs a few minutes for new rights' && return 1; fi
        fail "The deployment failed: $(head -c 1000 "$work/answer")"
        ;;
    esac
    sleep "$pause"
  done
  fail "The deployment has not come to an end: $at"
}

events() {
  local hub topic storage container
  hub=$(output hubName)
  topic=$(output incomingTopicName)
  storage=$(output storageName)
  container=$(output deadLetterContainerName)
  patiently 'not ?found|404' az functionapp function show --resource-group "$group" --name "$hub" --function-name eventgrid --output none ||
    fail "Azure knows no function of the code that was deployed. Look at the app's log stream; deploying again often helps."
  patiently "$RIGHTS|not ?found" az deployment group create --resource-group "$group" --name nexomatic-events \
    --template-file "$HERE/bicep/events.bicep" --output none \
    --parameters "hubName=$hub" "incomingTopicName=$topic" "storageName=$storage" "deadLetterContainerName=$container"
}

# A call as who has a token.
signed_in() {
  local token=$1
  shift
  printf 'Authorization: Bearer %s\n' "$token" | ask --header @- "$@"
}

# The status of a call, 000 without an answer; its body is in $work/answer. A token comes by standard input.
ask() {
  : >"$work/answer"
  curl --silent --show-error --max-time 60 --output "$work/answer" --write-out '%{http_code}' "$@" 2>"$work/error" || true
}

smoke() {
  local url status attempt
  url=$(output hubUrl)
  for ((attempt = 1; ; attempt++)); do
    status=$(ask "$url/api/health")
    [[ $status != 200 ]] || break
    if ((attempt >= tries)); then
      cat "$work/error" >&2
      fail "$url/api/health answers $status. docs/runbooks/hub-does-not-answer.md says where to look."
    fi
    sleep "$pause"
  done
  say "  $url answers: $(head -c 300 "$work/answer")"
  status=$(ask "$url/api/me")
  [[ $status == 401 ]] || fail "$url/api/me answers $status to nobody, and not 401: do not use this hub."
  if [[ -n $token_file ]]; then first_admin "$url"; fi
}

first_admin() {
  local status token
  token=$(tr -d '\n' <"$token_file")
  status=$(signed_in "$token" "$1/api/me")
  [[ $status == 200 ]] || fail "$1/api/me answers $status to the token in $token_file, and not 200."
  grep -Eq '"role": ?"ADMIN"' "$work/answer" || fail "The token in $token_file is not an Admin's."
  say "  the token in $token_file is an Admin's. Make people and tokens with it:"
  say "    nexo login $1 --token < $token_file"
  say '  then deploy again without --first-admin-token, and delete the file.'
}

main() {
  local each started=no
  read_arguments "$@"
  check_arguments
  trap at_the_end EXIT
  work=$(mktemp -d)
  for each in "${STEPS[@]}"; do
    [[ $each != "$first" ]] || started=yes
    [[ $started == yes ]] || continue
    step=$each
    say "$each"
    "${each//-/_}"
    if [[ $what_if == yes ]]; then say 'Nothing was changed.' && exit 0; fi
  done
  step=''
  say "Done: $(output hubUrl)"
}

main "$@"
