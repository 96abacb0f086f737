package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Where Kubernetes puts what a pod needs to talk to it.
const (
	tokenFile       = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	authoritiesFile = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// watchFor is how long one watch lasts before it is asked for again.
const watchFor = 5 * time.Minute

// Services follows the Services of a cluster.
type Services struct {
	Server string                 // URL of the Kubernetes API
	Client *http.Client           // trusts the server
	Token  func() (string, error) // asked for each request, because tokens are renewed
	// Changed gets the annotations of all Services that have one, by
	// namespace/name, after each change.
	Changed func(annotations map[string]string)
	// Failed hears why the list is asked for again.
	Failed func(error)
	// Pause is how long to wait before that; 0 means a second.
	Pause time.Duration
}

// InCluster returns Services that are read with the pod's own account. The API
// server is asked at its address: the cluster's DNS may come up later than this.
func InCluster() (*Services, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod")
	}
	authorities, err := os.ReadFile(authoritiesFile)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("read the cluster's certificate authorities: %s holds none", authoritiesFile)
	}
	return &Services{
		Server: "https://" + net.JoinHostPort(host, port),
		Client: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			ResponseHeaderTimeout: 30 * time.Second,
		}},
		Token: func() (string, error) {
			token, err := os.ReadFile(tokenFile)
			return strings.TrimSpace(string(token)), err
		},
	}, nil
}

type metadata struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	ResourceVersion string            `json:"resourceVersion"`
	Annotations     map[string]string `json:"annotations"`
}

type service struct {
	Metadata metadata `json:"metadata"`
}

// Run lists and watches until ctx ends. After a failure it lists anew, so that
// nothing is missed.
func (s *Services) Run(ctx context.Context) error {
	pause := s.Pause
	if pause == 0 {
		pause = time.Second
	}
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.Failed != nil {
			s.Failed(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// follow lists once and watches from there until something fails.
func (s *Services) follow(ctx context.Context) error {
	known, version, err := s.list(ctx)
	if err != nil {
		return fmt.Errorf("list Services: %w", err)
	}
	s.Changed(known)
	for {
		version, err = s.watch(ctx, version, known)
		if err != nil {
			return fmt.Errorf("watch Services: %w", err)
		}
	}
}

func (s *Services) list(ctx context.Context) (map[string]string, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, err := s.get(ctx, url.Values{})
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	var answer struct {
		Metadata metadata  `json:"metadata"`
		Items    []service `json:"items"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, "", err
	}
	known := map[string]string{}
	for _, item := range answer.Items {
		remember(known, item, false)
	}
	return known, answer.Metadata.ResourceVersion, nil
}

// watch applies changes to known until the server ends the watch, and returns
// the version from which the next one goes on.
func (s *Services) watch(ctx context.Context, version string, known map[string]string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchFor+30*time.Second)
	defer cancel()
	body, err := s.get(ctx, url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {version},
		"timeoutSeconds": {fmt.Sprint(int(watchFor.Seconds()))},
	})
	if err != nil {
		return "", err
	}
	defer body.Close()
	decoder := json.NewDecoder(bufio.NewReader(body))
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return version, nil
		} else if err != nil {
			return "", err
		}
		if event.Type == "ERROR" {
			return "", fmt.Errorf("the server ended it: %.300s", event.Object)
		}
		var item service
		if err := json.Unmarshal(event.Object, &item); err != nil {
			return "", err
		}
		version = item.Metadata.ResourceVersion
		if event.Type == "BOOKMARK" {
			continue
		}
		if remember(known, item, event.Type == "DELETED") {
			s.Changed(known)
		}
	}
}

// remember keeps the Service's annotation and says whether that is a change.
func remember(known map[string]string, item service, deleted bool) bool {
	key := item.Metadata.Namespace + "/" + item.Metadata.Name
	before, had := known[key]
	annotation, has := item.Metadata.Annotations[Annotation]
	if has && !deleted {
		known[key] = annotation
		return !had || before != annotation
	}
	delete(known, key)
	return had
}

func (s *Services) get(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Server+"/api/v1/services?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	token, err := s.Token()
	if err != nil {
		return nil, fmt.Errorf("read the account's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	answer, err := s.Client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return nil, fmt.Errorf("the server answers %s: %s", answer.Status, text)
	}
	return answer.Body, nil
}
