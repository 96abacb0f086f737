"""Seldon's message format: requests decoded, answers and errors encoded."""

import json
import math

import numpy as np


class BadData(Exception):
    """The request cannot be understood. code is the HTTP status that says so."""

    def __init__(self, info, code=400):
        super().__init__(info)
        self.code = code


def decode(body):
    """Decode a request body (bytes).

    Returns (kind, features, names, meta); kind is one of ndarray, tensor,
    strData, and features are nested lists, a NumPy array or a string.
    """
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadData("the body is nested too deeply") from None
    except ValueError as error:
        raise BadData(f"the body is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise BadData("the body must be a JSON object")
    meta = message.get("meta") or {}
    if not isinstance(meta, dict):
        raise BadData("meta must be an object")
    if "strData" in message:
        if not isinstance(message["strData"], str):
            raise BadData("strData must be a string")
        return "strData", message["strData"], [], meta
    data = message.get("data")
    if not isinstance(data, dict):
        raise BadData("the body has neither data nor strData")
    names = data.get("names") or []
    if "ndarray" in data:
        if not isinstance(data["ndarray"], list):
            raise BadData("data.ndarray must be an array")
        return "ndarray", data["ndarray"], names, meta
    if "tensor" in data:
        return "tensor", _tensor(data["tensor"]), names, meta
    raise BadData("data must have ndarray or tensor")


def _refuse_constant(name):
    raise ValueError(f"{name} is not a JSON number")


def _tensor(tensor):
    try:
        shape = [int(n) for n in tensor["shape"]]
        values = np.asarray(tensor["values"], dtype=float)
    except (KeyError, TypeError, ValueError):
        raise BadData("data.tensor must have a shape of integers and values of numbers") from None
    if any(n < 0 for n in shape) or math.prod(shape) != values.size:
        raise BadData(f"data.tensor has {values.size} values, its shape {shape} asks for {math.prod(shape)}")
    return values.reshape(shape)


def encode(kind, answer, class_names, meta):
    """Encode a model's answer as bytes. The kind follows the request's where the answer allows it."""
    message = {"meta": meta}
    if isinstance(answer, str):
        message["strData"] = answer
    else:
        answer = np.asarray(answer)
        names = list(class_names) if answer.ndim > 1 else []
        if kind == "tensor" and answer.dtype.kind in "biuf":
            payload = {"tensor": {"shape": list(answer.shape), "values": answer.ravel().tolist()}}
        else:
            payload = {"ndarray": answer.tolist()}
        message["data"] = {"names": names, **payload}
    return _bytes(message)


def encode_error(code, reason, info):
    """Encode a failure as bytes, with the HTTP status code that it is sent with."""
    return _bytes({"status": {"code": code, "info": info, "reason": reason, "status": "FAILURE"}})


def _bytes(message):
    return json.dumps(message, separators=(",", ":")).encode()
