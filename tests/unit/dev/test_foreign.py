"""Which programs QEMU is registered for: those of one architecture, and no other file."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from moorage_dev import foreign, packages
from moorage_dev.failures import DevError

_MACHINES = {"arm64": 183}
#: amd64, 32 bits of ARM, ppc64el, riscv64.
_OTHERS = (62, 40, 21, 243)
_EXECUTABLE, _SHARED, _CORE = 2, 3, 4


def header(machine: int, kind: int = _SHARED, *, bits: int = 2, order: int = 1, abi: int = 0) -> bytes:
    """The first 20 bytes of an ELF file (elf(5))."""
    small = "little" if order == 1 else "big"
    start = b"\x7fELF" + bytes([bits, order, 1, abi]) + bytes(8)
    return start + kind.to_bytes(2, small) + machine.to_bytes(2, small)


def is_matched(architecture: str, start: bytes) -> bool:
    """As the kernel compares: byte by byte, under the mask."""
    fields = foreign.registration(architecture, Path("/usr/bin/qemu")).split(":")
    magic, mask = (bytes.fromhex(re.sub(r"\\x", "", field)) for field in fields[4:6])
    assert len(magic) == len(mask) == len(start)
    return all(one & covered == wanted & covered for one, covered, wanted in zip(start, mask, magic, strict=True))


@pytest.mark.parametrize("architecture", _MACHINES)
def test_its_programs_are_run(architecture: str) -> None:
    machine = _MACHINES[architecture]
    assert all(is_matched(architecture, header(machine, kind)) for kind in (_EXECUTABLE, _SHARED))
    assert is_matched(architecture, header(machine, abi=3))


@pytest.mark.parametrize("architecture", _MACHINES)
def test_no_other_file_is(architecture: str) -> None:
    machine = _MACHINES[architecture]
    others = [header(each) for each in _OTHERS]
    others += [header(machine, _CORE), header(machine, bits=1), header(machine, order=2)]
    others += [b"#!/usr/bin/python3\n\n", bytes(20)]
    assert not any(is_matched(architecture, other) for other in others)


def test_the_interpreter_is_opened_at_once() -> None:
    """It is not there where a program has another root."""
    assert foreign.registration("arm64", Path("/usr/bin/qemu-aarch64-static")).endswith(
        ":/usr/bin/qemu-aarch64-static:F"
    )


def test_a_machine_of_that_kind_needs_no_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    """And would have it run by itself."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine=foreign.machine("arm64")))
    with pytest.raises(DevError, match="this machine is arm64 itself"):
        foreign.main(["arm64", "true"])


def test_without_a_user_namespace_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(packages, "why_not", lambda _programs: None)
    monkeypatch.setattr(foreign, "_namespaces", lambda: ["false"])
    with pytest.raises(DevError, match="no user namespace"):
        foreign.main(["arm64", "true"])


def test_who_is_not_root_reads_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(DevError, match="needs root"):
        foreign.main(["arm64", "true"])


@pytest.mark.parametrize("arguments", [[], ["arm64"], ["vax", "true"]])
def test_wrong_arguments_are_one_line_of_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        foreign.main(arguments)
    assert "usage: python -m moorage_dev foreign" in capsys.readouterr().err
