"""The web application: `gunicorn --preload shop.wsgi:app`."""

import encodings.idna  # noqa: F401  # or each worker imports it anew: cookies need it

from flask import Flask, abort, redirect, render_template, request, session, url_for

from shop import catalogue, database, planted
from shop.report import stock_report

catalogue.create()
database.create_orders()
products = catalogue.Catalogue()
words = sorted(products.by_word)

app = Flask(__name__)
app.secret_key = "not a secret: this is a demo"
for name in app.jinja_env.list_templates():
    app.jinja_env.get_template(name)  # compiled here, so that no worker compiles it


@app.before_request
def begin():
    planted.on_request(request.path)


@app.get("/products")
def product_list():
    number = request.args.get("page", 1, type=int)
    return render_list(f"Products, page {number}", products.page(number))


@app.get("/search")
def search():
    text = request.args.get("q", "")
    return render_list(f"Search for {text}", products.search(text))


@app.get("/products/<int:number>")
def product_page(number):
    product = find(number)
    page = render_template("product.html", words=words, title=product.name, product=product)
    planted.on_product_page(product, page)
    return page


@app.get("/products/<int:number>/recommendations")
def recommendations(number):
    planted.on_recommendations(products.products)
    similar = products.similar(find(number))
    return [{"id": other.id, "name": other.name, "price": other.price} for other in similar]


@app.get("/report")
def report():
    result = stock_report()
    planted.on_report()
    return result


@app.post("/login")
def login():
    session["customer"] = request.form["customer"]
    return redirect(url_for("product_list"))


@app.post("/cart")
def add_to_cart():
    product = find(request.form.get("product", type=int))
    quantity = request.form.get("quantity", 1, type=int)
    session["cart"] = [*session.get("cart", []), (product.id, quantity, product.price)]
    return {"lines": len(session["cart"])}


@app.post("/checkout")
def checkout():
    if "customer" not in session:
        abort(403)
    if not session.get("cart"):
        abort(400)
    planted.on_checkout()
    order = database.add_order(session["customer"], session.pop("cart"))
    return {"order": order}, 201


def find(number):
    """Return the product of that number, or answer with a 404."""
    return products.by_id.get(number) or abort(404)


def render_list(title, found):
    """Return the page that lists the products found."""
    return render_template("list.html", words=words, title=title, products=found)
