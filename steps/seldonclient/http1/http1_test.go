package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient/http1"
)

// client is a client over the transport, and counts what it hands on.
func client(t *testing.T, set func(*http1.Transport)) (*http.Client, *other) {
	t.Helper()
	o := &other{}
	transport := &http1.Transport{Dial: (&net.Dialer{}).DialContext, MaxIdle: 4, MaxHeader: 4096, Other: o}
	if set != nil {
		set(transport)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, o
}

type other struct {
	http.Transport
	asked atomic.Int32
}

func (o *other) RoundTrip(req *http.Request) (*http.Response, error) {
	o.asked.Add(1)
	return o.Transport.RoundTrip(req)
}

// conns is a server that counts its connections.
type conns struct {
	*httptest.Server
	opened atomic.Int32
}

func serve(t *testing.T, handler http.HandlerFunc) *conns {
	t.Helper()
	s := &conns{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X-Test"), body)
}

func post(t *testing.T, c *http.Client, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "x")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c, _ := client(t, nil)
	for range 5 {
		if got := post(t, c, s.URL, "body"); got != "POST x body" {
			t.Errorf("got %q", got)
		}
	}
	if n := s.opened.Load(); n != 1 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

// TestClosedConnection: the server closes what is not in use, and nothing fails.
func TestClosedConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c, _ := client(t, nil)
	post(t, c, s.URL, "one")
	s.CloseClientConnections()
	time.Sleep(20 * time.Millisecond) // until the end has arrived here
	if got := post(t, c, s.URL, "two"); got != "POST x two" {
		t.Errorf("got %q", got)
	}
}

func TestOldConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c, _ := client(t, func(transport *http1.Transport) { transport.IdleTimeout = time.Nanosecond })
	post(t, c, s.URL, "one")
	post(t, c, s.URL, "two")
	if n := s.opened.Load(); n != 2 {
		t.Errorf("%d connections, want a new one for each", n)
	}
}

func TestManyAtATime(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c, _ := client(t, nil)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for j := range 50 {
				want := fmt.Sprintf("%d-%d", i, j)
				if got := post(t, c, s.URL, want); got != "POST x "+want {
					t.Errorf("asked %q, got %q", want, got)
				}
			}
		})
	}
	group.Wait()
}

// TestHandedOn: what is not for this transport goes to the other one.
func TestHandedOn(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	large := strings.Repeat("x", http1.MaxBody+1)
	c, o := client(t, nil)
	if got := post(t, c, s.URL, large); got != "POST x "+large || o.asked.Load() != 1 {
		t.Errorf("a large body: got %d bytes, %d handed on", len(got), o.asked.Load())
	}
	res, err := c.Post(s.URL, "text/plain", io.MultiReader(strings.NewReader("of unknown length")))
	if err != nil || o.asked.Load() != 2 {
		t.Fatalf("a body of unknown length: %v, %d handed on", err, o.asked.Load())
	}
	res.Body.Close()
	c, o = client(t, func(transport *http1.Transport) { transport.Proxied = func(*http.Request) bool { return true } })
	if post(t, c, s.URL, "x"); o.asked.Load() != 1 {
		t.Errorf("%d handed on, want the one that goes through a proxy", o.asked.Load())
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(secure.Close)
	c, o = client(t, nil)
	if _, err := c.Get(secure.URL); err == nil || o.asked.Load() != 1 {
		t.Errorf("https: %v, %d handed on", err, o.asked.Load())
	}
}

// raw serves the same bytes to every connection, once a request's head is there.
func raw(t *testing.T, answer string, hold bool) string {
	t.Helper()
	url, _ := serveRaw(t, answer, hold)
	return url
}

// serveRaw is raw, and tells how many connections are open.
func serveRaw(t *testing.T, answer string, hold bool) (string, *atomic.Int64) {
	t.Helper()
	open := new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				defer open.Add(-1)
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				io.WriteString(c, answer)
				if hold {
					<-t.Context().Done()
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), open
}

// answers are what servers say, in their own bytes.
var answers = map[string]string{
	"with its length":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	"chunked":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
	"chunked, a trailer":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
	"until the end":       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi there",
	"of HTTP/1.0":         "HTTP/1.0 200 OK\r\n\r\nhi",
	"nothing":             "HTTP/1.1 204 No Content\r\n\r\n",
	"something before":    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	"more than announced": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there",
	"cut off":             "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi",
	"cut off in a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nhi",
	"cut off in the head": "HTTP/1.1 200 OK\r\nContent-Le",
	"closed":              "",
	"rubbish":             "what?\r\n\r\n",
	"an empty header":     "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
	"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
	"a negative length":   "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
}

// TestAnswers: each answer is read as net/http reads it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, open := serveRaw(t, answer, false)
			own, _ := client(t, nil)
			for range 2 { // the second time whatever is kept of the first is there
				for open.Load() > 0 { // a request that meets the end of a connection fails, as it does with net/http
					time.Sleep(time.Millisecond)
				}
				got, gotErr := ask(own, url)
				want, wantErr := ask(&http.Client{Transport: &http.Transport{DisableCompression: true}}, url)
				if got != want || (gotErr == nil) != (wantErr == nil) || errors.Is(gotErr, io.ErrUnexpectedEOF) != errors.Is(wantErr, io.ErrUnexpectedEOF) {
					t.Errorf("got %q, %v; net/http reads %q, %v", got, gotErr, want, wantErr)
				}
			}
		})
	}
}

func ask(c *http.Client, url string) (string, error) {
	res, err := c.Post(url, "text/plain", strings.NewReader("body"))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %v %s", res.StatusCode, res.Trailer, body), err
}

func TestTooManyHeaders(t *testing.T) {
	t.Parallel()
	c, _ := client(t, nil)
	_, err := ask(c, raw(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Filler: xxxxxxxxxxxxxxxx\r\n", 1000)+"\r\n", true))
	if err == nil || !strings.Contains(err.Error(), "headers of the answer are too large") {
		t.Errorf("error %v", err)
	}
}

// TestEnds: a context that ends does so at any point of a request, and the next
// request on whatever is left is well.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"before the answer": "", "within it": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, answer, true)
			c, _ := client(t, nil)
			timed, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer stop()
			canceled, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			for ctx, want := range map[context.Context]error{timed: context.DeadlineExceeded, canceled: context.Canceled} {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
				if err != nil {
					t.Fatal(err)
				}
				res, err := c.Do(req)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			}
		})
	}
}

// FuzzAnswer: any bytes are read as net/http reads them.
func FuzzAnswer(f *testing.F) {
	for _, answer := range answers {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		dial := func(context.Context, string, string) (net.Conn, error) {
			own, server := net.Pipe()
			go func() {
				defer server.Close()
				if req, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
					io.Copy(io.Discard, req.Body)
					io.WriteString(server, answer)
				}
			}()
			return own, nil
		}
		own := &http1.Transport{Dial: dial, Other: &http.Transport{}}
		theirs := &http.Transport{DialContext: dial, DisableCompression: true, DisableKeepAlives: false}
		defer own.CloseIdleConnections()
		defer theirs.CloseIdleConnections()
		got, gotErr := ask(&http.Client{Transport: own, CheckRedirect: last}, "http://x")
		want, wantErr := ask(&http.Client{Transport: theirs, CheckRedirect: last}, "http://x")
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("got %q, %v; net/http reads %q, %v", got, gotErr, want, wantErr)
		}
	})
}

func last(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
