"""A shop on Flask, visited through its test client."""
# The framework is installed for recordings only; what pyright knows of it may be another version.
# pyright: basic, reportMissingImports=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import sentry_sdk
from client import finish, start
from flask import Flask, request

start(profiles_sample_rate=1.0)
app = Flask("shop")


@app.post("/orders/<int:number>")
def order(number: int) -> str:
    sentry_sdk.set_tag("order", number)
    return str(1 // len(request.json["articles"]))


@app.get("/articles/<name>")
def show(name: str) -> str:
    app.logger.error("no article %s", name)
    return f"no {name}"


if __name__ == "__main__":
    visitor = app.test_client()
    answers = [
        visitor.post("/orders/7", json={"articles": [], "password": "hunter2-hunter2"}).status_code,
        visitor.post("/orders/8", json={"articles": ["lamp"]}).status_code,
        visitor.get("/articles/desk").status_code,
    ]
    finish({"answers": answers})
