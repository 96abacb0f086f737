// Package gateway routes requests to models as Ambassador does: it follows the
// Mappings that Seldon Core writes as an annotation on the Services of models.
// It stands where no Envoy can be had, and knows what Seldon Core uses of them:
// prefix, rewrite, service, timeouts, headers, hosts, weights, shadows and gRPC.
package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Annotation is where a Service carries its Mappings, as YAML documents.
const Annotation = "getambassador.io/config"

// defaultTimeout is how long a request may take when its Mapping says nothing.
const defaultTimeout = 3 * time.Second

// maxAnnotation bounds what is parsed; Kubernetes keeps annotations below it.
const maxAnnotation = 256 << 10

// Mapping leads requests to a service.
type Mapping struct {
	Name    string
	Prefix  string         // of the path; "" when Regex is set
	Regex   *regexp.Regexp // of the whole path
	Rewrite string         // what Prefix becomes; "" leaves the path as it is
	Target  *url.URL       // scheme and host only
	GRPC    bool           // HTTP/2 without TLS
	Timeout time.Duration  // of the whole request; 0 means none
	Host    string         // wanted Host, "" and "*" take any
	Headers map[string]header
	Weight  int  // per cent of the requests of its group; 0 means its share of the rest
	Shadow  bool // gets a copy of the requests, and its answer is dropped
}

// header is what a Mapping asks of a header.
type header struct {
	exact string
	regex *regexp.Regexp // instead of exact
	any   bool           // it only has to be there
}

func (h header) matches(value string, present bool) bool {
	switch {
	case h.any:
		return present
	case h.regex != nil:
		return present && h.regex.MatchString(value)
	}
	return present && value == h.exact
}

// document is a Mapping as it is written.
type document struct {
	Kind         string         `yaml:"kind"`
	Name         string         `yaml:"name"`
	Prefix       string         `yaml:"prefix"`
	PrefixRegex  bool           `yaml:"prefix_regex"`
	Rewrite      *string        `yaml:"rewrite"`
	Service      string         `yaml:"service"`
	GRPC         bool           `yaml:"grpc"`
	TimeoutMS    *int           `yaml:"timeout_ms"`
	Host         string         `yaml:"host"`
	Headers      map[string]any `yaml:"headers"`
	RegexHeaders map[string]any `yaml:"regex_headers"`
	Weight       int            `yaml:"weight"`
	Shadow       bool           `yaml:"shadow"`
}

// Parse reads the Mappings of an annotation. Documents of other kinds are left
// out. A document that is wrong is reported and does not hide the others.
func Parse(annotation string) ([]Mapping, error) {
	if len(annotation) > maxAnnotation {
		return nil, fmt.Errorf("the annotation has more than %d bytes", maxAnnotation)
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(annotation)))
	var mappings []Mapping
	var wrong error
	for {
		var doc document
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return mappings, wrong
		}
		var typed *yaml.TypeError
		if errors.As(err, &typed) {
			wrong = errors.Join(wrong, err)
			continue
		}
		if err != nil { // no YAML from here on
			return mappings, errors.Join(wrong, err)
		}
		if doc.Kind != "Mapping" {
			continue
		}
		mapping, err := doc.mapping()
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("mapping %q: %w", doc.Name, err))
			continue
		}
		mappings = append(mappings, mapping)
	}
}

func (d document) mapping() (Mapping, error) {
	m := Mapping{Name: d.Name, GRPC: d.GRPC, Host: d.Host, Weight: d.Weight, Shadow: d.Shadow, Rewrite: "/", Timeout: defaultTimeout}
	if !strings.HasPrefix(d.Prefix, "/") {
		return m, fmt.Errorf("the prefix %q does not start with a slash", d.Prefix)
	}
	if d.Weight < 0 || d.Weight > 100 {
		return m, fmt.Errorf("the weight %d is not between 0 and 100", d.Weight)
	}
	var err error
	if m.Target, err = target(d.Service); err != nil {
		return m, err
	}
	if d.Rewrite != nil {
		m.Rewrite = *d.Rewrite
	}
	if d.TimeoutMS != nil {
		m.Timeout = time.Duration(max(0, *d.TimeoutMS)) * time.Millisecond
	}
	m.Prefix = d.Prefix
	if d.PrefixRegex {
		// Ambassador does not rewrite what a regular expression matched.
		m.Prefix, m.Rewrite = "", ""
		if m.Regex, err = regexp.Compile("^(?:" + d.Prefix + ")$"); err != nil {
			return m, fmt.Errorf("the prefix: %w", err)
		}
	}
	m.Headers, err = headers(d.Headers, d.RegexHeaders)
	return m, err
}

func headers(plain, regex map[string]any) (map[string]header, error) {
	wanted := make(map[string]header, len(plain)+len(regex))
	for name, value := range plain {
		if present, ok := value.(bool); ok && present {
			wanted[name] = header{any: true}
			continue
		}
		wanted[name] = header{exact: fmt.Sprint(value)}
	}
	for name, value := range regex {
		expression, err := regexp.Compile("^(?:" + fmt.Sprint(value) + ")$")
		if err != nil {
			return nil, fmt.Errorf("the header %s: %w", name, err)
		}
		wanted[name] = header{regex: expression}
	}
	return wanted, nil
}

// target reads a Mapping's service: [http://]HOST[:PORT]. Encrypted upstreams
// are beyond this gateway.
func target(service string) (*url.URL, error) {
	host, found := strings.CutPrefix(service, "http://")
	if !found && strings.Contains(service, "://") {
		return nil, fmt.Errorf("the service %q is not reached by plain HTTP", service)
	}
	parsed, err := url.Parse("http://" + cmp.Or(host, service))
	if err != nil || parsed.Host == "" || parsed.User != nil || strings.Trim(parsed.Path, "/") != "" {
		return nil, fmt.Errorf("the service %q is not of the form HOST:PORT", service)
	}
	return &url.URL{Scheme: "http", Host: parsed.Host}, nil
}
