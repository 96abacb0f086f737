package modeltest

import (
	"net/http"
	"strconv"
	"time"
)

// Fault answers a request over REST in a way that is wrong. See [Options].
type Fault = func(n int, w http.ResponseWriter, r *http.Request) bool

// First applies a fault to the first count requests only.
func First(count int, f Fault) Fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool { return n <= count && f(n, w, r) }
}

// From applies a fault to the requests from the n-th.
func From(first int, f Fault) Fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool { return n >= first && f(n, w, r) }
}

// Text answers with a body as it is. An empty content type sends none.
func Text(status int, contentType, body string) Fault {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write([]byte(body))
		return true
	}
}

// Slow waits before the model answers, or until the caller has gone.
func Slow(d time.Duration) Fault {
	return func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		return false
	}
}

// CutOff promises more than it sends, then ends the connection.
func CutOff(body string) Fault {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+100))
		w.Write([]byte(body))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Reset ends the connection, or the stream of HTTP/2, without an answer.
func Reset() Fault {
	return func(int, http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
}

// Busy asks to come back after some seconds.
func Busy(seconds int) Fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return Text(http.StatusTooManyRequests, "text/plain", "too many requests")(n, w, r)
	}
}

// Redirect leads to another address.
func Redirect(url string, status int) Fault {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, url, status)
		return true
	}
}

// Endless sends bytes for as long as they are taken.
func Endless() Fault {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		chunk := make([]byte, 64<<10)
		for i := range chunk {
			chunk[i] = ' '
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		return true
	}
}
