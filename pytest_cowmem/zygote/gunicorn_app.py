"""gunicorn's own application, and what is told and asked of its processes. Runs in gunicorn.

The user's configuration holds, but for what has no place in a test, and the user's hooks run first.
"""

import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.app.wsgiapp import WSGIApplication  # type: ignore[import-untyped]
from gunicorn.config import get_default_config_file  # type: ignore[import-untyped]
from gunicorn.workers.sync import SyncWorker  # type: ignore[import-untyped]

from pytest_cowmem.zygote import master, messages, pauses, process, wire, worker
from pytest_cowmem.zygote.errors import described
from pytest_cowmem.zygote.forks import fork_into
from pytest_cowmem.zygote.serve import interfaces
from pytest_cowmem.zygote.serve.load import load

if TYPE_CHECKING:
    from pytest_cowmem.zygote.in_gunicorn import Preloading

_PAIR = 2
_FOREVER = 1_000_000  # seconds after which gunicorn kills a worker that is silent, as a twin is
# A worker is killed at the end of its round. gunicorn takes that for a lack of memory.
_NOT_LOGGED = "Worker (pid:%s) was sent %s!"

# What gevent puts in its place waits in gevent's loop, where a signal's handler may not.
_Socket = socket.socket

Hook = Callable[..., object]


class Master(WSGIApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with the user's configuration, which preloads the app and forks pairs."""

    def __init__(self, preloading: "Preloading", once_more: bool) -> None:
        self._preloading = preloading
        self._config = preloading.config
        self._once_more = once_more
        self._collects = True
        self._table: "memoryview[float]" = pauses.shared_table(preloading.table_fd)
        super().__init__()

    def load_config(self) -> None:
        """Load the user's configuration, then set what this master needs, and chain the hooks."""
        super().load_config()
        self._preloads = self.cfg.preload_app or not _is_configured(self.cfg)
        for name, value in _settings(self._config["folder"], self.cfg).items():
            self.cfg.set(name, value)
        self._chain_hooks()

    def _chain_hooks(self) -> None:
        hooks = {name: self.cfg.settings[name].get() for name in ("when_ready", "post_fork")}
        initialised: Hook = self.cfg.post_worker_init

        def when_ready(server: Any) -> None:
            hooks["when_ready"](server)
            self._come_to_rest(server)

        def post_fork(server: Any, forked: Any) -> None:
            self._begin_worker(server.pid)
            hooks["post_fork"](server, forked)

        def post_worker_init(forked: Any) -> None:
            initialised(forked)
            self._answer_in_worker(forked)

        for hook in (when_ready, post_fork, post_worker_init):
            self.cfg.set(hook.__name__, hook)

    def load(self) -> Any:
        """Import the app under its GC policy and prepare it, as a zygote does before it rests."""
        policy, prepare = self._config["gc"], self._config["prepare"]
        if policy in ("freeze", "off"):
            gc.disable()
        elif policy != "default":
            gc.set_threshold(*(int(word) for word in policy.split(",")))
        try:
            self._config["brought"] = [master.brought_by(name) for name in self._config["preload"]]
            app = super().load()
            self._config["interface"] = interfaces.found(app)
            function = load(prepare) if prepare else None
            self._preloading.look_for_byte_code(self._once_more)
            if function:
                function()
        except BaseException as error:
            self._preloading.failed(*described(error))
            raise
        return app

    def _come_to_rest(self, server: Any) -> None:
        """Do what comes last before the first fork, and say that it comes."""
        freeze = self._config["gc"] == "freeze"
        self._collects = gc.isenabled() or freeze
        if freeze:
            gc.freeze()
        elif gc.isenabled() and not pauses.has_frozen():
            gc.collect()
        gc.disable()  # an idle master does not collect: that would differ from fork to fork
        server.log.error_log.addFilter(lambda record: not str(record.msg).startswith(_NOT_LOGGED))
        signal.signal(messages.SIGNAL, lambda *_: self._answer_in_master())
        self._preloading.started(self._collects, self._preloads)

    def _answer_in_master(self) -> None:
        """Say what a full collection costs, in a fork that does nothing else.

        gunicorn's loop waits for it, as for all its children. Under gevent a handler may not.
        """
        control = self._preloading.control
        wire.receive_message(control)
        fork_into(lambda: wire.send(control, _collected()))

    def _begin_worker(self, parent: int) -> None:
        """Be a worker that ends with its master, and all that it starts with it."""
        process.die_with_parent(parent)
        os.setpgid(0, 0)
        self._preloading.control.close()
        self._talk = _Socket(socket.AF_UNIX)
        if self._collects:
            gc.enable()

    def _answer_in_worker(self, forked: Any) -> None:
        """Answer between requests from now on, and say so."""
        if self._config["after_fork"]:
            load(self._config["after_fork"])()
        talk = self._talk
        talk.connect(os.path.join(self._config["folder"], "talk"))
        signal.signal(messages.SIGNAL, lambda *_: self._answer(talk))
        inode = 0
        if not isinstance(forked, SyncWorker):
            inode = os.fstat(forked.sockets[0].fileno()).st_ino
        wire.send(talk, (messages.BORN, os.getpid(), forked.age, inode))

    def _answer(self, talk: socket.socket) -> None:
        kind, *fields = wire.receive_message(talk)
        if kind == messages.ARM:
            pauses.start_phase()
            pauses.arm(self._table)
            wire.send(talk, (messages.ALIVE,))
        elif kind == messages.REQUEST:  # the harness's own; all others come as HTTP
            wire.send(talk, (messages.DONE, 1))
        elif kind == messages.LEAVE:  # gunicorn has an app shut down when it ends itself
            wire.send(talk, (messages.ALIVE,))
        else:
            worker.OTHERS[kind](talk, *fields)


def _collected() -> wire.Message:
    return messages.COLLECTED, *pauses.full_collection()


def _is_configured(cfg: Any) -> bool:
    """Whether the user has said how to run gunicorn, and not only on a command line elsewhere."""
    return bool(get_default_config_file() or cfg.get_cmd_args_from_env())


def _settings(folder: str, cfg: Any) -> "dict[str, Any]":
    """The settings that have to be others than in production, or may not be had in a test."""
    settings = {
        "bind": "unix:" + os.path.join(folder, "http"),
        "reuse_port": False,
        "workers": _PAIR,
        "preload_app": True,
        "timeout": _FOREVER,
        "max_requests": 0,  # a worker lives as long as its round
        "reload": False,
        "daemon": False,
        "pidfile": None,
        "user": os.geteuid(),
        "group": os.getegid(),
        "errorlog": "-",
        "accesslog": "-" if cfg.accesslog else None,
        "certfile": None,  # TLS and the proxy's protocol would be in the way of plain HTTP
        "keyfile": None,
        "proxy_protocol": "off",
        "control_socket_disable": True,
    }
    return {name: value for name, value in settings.items() if name in cfg.settings}
