package seldonclient_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

func TestURL(t *testing.T) {
	t.Parallel()
	through := func(gateway seldonclient.Gateway) seldonclient.Target {
		return seldonclient.Target{Endpoint: "gateway.example.com:8003", Gateway: gateway, Namespace: "staging", Deployment: "news", Model: "classifier", Version: "3"}
	}
	for name, tc := range map[string]struct {
		target   seldonclient.Target
		protocol seldonclient.Protocol
		method   seldonclient.Method
		want     string // or a part of the error, after "error:"
	}{
		"ambassador":                {through("ambassador"), "seldon", "predict", "http://gateway.example.com:8003/seldon/staging/news/api/v1.0/predictions"},
		"istio":                     {through("istio"), "seldon", "predict", "http://gateway.example.com:8003/seldon/staging/news/api/v1.0/predictions"},
		"feedback":                  {through("istio"), "seldon", "feedback", "http://gateway.example.com:8003/seldon/staging/news/api/v1.0/feedback"},
		"explain":                   {through("istio"), "seldon", "explain", "http://gateway.example.com:8003/seldon/staging/news-explainer/default/api/v1.0/explain"},
		"v2":                        {through("istio"), "v2", "predict", "http://gateway.example.com:8003/seldon/staging/news/v2/models/classifier/versions/3/infer"},
		"v2 metadata":               {through("none"), "v2", "metadata", "http://gateway.example.com:8003/v2/models/classifier/versions/3"},
		"tensorflow":                {through("none"), "tensorflow", "predict", "http://gateway.example.com:8003/v1/models/classifier/versions/3:predict"},
		"without a namespace":       {seldonclient.Target{Endpoint: "http://g", Gateway: "istio", Deployment: "news"}, "seldon", "predict", "http://g/seldon/news/api/v1.0/predictions"},
		"prefix":                    {seldonclient.Target{Endpoint: "https://g/base/", Gateway: "istio", Prefix: "my/model/"}, "seldon", "predict", "https://g/base/my/model/api/v1.0/predictions"},
		"path":                      {seldonclient.Target{Endpoint: "g:1", Path: "predict"}, "seldon", "predict", "http://g:1/predict"},
		"the operator's address":    {seldonclient.Target{Endpoint: "http://news-main.staging.svc:9000/api/v1.0/predictions"}, "seldon", "predict", "http://news-main.staging.svc:9000/api/v1.0/predictions"},
		"the operator's V2 address": {seldonclient.Target{Endpoint: "http://n.svc/v2/models/m/infer", Model: "m"}, "v2", "predict", "http://n.svc/v2/models/m/infer"},
		"a name with a slash":       {seldonclient.Target{Endpoint: "g", Gateway: "istio", Deployment: "a/../b"}, "seldon", "predict", "http://g/seldon/a%2F..%2Fb/api/v1.0/predictions"},
		"credentials":               {seldonclient.Target{Endpoint: "http://me:secret@g"}, "seldon", "predict", "error:carries credentials"},
		"no host":                   {seldonclient.Target{Endpoint: "http:///x"}, "seldon", "predict", "error:has no host"},
		"another scheme":            {seldonclient.Target{Endpoint: "file:///etc/passwd"}, "seldon", "predict", "error:has no host"},
		"a query":                   {seldonclient.Target{Endpoint: "http://g?x=1"}, "seldon", "predict", "error:query"},
		"no deployment":             {seldonclient.Target{Endpoint: "g", Gateway: "istio"}, "seldon", "predict", "error:name of the deployment"},
		"no model":                  {seldonclient.Target{Endpoint: "g"}, "v2", "predict", "error:name of the model"},
		"gRPC":                      {seldonclient.Target{Endpoint: "grpc://g"}, "seldon", "predict", "error:for gRPC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.target.URL(tc.protocol, tc.method)
			if want, failure := strings.CutPrefix(tc.want, "error:"); failure {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %q, error %v, want one with %q", got, err, want)
				}
			} else if err != nil || got != tc.want {
				t.Errorf("got %s, error %v, want %s", got, err, tc.want)
			}
		})
	}
}

func TestSameHost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"g:80", "http://G/path", true},
		{"https://g", "grpcs://g:443", true},
		{"http://[::1]", "[::1]:80", true},
		{"http://g", "https://g", false},
		{"http://g:80", "http://g:81", false},
		{"http://g", "http://g.example", false},
		{"", "", false},
	} {
		if got := (seldonclient.Target{Endpoint: tc.a}).SameHost(seldonclient.Target{Endpoint: tc.b}); got != tc.want {
			t.Errorf("SameHost(%q, %q) = %v", tc.a, tc.b, got)
		}
	}
}
