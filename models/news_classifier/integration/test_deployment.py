"""Asks the deployed model, through the gateway or on its own port: MODEL_ENDPOINT says where."""

import json
import os
import urllib.error
import urllib.request

import pytest

ENDPOINT = os.environ.get("MODEL_ENDPOINT", "http://127.0.0.1:9000").rstrip("/")


def post(body):
    """POST a body (bytes) to the model. Returns (HTTP status, decoded answer)."""
    request = urllib.request.Request(
        f"{ENDPOINT}/api/v1.0/predictions", body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("number, text", [
    (0, "my car needs new brakes and the mechanic found oil in the clutch"),
    (1, "the program renders polygons and the image has wrong colors"),
    (2, "the doctor gave the patient a drug against the pain"),
    (3, "the rocket launch put a satellite into orbit"),
])
def test_every_class(number, text):
    status, answer = post(json.dumps({"data": {"names": ["text"], "ndarray": [text]}}).encode())
    assert status == 200
    assert answer["data"]["ndarray"] == [number]


def test_a_batch_is_answered_in_order():
    texts = ["a moon rocket", "a kidney disease of patients"] * 8
    status, answer = post(json.dumps({"data": {"ndarray": [[text] for text in texts]}}).encode())
    assert status == 200
    assert answer["data"]["ndarray"] == [3, 2] * 8


def test_a_string_is_answered_with_a_label():
    assert post(b'{"strData": "the engine of my car"}')[1]["strData"] == "autos"


def test_rubbish_is_refused():
    status, answer = post(b"not json")
    assert status == 400
    assert answer["status"]["status"] == "FAILURE"
