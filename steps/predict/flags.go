package predict

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/step"
)

// accessFlags say where a model is and how it is asked.
type accessFlags struct {
	endpoint, grpcEndpoint, gateway   string
	namespace, deployment, predictor  string
	prefix, path, model, modelVersion string
	protocol, transport, host         string
	headers, headerFiles              []string
	bearerFile, basicFile, seldonFile string
	caFile, certFile, keyFile         string
	serverName                        string
	insecure                          bool
	maxResponse                       string
}

func (f *accessFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.endpoint, "endpoint", "", "where the model or its gateway is: HOST:PORT or a URL; without it the model is found by --deployment and a kubeconfig")
	fs.StringVar(&f.grpcEndpoint, "grpc-endpoint", "", "where gRPC is, if it is not at --endpoint")
	fs.StringVar(&f.gateway, "gateway", "", "how the endpoint is addressed: ambassador, istio or none (default: ambassador with --deployment, else none)")
	fs.StringVar(&f.namespace, "namespace", "", "namespace of the SeldonDeployment")
	fs.StringVar(&f.deployment, "deployment", "", "name of the SeldonDeployment")
	fs.StringVar(&f.predictor, "predictor", "", "ask this predictor alone; with a kubeconfig every one is asked by itself (default: all)")
	fs.StringVar(&f.prefix, "prefix", "", "path of the model at the gateway, in place of /seldon/NAMESPACE/DEPLOYMENT")
	fs.StringVar(&f.path, "path", "", "path of a prediction, in place of the protocol's")
	fs.StringVar(&f.model, "model", "", "name of the model, for protocols v2 and tensorflow")
	fs.StringVar(&f.modelVersion, "model-version", "", "version of the model, for protocols v2 and tensorflow")
	fs.StringVar(&f.protocol, "protocol", "", "protocol of checks that do not say one by themselves, seldon, v2 or tensorflow, in place of the file's defaults; what cannot be asked so is skipped")
	fs.StringVar(&f.transport, "transport", "", "transport of checks that do not say one by themselves, rest or grpc, in place of the file's defaults; what cannot be asked so is skipped")
	fs.StringVar(&f.host, "host", "", "the Host header (gRPC: authority) to send, for gateways that route by it")
	fs.StringArrayVar(&f.headers, "header", nil, "a header to send, as NAME: VALUE; repeatable; no secrets, use the files below (those whose names have a word such as key, token, secret, password, auth, cookie or session are not shown)")
	fs.StringArrayVar(&f.headerFiles, "header-file", nil, "a header whose value is a secret and stands in a file, as NAME=PATH; repeatable")
	fs.StringVar(&f.bearerFile, "bearer-token-file", "", "file with a token that is sent as Authorization: Bearer")
	fs.StringVar(&f.basicFile, "basic-auth-file", "", "file with USER:PASSWORD that is sent as Authorization: Basic")
	fs.StringVar(&f.seldonFile, "seldon-token-file", "", "file with a token that is sent as X-Auth-Token, as SeldonClient does")
	fs.StringVar(&f.caFile, "ca-file", "", "certificates, as PEM, that the server's has to be signed by")
	fs.StringVar(&f.certFile, "client-cert-file", "", "the client's certificate, as PEM")
	fs.StringVar(&f.keyFile, "client-key-file", "", "the client's key, as PEM")
	fs.StringVar(&f.serverName, "server-name", "", "name that the server's certificate has to be for, if not the endpoint's")
	fs.BoolVar(&f.insecure, "insecure-skip-tls-verify", false, "take any certificate; for trials only")
	fs.StringVar(&f.maxResponse, "max-response", "16MiB", "refuse answers larger than this")
}

// options turns the flags into a client's options. Secrets become known to redact.
func (f *accessFlags) options(redact func(string)) (seldonclient.Options, error) {
	o := seldonclient.Options{
		Target: seldonclient.Target{
			Endpoint: f.endpoint, Gateway: seldonclient.Gateway(f.gateway), Namespace: f.namespace, Deployment: f.deployment, Predictor: f.predictor,
			Prefix: f.prefix, Path: f.path, Model: f.model, Version: f.modelVersion,
		},
		Protocol: seldonclient.Protocol(f.protocol), Transport: seldonclient.Transport(f.transport), Host: f.host,
	}
	if o.Protocol == "kfserving" {
		o.Protocol = seldonclient.V2
	}
	if f.gateway == "" {
		o.Target.Gateway = seldonclient.NoGateway
		if f.deployment != "" {
			o.Target.Gateway = seldonclient.Ambassador
		}
	}
	for _, check := range []struct {
		flag, value string
		allowed     []string
	}{
		{"gateway", string(o.Target.Gateway), []string{"ambassador", "istio", "none"}},
		{"protocol", string(o.Protocol), []string{"", "seldon", "v2", "tensorflow"}},
		{"transport", string(o.Transport), []string{"", "rest", "grpc"}},
	} {
		if !slices.Contains(check.allowed, check.value) {
			return o, step.Invalidf("--%s is %q; it has to be one of %s", check.flag, check.value, strings.Join(check.allowed, " "))
		}
	}
	for flag, endpoint := range map[string]string{"endpoint": f.endpoint, "grpc-endpoint": f.grpcEndpoint} {
		if endpoint == "" {
			continue
		}
		if err := (seldonclient.Target{Endpoint: endpoint}).Validate(); err != nil {
			return o, step.Invalidf("--%s: %w", flag, err)
		}
	}
	var err error
	if o.MaxResponse, err = parseSize(f.maxResponse); err != nil {
		return o, step.Invalidf("--max-response: %w", err)
	}
	if o.Headers, err = parseHeaders(f.headers); err != nil {
		return o, err
	}
	for name, values := range o.Headers {
		if checks.SecretHeader(name) {
			redactValues(redact, values)
		}
	}
	if err := f.addHeaderFiles(o.Headers, redact); err != nil {
		return o, err
	}
	if o.Auth, err = f.auth(redact); err != nil {
		return o, err
	}
	o.TLS, err = f.tls()
	return o, err
}

// redactValues makes the values of a header that holds secrets known, and what
// stands in them after the name of a scheme.
func redactValues(redact func(string), values []string) {
	for _, v := range values {
		redact(v)
		if scheme, secret, ok := strings.Cut(v, " "); ok {
			redact(secret)
			if both, err := base64.StdEncoding.DecodeString(strings.TrimSpace(secret)); err == nil && strings.EqualFold(scheme, "basic") {
				_, password, _ := strings.Cut(string(both), ":")
				redact(password)
			}
		}
	}
}

func parseHeaders(list []string) (http.Header, error) {
	out := http.Header{}
	for _, text := range list {
		name, v, ok := strings.Cut(text, ":")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		if !ok || !headerName(name) || strings.ContainsAny(v, "\r\n") {
			return nil, step.Invalidf("--header has to be NAME: VALUE")
		}
		out.Add(name, v)
	}
	return out, nil
}

// addHeaderFiles adds the headers that stand in files.
func (f *accessFlags) addHeaderFiles(headers http.Header, redact func(string)) error {
	for _, text := range f.headerFiles {
		name, path, ok := strings.Cut(text, "=")
		if !ok || !headerName(name) || path == "" {
			return step.Invalidf("--header-file has to be NAME=PATH")
		}
		v, err := readSecret("header-file", path)
		if err != nil {
			return err
		}
		redactValues(redact, []string{v})
		headers.Add(name, v)
	}
	return nil
}

func headerName(name string) bool { return name != "" && !strings.ContainsAny(name, " \t\r\n:") }

// parseSize reads 4096, 64KiB, 16MiB or 1GiB.
func parseSize(text string) (int64, error) {
	units := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "K": 1 << 10, "Ki": 1 << 10, "MiB": 1 << 20, "M": 1 << 20, "Mi": 1 << 20, "GiB": 1 << 30, "G": 1 << 30, "Gi": 1 << 30}
	digits := strings.TrimRight(text, "BKMGib")
	unit, ok := units[text[len(digits):]]
	var n int64
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil || !ok || n <= 0 || fmt.Sprint(n) != digits || n > 1<<40/unit {
		return 0, fmt.Errorf("%q is no size; write for instance 16MiB", text)
	}
	return n * unit, nil
}

// maxSecret bounds files of secrets, in bytes.
const maxSecret = 64 << 10

func readSecret(flag, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", step.Invalidf("--%s: %w", flag, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", step.Invalidf("--%s: %w", flag, err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return "", step.Invalidf("--%s: %s has to hold one line", flag, path)
	}
	return text, nil
}

func (f *accessFlags) auth(redact func(string)) (seldonclient.Auth, error) {
	var a seldonclient.Auth
	var err error
	if f.bearerFile != "" && f.basicFile != "" {
		return a, step.Invalidf("give --bearer-token-file or --basic-auth-file, not both")
	}
	if f.bearerFile != "" {
		if a.BearerToken, err = readSecret("bearer-token-file", f.bearerFile); err != nil {
			return a, err
		}
		redact(a.BearerToken)
	}
	if f.basicFile != "" {
		both, err := readSecret("basic-auth-file", f.basicFile)
		if err != nil {
			return a, err
		}
		var ok bool
		if a.User, a.Password, ok = strings.Cut(both, ":"); !ok {
			return a, step.Invalidf("--basic-auth-file: the file has to hold USER:PASSWORD")
		}
		redact(a.Password)
		redact(base64.StdEncoding.EncodeToString([]byte(a.User + ":" + a.Password))) // as it is sent
	}
	if f.seldonFile != "" {
		if a.SeldonToken, err = readSecret("seldon-token-file", f.seldonFile); err != nil {
			return a, err
		}
		redact(a.SeldonToken)
	}
	return a, nil
}

// tls returns nil when nothing about TLS was said.
func (f *accessFlags) tls() (*tls.Config, error) {
	if cmp.Or(f.caFile, f.certFile, f.keyFile, f.serverName) == "" && !f.insecure {
		return nil, nil
	}
	config := &tls.Config{ServerName: f.serverName, MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecure}
	if f.caFile != "" {
		data, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, step.Invalidf("--ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, step.Invalidf("--ca-file: %s holds no certificate in PEM form", f.caFile)
		}
	}
	if (f.certFile == "") != (f.keyFile == "") {
		return nil, step.Invalidf("--client-cert-file and --client-key-file belong together")
	}
	if f.certFile != "" {
		pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return nil, step.Invalidf("--client-cert-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// runFlags are those of a run.
type runFlags struct {
	checks, only, reportDir, reportName string
	readyTimeout, timeout               time.Duration
	retries, concurrency                int
}

func (f *runFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.checks, "checks", "", "the file of checks, usually integration/predictions.yaml")
	fs.StringVar(&f.only, "only", "", "run only checks whose name this regular expression finds")
	fs.StringVar(&f.reportDir, "report-dir", "", "directory to write report.json, junit.xml, report.md and report.html into, in place of those of an earlier run, and below requests what a replay needs")
	fs.StringVar(&f.reportName, "report-name", "", "directory in the report-dir to write them into instead")
	fs.DurationVar(&f.readyTimeout, "ready-timeout", time.Minute, "how long to wait for a model that does not answer yet")
	fs.DurationVar(&f.timeout, "timeout", 15*time.Minute, "how long everything may take")
	fs.IntVar(&f.retries, "retries", 2, "how often a call is repeated that got no answer; each time is counted and shown")
	fs.IntVar(&f.concurrency, "concurrency", 4, "how many single requests are checked side by side")
}

// reports is where reports go; "" when nobody wants them.
func (f *runFlags) reports() (string, error) {
	if f.reportDir == "" {
		return "", nil
	}
	name := filepath.Clean("./" + f.reportName)
	if !filepath.IsLocal(name) {
		return "", step.Invalidf("--report-name %q does not stay in the report-dir", f.reportName)
	}
	return filepath.Join(f.reportDir, name), nil
}
