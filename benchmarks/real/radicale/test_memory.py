import base64

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:event{number}
DTSTAMP:20250101T000000Z
DTSTART:20250{month}01T180000Z
DTEND:20250{month}01T190000Z
SUMMARY:Meeting {number}
END:VEVENT
END:VCALENDAR
"""
ALL = """<?xml version="1.0"?>
<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:">
<D:prop><D:getetag/><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>
</C:calendar-query>"""
AUTH = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}


def ask(worker, method, path, status, **options):
    response = worker.request(method, path, headers=AUTH, **options)
    assert response.status_code == status, response.text


def fill(worker, events):
    ask(worker, "MKCALENDAR", "/ann/calendar/", 201)
    for number in range(events):
        event = EVENT.format(number=number, month=number % 9 + 1)
        ask(worker, "PUT", f"/ann/calendar/{number}.ics", 201, content=event)


def test_one_request(cow_worker):
    ask(cow_worker, "PROPFIND", "/ann/", 207)


def test_calendar(cow_worker):
    fill(cow_worker, 10)
    ask(cow_worker, "REPORT", "/ann/calendar/", 207, content=ALL)
    ask(cow_worker, "GET", "/ann/calendar/3.ics", 200)
    ask(cow_worker, "DELETE", "/ann/calendar/", 200)


def test_many_properties(cow_worker):
    for _ in range(30):
        ask(cow_worker, "PROPFIND", "/ann/", 207)


def test_burst(cow_worker):
    cow_worker.burst("PROPFIND", "/ann/", times=200, headers=AUTH)


def test_full_collection(cow_worker):
    fill(cow_worker, 5)
    cow_worker.call("gc:collect")
    ask(cow_worker, "DELETE", "/ann/calendar/", 200)


def test_late_imports(cow_worker):
    ask(cow_worker, "PROPFIND", "/ann/", 207)
    cow_worker.call("wsgi:report")
    ask(cow_worker, "OPTIONS", "/ann/", 200)
