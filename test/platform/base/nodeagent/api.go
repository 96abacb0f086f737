package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	answerLimit    = 16 << 20 // bytes
)

// client talks to the API server as the pod's ServiceAccount.
type client struct {
	server string
	http   *http.Client
}

// statusError is an answer of the API server other than success.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the API server answered %d: %.300s", e.code, e.body)
}

// hasCode says whether err is an answer of the API server with that code.
func hasCode(err error, code int) bool {
	var answer *statusError
	return errors.As(err, &answer) && answer.code == code
}

func inCluster() (*client, error) {
	authority, err := os.ReadFile(filepath.Join(serviceAccount, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	// kind tells where the API server is, so that this need not wait for
	// kube-proxy; otherwise the Service does.
	server := os.Getenv("CONTROL_PLANE_ENDPOINT")
	if server == "" {
		server = net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	}
	return &client{
		server: "https://" + server,
		http: &http.Client{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true},
			Timeout:   10 * time.Second,
		},
	}, nil
}

func (c *client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, nil, into)
}

// do sends a request and decodes the answer; into may be nil.
func (c *client) do(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, content)
	if err != nil {
		return err
	}
	// Read each time: the kubelet renews it.
	token, err := os.ReadFile(filepath.Join(serviceAccount, "token"))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return &statusError{code: answer.StatusCode, body: string(data)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}
