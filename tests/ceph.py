"""A real S3 server on loopback for tests: Ceph's object gateway over one monitor and one disk that is memory.

Ceph's gateway is what many data centers serve S3 with, it is in Debian, and it keeps its word where locks and commits
depend on it: of many conditional puts (``If-None-Match: *``) of one name, exactly one is granted. Tried beside it, and
found to grant all of them: ``juicefs gateway``, ``rclone serve s3``, ``nanio``.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

from tests.ports import free_port

PROGRAMS = ("monmaptool", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin", "radosgw")
KEYS = {"pan": "pan-secret", "reader": "reader-secret"}
_CONFIG = """
[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{mon_port}
mon_initial_members = a
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket =
pid_file =
crash_dir = {folder}
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_class_update_on_start = false
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_allow_pool_size_one = true
paxos_propose_interval = 0.05
paxos_min_wait = 0.02
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_enable_usage_log = false
rgw_run_sync_thread = false
rgw_override_bucket_index_max_shards = 1
"""


class Ceph:
    """A running cluster; `url` is where its S3 gateway listens, `log` what it answered, a line a request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "client.rgw.log"
        self._daemons: list[subprocess.Popen[bytes]] = []
        fsid, mon_port = uuid.uuid4(), free_port()
        settings = {"folder": folder, "fsid": fsid, "mon_port": mon_port, "port": self.port}
        (folder / "ceph.conf").write_text(_CONFIG.format(**settings))
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        self._run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{mon_port}]", "--fsid", fsid, "monmap")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        disk = str(uuid.uuid4())
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
        self._serve("ceph-mon", "-i", "a")
        self._run("ceph", "osd", "new", disk)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._serve("ceph-osd", "-i", "0")
        for name, secret in KEYS.items():
            user = ["--uid", name, "--display-name", name, "--access-key", name, "--secret", secret]
            mask = ["--op-mask", "read"] if name == "reader" else []
            self._run("radosgw-admin", "-n", "client.rgw", "user", "create", *user, *mask)
        self._serve("radosgw", "-n", "client.rgw")
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the gateway does not listen; see {self.log}")

    def environment(self, user: str = "pan") -> dict[str, str]:
        """Return the variables with which the clients of S3 find the server, and nothing of this machine's own."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": KEYS[user],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "none"),
        }

    def requests(self) -> int:
        """Count the requests answered until now."""
        return self.log.read_text().count("====== req done")

    def stop(self) -> None:
        """End all processes."""
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()

    def _run(self, program: str, *words: object) -> None:
        config = [] if program == "monmaptool" else ["-c", "ceph.conf"]
        done = subprocess.run(
            [program, *config, *map(str, words)], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{program} {words}:\n{done.stdout}{done.stderr}"

    def _serve(self, program: str, *words: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._daemons.append(subprocess.Popen([program, "-f", "-c", "ceph.conf", *words], cwd=self.folder, **quiet))


def is_installed() -> bool:
    """Return whether the programs are here: ``apt-get install ceph-mon ceph-osd radosgw``."""
    return all(shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in PROGRAMS)
