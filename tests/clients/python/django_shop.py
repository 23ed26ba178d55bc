"""A shop on Django with its own SQLite, visited as a WSGI application."""
# The framework is installed for recordings only; what pyright knows of it may be another version.
# pyright: basic, reportMissingImports=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import sentry_sdk
from client import finish, start
from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from werkzeug.test import Client

start(profiles_sample_rate=1.0)


def count(request: HttpRequest, number: int) -> HttpResponse:
    cache.get(f"order-{number}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s + 1", [number])
        (row,) = cursor.fetchall()
    return HttpResponse(str(row[0]))


def pay(request: HttpRequest) -> HttpResponse:
    sentry_sdk.set_context("payment", {"bank": "none"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT balance FROM accounts WHERE owner = %s", ["ada"])
    return HttpResponse("paid")


urlpatterns = [path("orders/<int:number>", count), path("pay", pay)]

if __name__ == "__main__":
    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="of these recordings only",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    visitor = Client(get_wsgi_application())
    answers = [
        visitor.get("/orders/7").status_code,
        visitor.post("/pay", data={"amount": "12", "card": "none"}).status_code,
        visitor.get("/nowhere").status_code,
    ]
    finish({"answers": answers})
