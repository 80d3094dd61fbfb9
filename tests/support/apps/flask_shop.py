"""A small Flask shop: log in, browse, upload, stream."""

from flask import Flask, Response, abort, redirect, request, session

app = Flask(__name__)
app.secret_key = "a test's"
items = [
    {"number": number, "name": f"item {number}", "tags": ["new", f"shelf-{number % 7}"]}
    for number in range(5000)
]


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect("/me")


@app.get("/me")
def me():
    return {"name": session["name"]} if "name" in session else abort(401)


@app.post("/json")
def json():
    return {"sum": sum(request.get_json()["numbers"])}


@app.post("/upload")
def upload():
    sent = request.files["file"]
    return {
        "filename": sent.filename,
        "kind": sent.mimetype,
        "size": len(sent.read()),
        "title": request.form["title"],
    }


@app.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(1000)), mimetype="text/plain")


@app.post("/count")
def count():
    return {"size": sum(iter(lambda: len(request.stream.read(65536)), 0))}


@app.get("/big")
def big():
    return Response((b"x" * 65536 for _ in range(160)), mimetype="application/octet-stream")


@app.get("/find/<name>")
def find(name):
    return {"name": name, "query": request.args.get("q")}


@app.get("/feed")
def feed():
    return {"names": [item["name"] for item in items if "shelf-3" in item["tags"]]}


@app.get("/broken")
def broken():
    raise LookupError("the shelf is empty")
