package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// maxShadowBody bounds what is kept of a request for its shadows.
const maxShadowBody = 8 << 20

// Handler is the gateway. The zero value is not ready: use NewHandler.
type Handler struct {
	table atomic.Pointer[Table]
	http1 http.RoundTripper
	http2 http.RoundTripper
	log   *slog.Logger
	dice  func() float64
}

// NewHandler returns a gateway without routes.
func NewHandler(log *slog.Logger) *Handler {
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	return &Handler{http1: transport(nil), http2: transport(&plain), log: log, dice: rand.Float64}
}

// transport reaches services of the cluster: no proxy is asked.
func transport(protocols *http.Protocols) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext, Protocols: protocols,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second,
	}
}

// Use replaces the routes.
func (h *Handler) Use(table *Table) { h.table.Store(table) }

// ServeHTTP answers /healthz itself (200 once there is a table, 503 before) and
// leads everything else by the table; what no mapping matches is 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	table := h.table.Load()
	if r.URL.Path == "/healthz" {
		if table == nil {
			refuse(w, http.StatusServiceUnavailable, "the Services have not been listed yet")
		}
		return
	}
	if table == nil {
		refuse(w, http.StatusServiceUnavailable, "the gateway is starting")
		return
	}
	to, shadows, found := table.Route(r, h.dice())
	if !found {
		refuse(w, http.StatusNotFound, "no mapping leads to "+r.URL.Path)
		return
	}
	if len(shadows) > 0 {
		h.shadow(r, shadows)
	}
	if to.Timeout > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), to.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	h.proxy(to).ServeHTTP(w, r)
}

func (h *Handler) proxy(to Mapping) *httputil.ReverseProxy {
	upstream := h.http1
	if to.GRPC {
		upstream = h.http2
	}
	return &httputil.ReverseProxy{
		Transport:     upstream,
		FlushInterval: -1, // streams arrive as they are sent
		ErrorLog:      slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
		Rewrite: func(p *httputil.ProxyRequest) {
			to.rewrite(p.Out.URL)
			p.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(r.Context().Err(), context.Canceled) {
				return // the client is gone
			}
			h.log.Warn("no answer", "mapping", to.Name, "service", to.Target.Host, "error", err)
			if errors.Is(err, context.DeadlineExceeded) {
				refuse(w, http.StatusGatewayTimeout, "the model did not answer within "+to.Timeout.String())
				return
			}
			refuse(w, http.StatusServiceUnavailable, "the model cannot be reached")
		},
	}
}

// rewrite turns the address of a request into the one the service is asked for.
func (m Mapping) rewrite(u *url.URL) {
	u.Scheme, u.Host = m.Target.Scheme, m.Target.Host
	if m.Rewrite == "" {
		return
	}
	rest, found := strings.CutPrefix(u.Path, m.Prefix)
	if !found {
		return
	}
	// The escaped form is kept where it still starts with the prefix.
	if raw, ok := strings.CutPrefix(u.EscapedPath(), m.Prefix); ok {
		u.RawPath = m.Rewrite + raw
	} else {
		u.RawPath = ""
	}
	u.Path = m.Rewrite + rest
}

// shadow sends copies of the request and drops what comes back.
func (h *Handler) shadow(r *http.Request, shadows []Mapping) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxShadowBody+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	if err != nil || len(body) > maxShadowBody {
		return
	}
	for _, to := range shadows {
		limit := to.Timeout
		if limit == 0 {
			limit = defaultTimeout
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), limit)
		request := r.Clone(ctx)
		request.RequestURI, request.Body = "", io.NopCloser(bytes.NewReader(body))
		request.ContentLength = int64(len(body))
		to.rewrite(request.URL)
		go func() {
			defer cancel()
			if answer, err := h.http1.RoundTrip(request); err == nil {
				io.Copy(io.Discard, io.LimitReader(answer.Body, maxShadowBody))
				answer.Body.Close()
			}
		}()
	}
}

// refuse answers in the shape of Seldon Core's own failures.
func refuse(w http.ResponseWriter, code int, info string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"status": map[string]any{"code": code, "info": info, "status": "FAILURE"}})
}
