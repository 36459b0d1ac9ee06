from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.model.configuration import Runtime
from hub.rules.module_references import check_module

RELATIVE = (Runtime.POWERSHELL, Runtime.SHELL, Runtime.EXEC)


@pytest.mark.parametrize(
    ("runtime", "module"),
    [
        (Runtime.PYTHON, "disk_cleanup:run"),
        (Runtime.PYTHON, "tools.disk.cleanup:_run2"),
        (Runtime.POWERSHELL, "Restart-Service.ps1"),
        (Runtime.POWERSHELL, "tools/Müller & Söhne/x.PS1"),
        (Runtime.SHELL, "cleanup.sh"),
        (Runtime.SHELL, "tools/no-ending"),
        (Runtime.SHELL, ".hidden/..x/a..b"),
        (Runtime.EXEC, "sync.exe"),
        (Runtime.EXEC, "bin/sync"),
        (Runtime.EXEC, "/usr/bin/rsync"),
        (Runtime.EXEC, "C:/Tools/sync.exe"),
        (Runtime.EXEC, "C:\\Program Files\\Sync\\sync.exe"),
        (Runtime.EXEC, "a" * 256),
    ],
)
def test_what_names_a_module(runtime: Runtime, module: str) -> None:
    check_module(runtime, module)


@pytest.mark.parametrize(
    "module",
    [
        "disk_cleanup",
        "disk_cleanup:",
        ":run",
        "a:b:c",
        "a..b:run",
        ".a:run",
        "a.:run",
        "a-b:run",
        "a b:run",
        "1a:run",
        "a:class",
        "import.x:run",
        "a:run()",
        "a:B.run",
        "ä:run",
        "a/b:run",
        "../a:run",
        "a.py:run:",
    ],
)
def test_what_names_no_python_function(module: str) -> None:
    with pytest.raises(Invalid, match=r"a python action: it is package\.module:function, like disk_cleanup:run\."):
        check_module(Runtime.PYTHON, module)


@pytest.mark.parametrize("runtime", RELATIVE)
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("", "1 to 256 characters"),
        ("a" * 253 + ".ps1", "1 to 256 characters"),
        ("a\n.ps1", "no control or invisible"),
        ("a\0.ps1", "no control or invisible"),
        ("a\u202e.ps1", "no control or invisible"),
        ("a\ud800.ps1", "no control or invisible"),
        ("../x.ps1", "no . and no .."),
        ("a/../x.ps1", "no . and no .."),
        ("./x.ps1", "no . and no .."),
        ("a//x.ps1", "no empty steps"),
        ("a/", "no empty steps"),
        ("..", "no . and no .."),
        ("a\\..\\x.ps1", "parted by /"),
        ("a\\x.ps1", "parted by /"),
        ("C:x.ps1", "parted by /"),
        ("x.txt:hidden.ps1", "parted by /"),
        ("a?.ps1", "parted by /"),
        ("a*/x.ps1", "parted by /"),
        (".. /x.ps1", "ends in a space or a dot"),
        ("a./x.ps1", "ends in a space or a dot"),
        (" a/x.ps1", "begins with a space"),
        ("nul/x.ps1", "a Windows device"),
        ("a/CON.ps1", "a Windows device"),
        ("a/com1.x.ps1", "a Windows device"),
        ("a/AUX .ps1", "a Windows device"),
        ("-Command.ps1", "does not begin with -"),
    ],
)
def test_what_is_no_path_within_a_folder(runtime: Runtime, module: str, words: str) -> None:
    with pytest.raises(Invalid, match=f"cannot be the module of a {runtime} action: ") as caught:
        check_module(runtime, module)
    assert words in str(caught.value)


@pytest.mark.parametrize("runtime", [Runtime.POWERSHELL, Runtime.SHELL])
@pytest.mark.parametrize("module", ["/usr/x.ps1", "//server/share/x.ps1", "C:/x.ps1", "C:\\x.ps1", "\\\\server\\x.ps1"])
def test_scripts_have_no_full_path(runtime: Runtime, module: str) -> None:
    with pytest.raises(Invalid):
        check_module(runtime, module)


@pytest.mark.parametrize("module", ["x.sh", "x", "x.ps1.txt", "ps1"])
def test_powershell_runs_ps1(module: str) -> None:
    with pytest.raises(Invalid, match=r"it ends in \.ps1"):
        check_module(Runtime.POWERSHELL, module)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("//server/share/x.exe", "a share is not taken"),
        ("\\\\server\\share\\x.exe", "a share is not taken"),
        ("\\\\?\\C:\\x.exe", "a share is not taken"),
        ("\\x.exe", "a share is not taken"),
        ("/usr/../x", "no . and no .."),
        ("/", "no empty steps"),
        ("/usr//x", "no empty steps"),
        ("/a\\..\\x", "parted by /"),
        ("C:/a/../x.exe", "no . and no .."),
        ("C:\\a\\..\\x.exe", "no . and no .."),
        ("C:\\", "no empty steps"),
        ("C:\\x.exe:stream", "parted by /"),
        ("C:\\nul", "a Windows device"),
        ("CC:\\x.exe", "parted by /"),
    ],
)
def test_what_is_no_full_path(module: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_module(Runtime.EXEC, module)
    assert words in str(caught.value)


@given(st.sampled_from(RELATIVE), st.text("ab./\\: -~", max_size=12))
def test_what_is_accepted_stays_within_its_folder(runtime: Runtime, module: str) -> None:
    try:
        check_module(runtime, module)
    except Invalid:
        return
    full = module.startswith("/") or module[1:3] in (":/", ":\\")
    assert runtime is Runtime.EXEC or not full
    assert not {"", ".", ".."} & set(module.removeprefix("/").replace("\\", "/").split("/"))
