"""Backing up the embedded PostgreSQL while it runs: all databases as they were at one moment."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from suite.embedded.errors import BackUpFailed, DataFolderUnusable
from suite.embedded.postgres_folder import DataFolder, prepare_folder

FOLDER_MODE: Final = 0o700
"""A back-up holds pupils' texts."""


def back_up(data_dir: Path, target: Path) -> None:
    """Copy the running server's whole cluster to ``target``, which is a data folder afterwards.

    Nothing is stopped or locked. The checksum of each page is verified on the way. ``target`` appears once the copy is
    complete: a process that is ended before that leaves ``target`` with ``.new`` after its name, which the next run
    replaces.

    Raises DataFolderUnusable, PostgresNotAvailable, BackUpFailed.
    """
    data_dir, target = data_dir.expanduser().resolve(), target.expanduser().resolve()
    if target.exists():
        raise BackUpFailed(f"{target} exists already: choose another folder")
    if not (data_dir / "PG_VERSION").exists():
        raise DataFolderUnusable(f"{data_dir} holds no database: name the data folder of a suite that runs")
    folder = prepare_folder(data_dir)
    sockets = folder.sockets
    if sockets is None:
        raise DataFolderUnusable(
            f"no PostgreSQL runs on {data_dir}: start the suite, or copy its folder while it is stopped"
        )
    fresh = target.with_name(target.name + ".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=FOLDER_MODE, parents=True)
        _copy(folder, sockets, fresh)
        _give_to_the_servers_user(folder, fresh)
        fresh.rename(target)
    except OSError as error:
        raise BackUpFailed(f"{target} cannot be written ({error.strerror}): choose another folder") from error


def _copy(folder: DataFolder, sockets: Path, target: Path) -> None:
    options = ("--username=postgres", "--no-password", "--checkpoint=fast", "--wal-method=stream")
    ended = subprocess.run(
        [folder.programs / "pg_basebackup", f"--host={sockets}", *options, f"--pgdata={target}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode != 0:
        last = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise BackUpFailed(f"there is no back-up: {last[0]}")


def _give_to_the_servers_user(folder: DataFolder, copy: Path) -> None:
    if folder.user is not None:
        for path in (copy, *copy.rglob("*")):
            shutil.chown(path, folder.user)
