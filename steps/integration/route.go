package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// probes are requests of which every server of a Seldon Core model answers one
// with something else than "not found". None of them predicts anything.
var probes = []struct{ method, path, body string }{
	{http.MethodPost, "/api/v1.0/predictions", "{}"}, // Seldon's protocol, by the executor or a model itself
	{http.MethodGet, "/v2/health/live", ""},          // the V2 protocol
	{http.MethodGet, "/live", ""},                    // the executor, in any protocol
}

const (
	probeTimeout = 2 * time.Second
	probePause   = 50 * time.Millisecond // at first; it grows
	maxPause     = 500 * time.Millisecond
)

// route waits until the gateway leads to the model. A gateway follows the
// cluster's Services, so it hears of a model after that is Available, and tests
// that begin at once find no route. What never leads there is for the tests to
// say: a gateway may be one that only they can reach. It is false when ctx ended.
func (r *run) route(ctx context.Context) bool {
	if r.paths.manifests == "" || r.Gateway == "none" || r.RouteTimeout <= 0 {
		return true
	}
	return r.phase(ctx, "route", func(out io.Writer) (int, map[string]string) {
		why := routed(ctx, r.modelEndpoint(), r.RouteTimeout)
		if ctx.Err() != nil {
			fmt.Fprintf(out, "error: stopped: %v\n", context.Cause(ctx))
			return step.ExitInfra, nil
		}
		if why != nil {
			fmt.Fprintf(out, "nothing leads to the model at %s within %s, going on: %v\n", r.modelEndpoint(), r.RouteTimeout, why)
		}
		return 0, nil
	})
}

// routed returns nil once the model at the endpoint answers, or the last reason
// for which it did not within the limit.
func routed(ctx context.Context, endpoint string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	var last error
	for pause := probePause; ; pause = min(2*pause, maxPause) {
		for _, probe := range probes {
			err := answers(ctx, client, probe.method, endpoint+probe.path, probe.body)
			if err == nil {
				return nil
			}
			if ctx.Err() == nil || last == nil {
				last = err
			}
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(pause):
		}
	}
}

// answers returns nil when something behind the gateway took the request.
func answers(ctx context.Context, client *http.Client, method, url, body string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return nil // it is there; whom the tests trust is their matter
	}
	if err != nil {
		return err
	}
	response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%s %s: HTTP status %d", method, url, response.StatusCode)
	}
	return nil
}
