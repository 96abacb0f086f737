import http.client
import json
import threading

import numpy as np
import pytest

from news_classifier.message import BadData
from news_classifier.server import MAX_BODY, Server, port


class Sum:
    """A component that adds up the numbers of each row, with two columns out."""

    class_names = ["sum", "count"]

    def predict(self, features, names=None, meta=None):
        if isinstance(features, str):
            return features.upper()
        rows = np.asarray(features, dtype=float)
        if rows.size == 0:
            raise BadData("no rows")
        if rows.max() > 1e6:
            raise RuntimeError("secret detail")
        return np.column_stack([rows.sum(axis=1), [rows.shape[1]] * len(rows)])


@pytest.fixture(scope="module")
def server():
    instance = Server(("127.0.0.1", 0), Sum(), {"PREDICTIVE_UNIT_ID": "adder", "PREDICTIVE_UNIT_IMAGE": "adder:1"})
    thread = threading.Thread(target=instance.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield instance
    instance.shutdown()
    instance.server_close()
    thread.join()


def call(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response, json.loads(answer)


def predict(server, body):
    return call(server, "POST", "/api/v1.0/predictions", body)


def test_ndarray(server):
    response, answer = predict(server, {"data": {"names": ["a", "b"], "ndarray": [[1, 2], [3, 4]]}})
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/json"
    assert answer == {
        "meta": {"requestPath": {"adder": "adder:1"}},
        "data": {"names": ["sum", "count"], "ndarray": [[3.0, 2.0], [7.0, 2.0]]},
    }


def test_tensor_is_answered_with_a_tensor(server):
    _, answer = predict(server, {"data": {"tensor": {"shape": [1, 2], "values": [1, 2]}}})
    assert answer["data"] == {"names": ["sum", "count"], "tensor": {"shape": [1, 2], "values": [3.0, 2.0]}}


def test_string_is_answered_with_a_string(server):
    _, answer = predict(server, {"strData": "text", "meta": {"puid": "p1"}})
    assert answer == {"meta": {"requestPath": {"adder": "adder:1"}, "puid": "p1"}, "strData": "TEXT"}


@pytest.mark.parametrize("body", [
    b"not json", b"", b"[]", b"{}", b"\xff\xfe\xfd", b'{"data": {}}', b'{"data": 1}', b'{"strData": 1}',
    b'{"data": {"ndarray": {}}}', b'{"data": {"ndarray": [NaN]}}', b'{"data": {"tensor": {"shape": [3], "values": [1]}}}',
    b'{"data": {"tensor": {"shape": [-1], "values": [1]}}}', b'{"data": {"tensor": []}}', b'{"meta": 1, "strData": "a"}',
    b'{"data": {"ndarray": []}}', b"[" * 100_000,
])
def test_rubbish_is_refused(server, body):
    response, answer = predict(server, body)
    assert response.status == 400
    assert answer["status"]["status"] == "FAILURE"
    assert answer["status"]["code"] == 400
    assert answer["status"]["reason"] == "MICROSERVICE_BAD_DATA"


def test_a_failing_model_tells_only_its_log(server):
    response, answer = predict(server, {"data": {"ndarray": [[1e9]]}})
    assert response.status == 500
    assert answer["status"]["status"] == "FAILURE"
    assert "secret detail" not in answer["status"]["info"]


def test_body_bounds(server):
    response, _ = call(server, "POST", "/predict", None, {"Content-Length": str(MAX_BODY + 1)})
    assert response.status == 413
    response, _ = call(server, "POST", "/predict", None, {"Content-Length": "-1"})
    assert response.status == 411


@pytest.mark.parametrize("path", ["/health/status", "/health/ping", "/live", "/ready"])
def test_health(server, path):
    response, _ = call(server, "GET", path)
    assert response.status == 200


def test_other_routes(server):
    assert call(server, "GET", "/")[0].status == 404
    assert call(server, "POST", "/other", {"strData": "a"})[0].status == 404
    assert call(server, "GET", "/api/v1.0/predictions")[0].status == 405


def test_a_connection_is_kept(server):
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    for body in ('{"strData": "a"}', "rubbish", '{"strData": "b"}'):
        connection.request("POST", "/predict", body)
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("environ, want", [
    ({}, 9000),
    ({"PREDICTIVE_UNIT_SERVICE_PORT": "9001"}, 9001),
    ({"PREDICTIVE_UNIT_SERVICE_PORT": "9001", "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9002"}, 9002),
])
def test_port(environ, want):
    assert port(environ) == want
