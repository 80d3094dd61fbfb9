"""Messages and body bytes keep their frames, whatever the content, the split and the end."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.zygote import wire

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)
messages = st.lists(values, min_size=1, max_size=4).map(tuple)


@given(frames=st.lists(messages | st.binary(max_size=2000), max_size=5))
def test_frames_arrive_whole_and_in_order(frames):
    near, far = socket.socketpair()
    with near, far:
        for frame in frames:
            (wire.send if isinstance(frame, tuple) else wire.send_bytes)(near, frame)
        assert [wire.receive(far) for _ in frames] == frames


@given(body=st.binary(max_size=500), cut=st.integers(min_value=0, max_value=503))
def test_an_end_within_a_frame_is_an_end_of_file(body, cut):
    near, far = socket.socketpair()
    with near, far:
        wire.send_bytes(near, body)
        sent = far.recv(1000)
        near.sendall(sent[: min(cut, len(sent) - 1)])
        near.close()
        with pytest.raises(EOFError):
            wire.receive(far)


@given(body=st.binary(max_size=2000))
def test_a_body_is_read_into_the_buffer(body):
    near, far = socket.socketpair()
    buffer = bytearray(b"?" * 2000)
    with near, far:
        wire.send_bytes(near, body)
        assert wire.receive_into(far, memoryview(buffer)) == len(body)
    assert buffer == body + b"?" * (2000 - len(body))


def test_frames_larger_than_any_socket_buffer():
    body = bytes(range(256)) * 20_000
    near, far = socket.socketpair()

    def send():
        wire.send_bytes(near, body)
        wire.send(near, ("big", body))

    with near, far:
        sender = threading.Thread(target=send)
        sender.start()
        assert wire.receive(far) == body
        assert wire.receive(far) == ("big", body)
        sender.join()


def test_a_message_in_a_bodys_place_ends_the_body():
    near, far = socket.socketpair()
    with near, far:
        wire.send(near, ("gone",))
        wire.send(near, ("next",))
        with pytest.raises(ConnectionResetError, match="stopped sending"):
            wire.receive_into(far, memoryview(bytearray(10)))
        assert wire.receive(far) == ("next",)
