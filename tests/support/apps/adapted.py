"""Apps of ASGI frameworks, and of one interface behind an adapter to the other."""

import threading

import bare
import fastapi
import quart
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from_wsgi = WSGIMiddleware(bare.echo)
from_wsgi_too = WsgiToAsgi(bare.echo)

api = fastapi.FastAPI()


@api.get("/thread")
def thread():
    return [threading.current_thread().name, threading.active_count()]


@api.post("/echo")
async def echo(request: fastapi.Request):
    return fastapi.Response(await request.body())


@api.get("/broken")
async def broken():
    raise LookupError("the shelf is empty")


@api.get("/checked")
async def checked(number: int):
    return number


async def lines(_request):
    return StreamingResponse((f"line {number}\n" for number in range(1000)), 201)


async def endless(_request):
    async def ticks():
        while True:
            yield "tick\n"

    return StreamingResponse(ticks())


async def hello(request):
    return PlainTextResponse(f"hello {request.path_params['name']}")


small = Starlette(
    routes=[Route("/lines", lines), Route("/endless", endless), Route("/hello/{name}", hello)]
)

q = quart.Quart("shop")
started = []


@q.before_serving
async def start():
    started.append("yes")


@q.post("/echo")
async def quart_echo():
    return await quart.request.get_data()


@q.get("/started")
async def quart_started():
    return started


def to_wsgi():
    return ASGIMiddleware(small)
