package seldonclient

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Protocol is the language of requests and answers.
type Protocol string

// Protocols.
const (
	Seldon     Protocol = "seldon"
	V2         Protocol = "v2" // also called Open Inference, or kfserving in Seldon Core 1
	TensorFlow Protocol = "tensorflow"
)

// Transport is what carries the protocol.
type Transport string

// Transports.
const (
	REST Transport = "rest"
	GRPC Transport = "grpc"
)

// Gateway says how a SeldonDeployment is addressed.
type Gateway string

// Gateways. Ambassador and Istio share their addresses.
const (
	NoGateway  Gateway = "none" // the endpoint is the model itself
	Ambassador Gateway = "ambassador"
	Istio      Gateway = "istio"
)

// Method is what is asked of the model or its server.
type Method string

// Methods. Which of them a protocol knows, [Client.Do] tells.
const (
	Predict        Method = "predict"
	Feedback       Method = "feedback"
	Explain        Method = "explain"
	Live           Method = "live"            // is the server up
	Ready          Method = "ready"           // is the model ready
	Metadata       Method = "metadata"        // what the model takes and gives
	ServerMetadata Method = "server-metadata" // what the server is
)

// Methods lists every method.
func Methods() []Method {
	return []Method{Predict, Feedback, Explain, Live, Ready, Metadata, ServerMetadata}
}

// Target says where a model is.
type Target struct {
	// Endpoint is HOST:PORT, or a URL with scheme http, https, grpc or grpcs.
	// Its path, where it has one, comes before every other path; the path of a
	// prediction at its end, as in a SeldonDeployment's status, is left out.
	Endpoint   string
	Gateway    Gateway
	Namespace  string // of the SeldonDeployment; with a gateway only
	Deployment string // name of the SeldonDeployment; with a gateway only
	Predictor  string // whose explainer is asked; "" is "default"
	Prefix     string // replaces /seldon/NAMESPACE/DEPLOYMENT
	Path       string // replaces the path of a prediction, such as /api/v1.0/predictions
	Model      string // name of the model, for V2 and TensorFlow
	Version    string // of the model, for V2 and TensorFlow; may be empty
}

// endings are the paths of predictions that an endpoint may come with.
var endings = []string{"/api/v1.0/predictions", "/api/v0.1/predictions"}

// Validate tells what is wrong with the endpoint, without showing any secret in it.
func (t Target) Validate() error {
	_, _, _, err := t.parse()
	return err
}

// parse splits the endpoint into its parts.
func (t Target) parse() (scheme, host, path string, err error) {
	text := t.Endpoint
	if text == "" {
		return "", "", "", fmt.Errorf("there is no endpoint")
	}
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "", "", fmt.Errorf("endpoint %q is no address: %w", redactURL(t.Endpoint), errURL(err))
	}
	switch {
	case u.User != nil:
		return "", "", "", fmt.Errorf("endpoint of host %s carries credentials; give them in a file", u.Host)
	case u.Host == "" || u.Hostname() == "":
		return "", "", "", fmt.Errorf("endpoint %q has no host", t.Endpoint)
	case u.RawQuery != "" || u.Fragment != "":
		return "", "", "", fmt.Errorf("endpoint %q has a query or a fragment, which is not sent", t.Endpoint)
	case !slices.Contains([]string{"", "http", "https", "grpc", "grpcs"}, u.Scheme):
		return "", "", "", fmt.Errorf("endpoint %q has scheme %q; use http, https, grpc or grpcs", t.Endpoint, u.Scheme)
	}
	path = strings.TrimRight(u.EscapedPath(), "/")
	for _, ending := range endings {
		path = strings.TrimSuffix(path, ending)
	}
	if i := strings.Index(path, "/v2/models/"); i >= 0 && strings.HasSuffix(path, "/infer") {
		path = path[:i]
	}
	if i := strings.Index(path, "/v1/models/"); i >= 0 && strings.HasSuffix(path, ":predict") {
		path = path[:i]
	}
	return u.Scheme, u.Host, path, nil
}

// errURL takes the URL, which may hold secrets, out of an error of url.Parse.
func errURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// redactURL hides what stands before an @.
func redactURL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = "[redacted]@" + rest[i+1:]
	}
	return scheme + rest
}

// SameHost tells whether both endpoints lead to the same port of the same host,
// and both with TLS or both without.
func (t Target) SameHost(other Target) bool {
	a, secure, err := t.HostPort()
	b, otherSecure, otherErr := other.HostPort()
	return err == nil && otherErr == nil && a == b && secure == otherSecure
}

// HostPort is the endpoint's host and port, and whether it is asked with TLS.
func (t Target) HostPort() (host string, secure bool, err error) {
	scheme, host, _, err := t.parse()
	if err != nil {
		return "", false, err
	}
	secure = scheme == "https" || scheme == "grpcs"
	if _, _, err := net.SplitHostPort(host); err != nil {
		port := "80"
		if secure {
			port = "443"
		}
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return strings.ToLower(host), secure, nil
}

// URL is where a method is asked over REST.
func (t Target) URL(p Protocol, m Method) (string, error) {
	scheme, host, path, err := t.parse()
	if err != nil {
		return "", err
	}
	switch scheme {
	case "":
		scheme = "http"
	case "grpc", "grpcs":
		return "", fmt.Errorf("endpoint %q is for gRPC, not for REST", t.Endpoint)
	}
	prefix, err := t.prefix(p, m)
	if err != nil {
		return "", err
	}
	api, err := t.api(p, m)
	if err != nil {
		return "", err
	}
	return scheme + "://" + host + path + prefix + api, nil
}

// prefix is the part of a path that leads through a gateway to the model.
func (t Target) prefix(p Protocol, m Method) (string, error) {
	if t.Prefix != "" {
		return "/" + strings.Trim(t.Prefix, "/"), nil
	}
	switch t.Gateway {
	case NoGateway, "":
		return "", nil
	case Ambassador, Istio:
	default:
		return "", fmt.Errorf("gateway %q is not known; use ambassador, istio or none", t.Gateway)
	}
	if t.Deployment == "" {
		return "", fmt.Errorf("with gateway %s the name of the deployment is needed", t.Gateway)
	}
	name := url.PathEscape(t.Deployment)
	if m == Explain {
		predictor := t.Predictor
		if predictor == "" {
			predictor = "default"
		}
		name += "-explainer/" + url.PathEscape(predictor)
	}
	if t.Namespace == "" {
		return "/seldon/" + name, nil
	}
	return "/seldon/" + url.PathEscape(t.Namespace) + "/" + name, nil
}

// api is the part of a path that the protocol defines.
func (t Target) api(p Protocol, m Method) (string, error) {
	if t.Path != "" && (m == Predict) {
		return "/" + strings.TrimLeft(t.Path, "/"), nil
	}
	model := url.PathEscape(t.Model)
	version := ""
	if t.Version != "" {
		version = "/versions/" + url.PathEscape(t.Version)
	}
	needsModel := false
	path := ""
	switch p {
	case Seldon, "":
		path = map[Method]string{
			Predict: "/api/v1.0/predictions", Feedback: "/api/v1.0/feedback", Explain: "/api/v1.0/explain",
			Live: "/health/ping", Ready: "/health/status", Metadata: "/api/v1.0/metadata",
		}[m]
		if m == Metadata && t.Model != "" {
			path += "/" + model
		}
	case V2:
		needsModel = m != Live && m != ServerMetadata
		path = map[Method]string{
			Predict: "/v2/models/" + model + version + "/infer", Explain: "/v2/models/" + model + version + "/explain",
			Live: "/v2/health/live", Ready: "/v2/models/" + model + version + "/ready",
			Metadata: "/v2/models/" + model + version, ServerMetadata: "/v2",
		}[m]
	case TensorFlow:
		needsModel = true
		path = map[Method]string{
			Predict: "/v1/models/" + model + version + ":predict", Explain: "/v1/models/" + model + version + ":explain",
			Live: "/v1/models/" + model, Ready: "/v1/models/" + model + version,
			Metadata: "/v1/models/" + model + version + "/metadata",
		}[m]
	default:
		return "", fmt.Errorf("protocol %q is not known; use seldon, v2 or tensorflow", p)
	}
	if path == "" {
		return "", fmt.Errorf("protocol %s has no method %s over REST", p, m)
	}
	if needsModel && t.Model == "" {
		return "", fmt.Errorf("protocol %s needs the name of the model", p)
	}
	return path, nil
}

// grpcAddress is what a gRPC connection is made to, and whether with TLS.
func (t Target) grpcAddress() (address string, secure bool, err error) {
	_, _, path, err := t.parse()
	if err != nil {
		return "", false, err
	}
	if path != "" {
		return "", false, fmt.Errorf("endpoint %q has a path, which gRPC cannot use", t.Endpoint)
	}
	host, secure, err := t.HostPort()
	return "passthrough:///" + host, secure, err
}
