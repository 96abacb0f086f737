package gateway

import (
	"net/http/httptest"
	"testing"
)

func TestRoute(t *testing.T) {
	t.Parallel()
	table := tableOfText(t, `
{kind: Mapping, name: root, prefix: /, service: root}
---
{kind: Mapping, name: news, prefix: /seldon/staging/news/, service: news}
---
{kind: Mapping, name: beta, prefix: /seldon/staging/news/, service: beta, headers: {x-beta: "1"}}
---
{kind: Mapping, name: any, prefix: /seldon/staging/news/, service: any, headers: {x-user: true}, regex_headers: {x-team: "a.*"}}
---
{kind: Mapping, name: host, prefix: /seldon/, service: host, host: models.example.org}
---
{kind: Mapping, name: grpc, prefix: "/(seldon.protos.*)/.*", prefix_regex: true, service: grpc, grpc: true, headers: {seldon: news}}
`)
	tests := map[string]struct {
		path, host string
		headers    map[string]string
		want       string
	}{
		"longest prefix":        {path: "/seldon/staging/news/api/v1.0/predictions", want: "news"},
		"shorter prefix":        {path: "/seldon/staging/newsletter/", want: "root"},
		"header":                {path: "/seldon/staging/news/x", headers: map[string]string{"X-Beta": "1"}, want: "beta"},
		"another header value":  {path: "/seldon/staging/news/x", headers: map[string]string{"X-Beta": "2"}, want: "news"},
		"headers by expression": {path: "/seldon/staging/news/x", headers: map[string]string{"X-User": "me", "X-Team": "abc"}, want: "any"},
		"host with a port":      {path: "/seldon/other/x", host: "models.example.org:80", want: "host"},
		"gRPC":                  {path: "/seldon.protos.Seldon/Predict", headers: map[string]string{"Seldon": "news"}, want: "grpc"},
		"gRPC of another":       {path: "/seldon.protos.Seldon/Predict", headers: map[string]string{"Seldon": "cats"}, want: "root"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest("POST", test.path, nil)
			if test.host != "" {
				request.Host = test.host
			}
			for key, value := range test.headers {
				request.Header.Set(key, value)
			}
			to, _, found := table.Route(request, 0)
			if !found || to.Name != test.want {
				t.Errorf("Route leads to %q (%v), want %q", to.Name, found, test.want)
			}
		})
	}
}

func TestRouteSharesOutByWeight(t *testing.T) {
	t.Parallel()
	table := tableOfText(t, `
{kind: Mapping, name: canary, prefix: /m/, service: canary, weight: 20}
---
{kind: Mapping, name: main, prefix: /m/, service: main}
---
{kind: Mapping, name: shadow, prefix: /m/, service: shadow, shadow: true}
`)
	for dice, want := range map[float64]string{0: "canary", 0.19: "canary", 0.2: "main", 0.99: "main"} {
		to, shadows, _ := table.Route(httptest.NewRequest("POST", "/m/x", nil), dice)
		if to.Name != want {
			t.Errorf("at %v Route leads to %q, want %q", dice, to.Name, want)
		}
		if len(shadows) != 1 || shadows[0].Name != "shadow" {
			t.Errorf("at %v the shadows are %v, want one", dice, shadows)
		}
	}
	if _, _, found := table.Route(httptest.NewRequest("POST", "/n/x", nil), 0); found {
		t.Error("Route leads somewhere that no mapping names")
	}
}

func tableOfText(t *testing.T, text string) *Table {
	t.Helper()
	mappings, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return NewTable(mappings)
}
