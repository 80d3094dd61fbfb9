"""The project's views and where to find them."""

import json

from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path


def log_in(request):
    login(
        request,
        authenticate(request, username=request.POST["name"], password=request.POST["password"]),
    )
    return HttpResponseRedirect("/me")


def me(request):
    return (
        JsonResponse({"name": request.user.username})
        if request.user.is_authenticated
        else HttpResponse(status=401)
    )


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
    return StreamingHttpResponse(
        (f"line {number}\n" for number in range(1000)), content_type="text/plain"
    )


def count(request):
    return JsonResponse({"size": sum(iter(lambda: len(request.read(65536)), 0))})


def big(_request):
    return StreamingHttpResponse(
        (b"x" * 65536 for _ in range(160)), content_type="application/octet-stream"
    )


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
