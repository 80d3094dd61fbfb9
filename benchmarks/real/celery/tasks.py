"""A Celery app. Its worker would load it once, and fork."""

from celery import Celery

app = Celery("tasks", broker="memory://", backend="cache+memory://")
ORDERS = [{"number": number, "total": number * 7919 % 1000} for number in range(20_000)]


@app.task
def add(first, second):
    """Add two numbers."""
    return first + second


@app.task
def monthly_total(month):
    """Sum up the orders of a month."""
    return sum(order["total"] for order in ORDERS if order["number"] % 12 == month)


@app.task
def render(name, rows):
    """Render a table."""
    lines = [f"<tr><td>{row}</td><td>{name}</td></tr>" for row in range(rows)]
    return len("".join(lines))


@app.task(bind=True, max_retries=3)
def send(self, address):
    """Send a mail, which needs modules that no other task does."""
    import mailbox
    import smtplib

    return f"{address} {smtplib.SMTP_PORT} {mailbox.__name__}"


@app.task
def tidy():
    """Make garbage in cycles, and collect it."""
    import gc

    for _ in range(20_000):
        cycle = []
        cycle.append(cycle)
    gc.collect()


def perform(name, *args):
    """Run a task as a worker does, and return its result."""
    return app.tasks[f"tasks.{name}"].apply(args).get()


app.finalize()
