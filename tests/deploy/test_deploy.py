"""`infra/deploy.sh`, as a process, before programs that stand for Azure's command line and for the hub."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "infra" / "deploy.sh"
OUTPUTS = ("hubName", "hubId", "hubVaultName", "storageName", "incomingTopicName", "deadLetterContainerName")
FORBIDDEN = "ERROR: (Forbidden) Caller is not authorized to perform action on resource. Code: ForbiddenByRbac\n"
FIRST_DEPLOYMENT = [
    "provider show",
    "group exists",
    "group create",
    "account show",
    "ad signed-in-user show",
    "bicep build-params",
    "deployment group create nexomatic",
    "keyvault secret show",
    "keyvault secret show-deleted",
    "keyvault secret set",
    "rest",
    "resource show",
    "account get-access-token",
    "curl /api/publish?RemoteBuild=false&Deployer=nexomatic",
    "curl /api/deployments/d-1",
    "functionapp function show",
    "deployment group create nexomatic-events",
    "curl /api/health",
    "curl /api/me",
]


AFTER_INFRASTRUCTURE = FIRST_DEPLOYMENT[FIRST_DEPLOYMENT.index("keyvault secret show") :]
PUBLISH = FIRST_DEPLOYMENT[FIRST_DEPLOYMENT.index("account get-access-token") + 1]


@dataclass(frozen=True)
class Azure:
    """What stands for it, and what it was asked."""

    home: Path

    @property
    def root_key(self) -> Path:
        return self.home / "secrets" / "hub-root-key"

    def calls(self) -> str:
        path = self.home / "calls"
        return path.read_text() if path.exists() else ""

    def steps(self) -> list[str]:
        """The calls without what they only look up: each as its words, a deployment with its name."""
        lines = [each for each in self.calls().splitlines() if not each.startswith("deployment group show")]
        return [_short(each) for each in lines]

    def fails(self, command: str, *errors: str) -> None:
        (self.home / "fails" / command).write_text("".join(errors))

    def deploy(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        scratch = self.home / "scratch"
        known = {
            "PATH": f"{Path(__file__).parent}:{os.environ['PATH']}",
            "AZURE": str(self.home),
            "TMPDIR": str(scratch),
        }
        known |= {"NEXOMATIC_DEPLOY_PAUSE": "0", "NEXOMATIC_DEPLOY_TRIES": "5", **environment}
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=known, capture_output=True, text=True, check=False, cwd=self.home
        )
        assert list(scratch.iterdir()) == [], "nothing of it stays on this machine"
        return done

    def usual(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = ("--resource-group", "g", "--parameters", "dev.bicepparam", "--package", "hub.zip", *more)
        return self.deploy(*given, **environment)


def _short(call: str) -> str:
    if call.startswith("curl"):
        return "curl " + re.sub(r".*example\.com", "", call.replace("\\", ""))
    words = call.split(" --")[0].strip()
    name = re.search(r"--name (\S+)", call)
    return f"{words} {name[1]}" if words == "deployment group create" and name else words


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    for name in ("secrets", "fails", "scratch"):
        (tmp_path / name).mkdir()
    for name, text in {
        "who": "user\n",
        "health": "200\n",
        "nobody": "401\n",
        "publish": "202\n",
        "provider": "Registered\n",
        "deployment": "4\n",
        "dev.bicepparam": "",
        "hub.zip": "zip",
    }.items():
        (tmp_path / name).write_text(text)
    return Azure(tmp_path)


class TestSteps:
    def test_the_first_deployment_does_everything_in_this_order(self, azure: Azure) -> None:
        done = azure.usual("--location", "westeurope")
        assert done.returncode == 0, done.stderr
        assert azure.steps() == FIRST_DEPLOYMENT
        assert re.search(r"main\.bicep --parameters @\S+/parameters\.json --parameters ", azure.calls())
        assert "deployerPrincipalId=11111111-1111-1111-1111-111111111111" in azure.calls()
        assert len(base64.b64decode(azure.root_key.read_text(), validate=True)) == 32

    def test_the_second_changes_no_key_and_makes_no_group(self, azure: Azure) -> None:
        azure.usual("--location", "westeurope")
        before = azure.root_key.read_text()
        (azure.home / "calls").unlink()
        assert azure.usual().returncode == 0
        left_out = {"group create", "keyvault secret show-deleted", "keyvault secret set"}
        assert azure.steps() == [each for each in FIRST_DEPLOYMENT if each not in left_out]
        assert azure.root_key.read_text() == before

    def test_a_failed_step_says_how_to_go_on_and_that_is_true(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "publish").write_text("413\n")
        done = azure.usual()
        assert done.returncode != 0
        assert "The app does not take the package: 413" in done.stderr
        assert "The step 'code' failed" in done.stderr
        assert "--from code" in done.stderr
        assert azure.steps()[-1] == PUBLISH, "nothing after it"
        (azure.home / "calls").unlink()
        (azure.home / "publish").write_text("202\n")
        assert azure.usual("--from", "code").returncode == 0
        assert azure.steps() == FIRST_DEPLOYMENT[FIRST_DEPLOYMENT.index("resource show") :]

    @pytest.mark.parametrize(
        "command", ["group exists", "account show", "ad signed-in-user show", "rest", "account get-access-token"]
    )
    def test_whatever_fails_ends_it(self, azure: Azure, command: str) -> None:
        (azure.home / "group").touch()
        azure.fails(command, "ERROR: a fault of Azure's\n")
        done = azure.usual("--location", "westeurope")
        assert done.returncode != 0
        assert "a fault of Azure's" in done.stderr
        assert azure.steps()[-1] == command

    def test_what_was_not_deployed_is_not_gone_on_with(self, azure: Azure) -> None:
        done = azure.usual("--from", "code")
        assert done.returncode != 0
        assert "DeploymentNotFound" in done.stderr
        assert "publish" not in azure.calls()

    def test_what_if_shows_and_changes_nothing(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        done = azure.usual("--what-if", "--set", "instanceMemoryMB=2048")
        assert done.returncode == 0, done.stderr
        assert "Resource changes: 3 to create." in done.stdout
        assert azure.steps()[-1] == "deployment group what-if"
        assert not re.search(r"create|register|secret|rest", " ".join(azure.steps()))
        assert "instanceMemoryMB=2048" in azure.calls()

    def test_what_if_makes_no_group(self, azure: Azure) -> None:
        done = azure.usual("--what-if", "--location", "westeurope")
        assert done.returncode != 0
        assert "everything would be made" in done.stderr
        assert azure.steps() == ["group exists"]

    def test_the_provider_of_flex_consumption_is_registered(self, azure: Azure) -> None:
        (azure.home / "provider").write_text("NotRegistered\n")
        assert azure.usual("--location", "westeurope").returncode == 0
        assert azure.steps()[:2] == ["provider show", "provider register"]

    def test_who_may_not_register_it_is_told(self, azure: Azure) -> None:
        (azure.home / "provider").write_text("NotRegistered\n")
        azure.fails("provider register", "ERROR: (AuthorizationFailed)\n")
        done = azure.usual("--location", "westeurope")
        assert done.returncode != 0
        assert "ask who may" in done.stderr
        assert azure.steps()[-1] == "provider register"

    def test_a_subscription_is_tried_again_while_the_function_is_not_known(self, azure: Azure) -> None:
        azure.usual("--location", "westeurope")
        azure.fails("deployment group create", "ERROR: Destination endpoint not found.\n")
        assert azure.usual("--from", "events").returncode == 0

    def test_a_pipeline_deploys_as_its_service_principal(self, azure: Azure) -> None:
        (azure.home / "who").write_text("servicePrincipal\n")
        assert azure.usual("--location", "westeurope").returncode == 0
        assert "deployerPrincipalId=22222222-2222-2222-2222-222222222222" in azure.calls()
        assert "deployerPrincipalType=ServicePrincipal" in azure.calls()

    def test_parameters_of_ones_own_come_last_and_so_win(self, azure: Azure) -> None:
        assert azure.usual("--location", "westeurope", "--set", "instanceMemoryMB=2048").returncode == 0
        assert re.search(r"deployerPrincipalType=User instanceMemoryMB=2048", azure.calls())

    def test_after_azd_names_come_from_its_environment(self, azure: Azure) -> None:
        given = {each: f"azd-{each}" for each in OUTPUTS} | {"hubUrl": "https://hub.example.com"}
        arguments = ("--azd", "--resource-group", "g", "--package", "hub.zip", "--from", "root-key")
        done = azure.deploy(*arguments, **given)
        assert done.returncode == 0, done.stderr
        assert azure.steps() == AFTER_INFRASTRUCTURE
        assert "--name azd-hubName" in azure.calls()


class TestRootKey:
    def test_a_deleted_one_is_recovered(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        azure.root_key.with_suffix(".deleted").write_text("the old one")
        assert azure.usual().returncode == 0
        assert azure.root_key.read_text() == "the old one"
        assert "keyvault secret set" not in azure.calls()

    @pytest.mark.parametrize("command", ["keyvault secret show", "keyvault secret show-deleted"])
    def test_none_is_made_while_it_is_not_known_whether_there_is_one(self, azure: Azure, command: str) -> None:
        (azure.home / "group").touch()
        azure.fails(command, "ERROR: the vault cannot be reached\n")
        done = azure.usual()
        assert done.returncode != 0
        assert "cannot be reached" in done.stderr
        assert "a second one must not be made" in done.stderr
        assert "keyvault secret set" not in azure.calls()

    def test_a_right_that_is_not_yet_in_force_is_waited_for(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        azure.fails("keyvault secret show", FORBIDDEN, FORBIDDEN)
        assert azure.usual().returncode == 0
        assert azure.steps().count("keyvault secret show") == 3

    def test_a_right_that_never_comes_ends_it(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        azure.fails("keyvault secret show", *[FORBIDDEN] * 9)
        done = azure.usual()
        assert done.returncode != 0
        assert "ForbiddenByRbac" in done.stderr
        assert azure.steps().count("keyvault secret show") == 5
        assert "keyvault secret set" not in azure.calls()


class TestCode:
    def test_it_is_put_again_while_the_app_does_not_take_it_yet(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "publish").write_text("403\n503\n202\n")
        assert azure.usual().returncode == 0
        assert azure.steps().count(PUBLISH) == 3

    def test_a_deployment_is_waited_for(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "deployment").write_text("0\n1\n4\n")
        assert azure.usual().returncode == 0
        assert azure.steps().count("curl /api/deployments/d-1") == 3

    def test_one_that_failed_for_want_of_a_right_is_tried_again(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "deployment").write_text("3\n4\n")
        (azure.home / "log").write_text('[{"message": "AuthorizationPermissionMismatch"}]')
        assert azure.usual().returncode == 0
        assert azure.steps().count(PUBLISH) == 2

    def test_one_that_failed_otherwise_ends_it_in_its_own_words(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "deployment").write_text("3\n")
        (azure.home / "log").write_text('[{"message": "the package is no zip"}]')
        done = azure.usual()
        assert done.returncode != 0
        assert "the package is no zip" in done.stderr
        assert azure.steps().count(PUBLISH) == 1

    @pytest.mark.parametrize(("file", "words"), [("publish", "answers 403"), ("deployment", "has not come to an end")])
    def test_nothing_is_waited_for_for_ever(self, azure: Azure, file: str, words: str) -> None:
        (azure.home / "group").touch()
        (azure.home / file).write_text({"publish": "403\n", "deployment": "1\n"}[file])
        done = azure.usual()
        assert done.returncode != 0
        assert words in done.stderr
        assert "--from code" in done.stderr


class TestSecrets:
    def test_none_is_in_an_argument_or_in_what_is_printed(self, azure: Azure) -> None:
        (azure.home / "oidc").write_text("s3cret-of-sign-in\n")
        (azure.home / "group").touch()
        # The token is made by the first step, and the hub knows it from then on.
        (azure.home / "good").symlink_to(azure.home / "token")
        done = azure.usual("--first-admin-token", "token", "--oidc-client-secret", "oidc")
        assert done.returncode == 0, done.stderr
        token = (azure.home / "token").read_text().strip()
        seen = azure.calls() + done.stdout + done.stderr
        for secret in (token, azure.root_key.read_text(), "s3cret-of-sign-in", "the-token-of-who-deploys"):
            assert secret not in seen
        assert f"firstAdminTokenSha256={hashlib.sha256(token.encode()).hexdigest()}" in azure.calls()
        assert (azure.home / "secrets" / "hub-oidc-client-secret").read_text() == "s3cret-of-sign-in"
        assert {line.split()[1] for line in (azure.home / "files").read_text().splitlines()} == {"600"}

    def test_the_first_admins_token_is_made_once_for_its_owner_alone(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "good").symlink_to(azure.home / "token")
        assert azure.usual("--first-admin-token", "token").returncode == 0
        made = (azure.home / "token").read_text()
        assert re.fullmatch(r"nxt_[A-Za-z0-9_-]{43}\n", made)
        assert (azure.home / "token").stat().st_mode & 0o777 == 0o600
        assert azure.usual("--first-admin-token", "token").returncode == 0
        assert (azure.home / "token").read_text() == made


def test_the_hash_of_a_token_is_said_alone(azure: Azure) -> None:
    done = azure.deploy("--hash-of-token", "token")
    token = (azure.home / "token").read_text().strip()
    assert done.stdout == hashlib.sha256(token.encode()).hexdigest() + "\n"
    assert azure.deploy("--hash-of-token", "token").stdout == done.stdout
    assert token not in done.stderr
    assert azure.calls() == ""


class TestSmoke:
    def test_it_waits_until_the_hub_answers(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "health").write_text("000\n503\n200\n")
        assert azure.usual().returncode == 0
        assert azure.steps().count("curl /api/health") == 3

    def test_a_hub_that_never_answers_is_named_with_its_runbook(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "health").write_text("503\n")
        done = azure.usual()
        assert done.returncode != 0
        assert "https://hub.example.com/api/health answers 503" in done.stderr
        assert (ROOT / re.findall(r"docs/runbooks/\S+\.md", done.stderr)[0]).is_file()

    def test_a_door_that_is_open_is_no_success(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        (azure.home / "nobody").write_text("200\n")
        done = azure.usual()
        assert done.returncode != 0
        assert "do not use this hub" in done.stderr

    def test_a_token_that_the_hub_does_not_know_is_no_success(self, azure: Azure) -> None:
        (azure.home / "group").touch()
        done = azure.usual("--first-admin-token", "token")
        assert done.returncode != 0
        assert "answers 401 to the token" in done.stderr


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "--resource-group is missing"),
            (("--resource-group", "g"), "--parameters is missing"),
            (("--resource-group", "g", "--parameters", "none.bicepparam"), "is no .bicepparam file"),
            (("--resource-group", "g", "--parameters", "hub.zip"), "is no .bicepparam file"),
            (("--resource-group", "--parameters", "dev.bicepparam"), "--resource-group needs a value"),
            (("--resource-group", "g", "--parameters", "dev.bicepparam", "--package", "none.zip"), "make package"),
            (("--from", "nowhere", "--resource-group", "g"), "Steps: infrastructure root-key code events smoke"),
            (("--colour", "red"), "There is no option --colour"),
        ],
    )
    def test_what_is_missing_or_wrong_is_said(self, azure: Azure, arguments: tuple[str, ...], words: str) -> None:
        done = azure.deploy(*arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "--help" in done.stderr
        assert azure.calls() == ""

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (("--set", "instanceMemoryMB"), "--set takes NAME=VALUE"),
            (("--what-if", "--from", "code"), "the infrastructure alone"),
            (("--oidc-client-secret", "none"), "is not there, or empty"),
            (("--first-admin-token", "hub.zip"), "holds no token"),
        ],
    )
    def test_so_are_options(self, azure: Azure, more: tuple[str, ...], words: str) -> None:
        done = azure.usual(*more)
        assert done.returncode == 2
        assert words in done.stderr
        assert azure.calls() == ""

    def test_a_group_that_is_not_there_needs_a_place(self, azure: Azure) -> None:
        done = azure.usual()
        assert done.returncode != 0
        assert "say with --location" in done.stderr

    def test_help_says_each_option_that_is_taken(self, azure: Azure) -> None:
        done = azure.deploy("--help")
        assert done.returncode == 0
        taken = set(re.findall(r"^ {6}(--[a-z-]+)\)", SCRIPT.read_text(), re.MULTILINE))
        assert taken
        assert taken <= set(re.findall(r"--[a-z-]+", done.stdout))


class TestAzd:
    """`infra/azd.sh`, which azd calls; azd and make are stood for."""

    def call(self, azure: Azure, when: str, **environment: str) -> subprocess.CompletedProcess[str]:
        copy = azure.home / "copy"
        if not copy.exists():
            shutil.copytree(ROOT / "infra", copy / "infra")
            (copy / ".azure" / "try").mkdir(parents=True)
            (copy / "build").mkdir()
            for name in ("azd", "make"):
                (copy / name).write_text(
                    f'#!/bin/sh\necho "{name} $*" >>"$AZURE/calls"\ntouch build/nexomatic-hub.zip\n'
                )
                (copy / name).chmod(0o700)
        known = {"PATH": f"{copy}:{Path(__file__).parent}:{os.environ['PATH']}", "AZURE": str(azure.home)}
        known |= {"AZURE_ENV_NAME": "try", "AZURE_RESOURCE_GROUP": "g", **environment}
        return subprocess.run(
            ["bash", str(copy / "infra" / "azd.sh"), when], env=known, capture_output=True, text=True, check=False
        )

    def test_azure_yaml_calls_what_there_is(self) -> None:
        hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
        assert {name: hook["run"] for name, hook in hooks.items()} == {
            "preprovision": "infra/azd.sh before",
            "postprovision": "infra/azd.sh after",
        }
        assert os.access(ROOT / "infra" / "azd.sh", os.X_OK)
        assert os.access(SCRIPT, os.X_OK)

    def test_before_the_package_is_built_and_a_token_made(self, azure: Azure) -> None:
        done = self.call(azure, "before")
        assert done.returncode == 0, done.stderr
        token = (azure.home / "copy" / ".azure" / "try" / "first-admin.token").read_text().strip()
        digest = hashlib.sha256(token.encode()).hexdigest()
        assert azure.calls() == f"make package\nazd env set NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256 {digest}\n"

    def test_after_everything_else_is_done(self, azure: Azure) -> None:
        self.call(azure, "before")
        (azure.home / "good").symlink_to(azure.home / "copy" / ".azure" / "try" / "first-admin.token")
        (azure.home / "calls").unlink()
        given = {each: f"azd-{each}" for each in OUTPUTS} | {"hubUrl": "https://hub.example.com"}
        done = self.call(azure, "after", NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256="0" * 64, **given)
        assert done.returncode == 0, done.stderr
        assert [*azure.steps()] == [*AFTER_INFRASTRUCTURE, "curl /api/me"]

    def test_who_signs_in_by_a_provider_needs_no_token(self, azure: Azure) -> None:
        done = self.call(azure, "before", NEXOMATIC_OIDC_ISSUER="https://login.example.com")
        assert done.returncode == 0, done.stderr
        assert not (azure.home / "copy" / ".azure" / "try" / "first-admin.token").exists()
        assert "SHA256 \n" in azure.calls()
