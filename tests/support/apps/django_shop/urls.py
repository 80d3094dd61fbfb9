"""The project's views and where to find them."""

import json

from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path


def log_in(request):
    name, password = request.POST["name"], request.POST["password"]
    login(request, authenticate(request, username=name, password=password))
    return HttpResponseRedirect("/me")


def me(request):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return JsonResponse({"name": request.user.username})


def add(request):
    return JsonResponse({"sum": sum(json.loads(request.body)["numbers"])})


def upload(request):
    sent = request.FILES["file"]
    return JsonResponse(
        {
            "filename": sent.name,
            "kind": sent.content_type,
            "size": sent.size,
            "title": request.POST["title"],
        }
    )


def stream(_request):
    lines = (f"line {number}\n" for number in range(1000))
    return StreamingHttpResponse(lines, content_type="text/plain")


def count(request):
    return JsonResponse({"size": sum(iter(lambda: len(request.read(65536)), 0))})


def big(_request):
    pieces = (b"x" * 65536 for _ in range(160))
    return StreamingHttpResponse(pieces, content_type="application/octet-stream")


def find(request, name):
    return JsonResponse({"name": name, "query": request.GET.get("q")})


def feed(_request):
    return JsonResponse({"names": list(User.objects.values_list("username", flat=True))})


def broken(_request):
    raise LookupError("the shelf is empty")


urlpatterns = [
    path("login", log_in),
    path("me", me),
    path("json", add),
    path("upload", upload),
    path("stream", stream),
    path("count", count),
    path("big", big),
    path("find/<name>", find),
    path("feed", feed),
    path("broken", broken),
]
