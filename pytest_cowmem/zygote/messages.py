"""Every kind of message between the pytest process and the zygote side, once.

Used by both ends. A message is a tuple: its kind, then the fields named here, in this order.
host/answers.py names the fields of what comes back. Bodies of requests and responses travel as raw
frames in between.
"""

import signal

# Kinds of round, each asked of a zygote in one byte. Descriptors follow: the worker's socket, and
# for a traced round the file for its map and the socket that it tells rows on.
# A mold is prepared, and then forks a measured worker.
MEASURED, TRACED, MOLD = b"m", b"t", b"p"
# Asked in one byte as well: what a full collection costs in a fork of its own.
COLLECT = b"c"

# To the zygote
START = "start"  # config

# From the workers of gunicorn, once they are initialised
BORN = "born"  # pid, age, inode: of the socket that its loop will watch, 0 where it watches none

# From the zygote
AGAIN = "again"  # compiling: it starts over from byte code; bytes of a master that cannot, or 0
FAILED = "failed"  # line, traceback
STARTED = "started"  # facts
COLLECTED = "collected"  # copied, cpu: bytes, nanoseconds

# To the twin
OWN = "own"  # names: modules whose code is the app's own; after the descriptors of a traced round
REAP = "reap"

# From the twin
FORKED = "forked"  # twin, worker: process numbers
UNKNOWN = "unknown"  # name: of a module that cannot be found; the twin ends
REAPED = "reaped"  # code

# To the worker
REQUEST = "request"  # request, has_body: WSGI's environ, or ASGI's scope
BURST = "burst"  # request, body, times, seconds, at_once
CALL = "call"  # target, arguments, times, seconds
GONE = "gone"  # the client stops sending its request's body, or reading its response
LEAVE = "leave"  # the app's shutdown; back: alive
MODULES = "modules"
PLANT = "plant"  # kind, pages
USE = "use"  # how much is in use; in a growth round
TREE = "tree"  # have the kernel tell of forks, signals and ends; back: telling

# To a worker of gunicorn
ARM = "arm"  # record collections from now on; back: alive
# Says to gunicorn's processes that a message has come, whose loops know of no other socket. The
# kernel gives it to the main thread, where that can take it (kernel/signal.c, complete_signal), and
# there Python runs its handlers.
SIGNAL = signal.SIGRTMAX - 1

# To the fork of a plain test
BODY = "body"  # run the test's body; back: ended
JUDGED = "judged"  # failure: why the test is to fail, or ""; the report follows in a raw frame

# To a mold, which serves requests as a worker does
PREPARE = "prepare"  # imports, serves; back: alive or failed
REST = "rest"  # freeze, gc: come to rest as a master does, or frozen; back: alive
REFORK = "refork"  # a descriptor follows: the worker's socket; back: forked
FULL = "full"  # back: collected

# From the worker
ALIVE = "alive"
READ = "read"  # most: bytes of the request's body that the app asks for
HEAD = "head"  # status, headers
DONE = "done"  # served: how many requests
GOING = "going"  # a burst, of requests or calls, takes long and goes on
ABORTED = "aborted"  # the app raised after its response had begun
MIXED = "mixed"  # first, other, at: the statuses of a burst differ
RETURNED = "returned"  # the pickled result follows in a raw frame
RAISED = "raised"  # line, traceback, at: which call of a burst
LOADED = "loaded"  # modules, recorded, going: functions of tasks that go on
PLANTED = "planted"  # pages
TELLING = "telling"  # error: a number; where it is 0, the descriptor to listen to follows
USED = "used"  # pymalloc, libc: bytes, None of one that does not tell

# From the fork of a plain test
ENDED = "ended"  # passed: whether the body raised nothing

# To the worker of a leak round; its answer has the same kind
LOOK = "look"  # own
LEFT = "left"  # back: keepers, more

# To the worker of a traced round; its answer has the same kind
BEGIN = "begin"
MARK = "mark"
CHARGED = "charged"  # back: account
GROWN = "grown"  # held; back: entries, names, places

# To the twin of a traced round; its answer has the same kind
HELD = "held"  # back: held
MAP = "map"  # back: types, modules
