"""Serves a Seldon component over Seldon's REST protocol: python3 -m news_classifier.server"""

import http.server
import logging
import os
import signal
import threading
import urllib.parse

from . import message

MAX_BODY = 10 << 20  # bytes
PREDICT = {"/api/v1.0/predictions", "/api/v0.1/predictions", "/predict"}
HEALTH = {"/health/status", "/health/ping", "/live", "/ready"}

log = logging.getLogger("news_classifier")


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server that answers with a component's predictions."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, component, environ=os.environ):
        super().__init__(address, Handler)
        self.component = component
        # The operator says which unit of which image this is; an answer carries it on.
        self.request_path = {environ.get("PREDICTIVE_UNIT_ID", "classifier"): environ.get("PREDICTIVE_UNIT_IMAGE", "")}

    def predict(self, body):
        """Answer a request body (bytes) with a response body, or raise BadData."""
        kind, features, names, meta = message.decode(body)
        answer = self.component.predict(features, names, meta)
        out = {"requestPath": self.request_path}
        if isinstance(meta.get("puid"), str):
            out["puid"] = meta["puid"]
        return message.encode(kind, answer, getattr(self.component, "class_names", []), out)


class Handler(http.server.BaseHTTPRequestHandler):
    """Routes of Seldon's protocol."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may stay silent
    wbufsize = -1  # one write for headers and body
    disable_nagle_algorithm = True

    def do_GET(self):
        path = self._path()
        if path in HEALTH:
            self._reply(200, b"{}")
        elif path in PREDICT:
            self._fail(405, "METHOD_NOT_ALLOWED", "use POST", {"Allow": "POST"})
        else:
            self._fail(404, "NOT_FOUND", f"there is nothing at {path}")

    def do_POST(self):
        path = self._path()
        try:
            body = self._body()
            if path not in PREDICT:
                raise message.BadData(f"there is nothing at {path}", 404)
            answer = self.server.predict(body)
        except message.BadData as error:
            self._fail(error.code, "MICROSERVICE_BAD_DATA", str(error))
        except Exception:  # pylint: disable=broad-except
            log.exception("prediction failed")
            self._fail(500, "MICROSERVICE_INTERNAL_ERROR", "the prediction failed; the model's log says why")
        else:
            self._reply(200, answer)

    def _path(self):
        return urllib.parse.urlsplit(self.path).path

    def _body(self):
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            self.close_connection = True  # the body is left unread
            if length.isascii() and length.isdigit():
                raise message.BadData(f"the body is larger than {MAX_BODY} bytes", 413)
            raise message.BadData("the request needs a Content-Length", 411)
        return self.rfile.read(int(length))

    def _fail(self, code, reason, info, headers=()):
        self._reply(code, message.encode_error(code, reason, info), headers)

    def _reply(self, code, body, headers=()):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        log.debug(format, *args)


def port(environ=os.environ):
    """The port to listen on: the operator's choice, else 9000."""
    return int(environ.get("PREDICTIVE_UNIT_HTTP_SERVICE_PORT") or environ.get("PREDICTIVE_UNIT_SERVICE_PORT") or 9000)


def main():
    from .model import NewsClassifier  # pylint: disable=import-outside-toplevel

    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    component = NewsClassifier()
    component.predict("the first answer is slow, so it is given before anybody asks")
    server = Server(("", port()), component)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: threading.Thread(target=server.shutdown).start())
    log.info("listening on port %d", server.server_address[1])
    server.serve_forever(poll_interval=0.2)
    server.server_close()


if __name__ == "__main__":
    main()
