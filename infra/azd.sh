#!/usr/bin/env bash
# What azd calls before and after it makes the infrastructure (azure.yaml). azd's environment is in ours.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Beside azd's own notes of this environment, which are not committed either.
token=".azure/${AZURE_ENV_NAME:?is called by azd}/first-admin.token"

case ${1:-} in
  before)
    command -v az >/dev/null || { echo 'az is needed too: the root key is put, and the code deployed, with it.' >&2 && exit 1; }
    make package
    # Somebody has to be able to sign in first: by a provider, as firstAdmin says, or with a token.
    if [[ -z ${NEXOMATIC_OIDC_ISSUER:-} && ${NEXOMATIC_FIRST_ADMIN_TOKEN:-yes} == yes ]]; then
      hash=$(infra/deploy.sh --hash-of-token "$token")
      azd env set NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256 "$hash"
    else
      azd env set NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256 ''
    fi
    ;;
  after)
    arguments=(--azd --resource-group "${AZURE_RESOURCE_GROUP:?is said by azd}" --from root-key)
    if [[ -n ${NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256:-} ]]; then arguments+=(--first-admin-token "$token"); fi
    infra/deploy.sh "${arguments[@]}"
    ;;
  *) echo 'azd calls this: before, after' >&2 && exit 2 ;;
esac
