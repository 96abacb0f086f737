package gateway

import (
	"strings"
	"testing"
	"time"
)

// written is what Seldon Core 1.16 writes for a deployment called news.
const written = `---
apiVersion: ambassador/v1
kind: Mapping
name: seldon_staging_news_default_rest_mapping
prefix: /seldon/staging/news/
rewrite: /
service: news-default.staging:8000
timeout_ms: 20000
---
apiVersion: ambassador/v1
kind: Mapping
name: seldon_staging_news_default_grpc_mapping
grpc: true
prefix: /(seldon.protos.*|tensorflow.serving.*|inference.*)/.*
prefix_regex: true
rewrite: ""
service: news-default.staging:5001
timeout_ms: 3000
headers:
  namespace: staging
  seldon: news
weight: 25
`

func TestParse(t *testing.T) {
	t.Parallel()
	mappings, err := Parse(written)
	if err != nil || len(mappings) != 2 {
		t.Fatalf("Parse = %d mappings, %v; want 2", len(mappings), err)
	}
	rest, grpc := mappings[0], mappings[1]
	if rest.Prefix != "/seldon/staging/news/" || rest.Rewrite != "/" || rest.Target.String() != "http://news-default.staging:8000" ||
		rest.Timeout != 20*time.Second || rest.GRPC {
		t.Errorf("REST mapping = %+v", rest)
	}
	if !grpc.GRPC || grpc.Regex == nil || grpc.Rewrite != "" || grpc.Weight != 25 || grpc.Headers["seldon"].exact != "news" {
		t.Errorf("gRPC mapping = %+v", grpc)
	}
}

func TestParseKeepsTheRightOnes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		annotation string
		want       int
		wrong      string
	}{
		"nothing":             {"", 0, ""},
		"another kind":        {"kind: TLSContext\nname: x\n", 0, ""},
		"no slash":            {"kind: Mapping\nname: m\nprefix: a\nservice: b\n---\n" + written, 2, `mapping "m": the prefix "a"`},
		"TLS upstream":        {"kind: Mapping\nname: m\nprefix: /\nservice: https://b\n", 0, "not reached by plain HTTP"},
		"path in service":     {"kind: Mapping\nname: m\nprefix: /\nservice: b/c\n", 0, "not of the form HOST:PORT"},
		"weight too large":    {"kind: Mapping\nname: m\nprefix: /\nservice: b\nweight: 101\n", 0, "weight 101"},
		"wrong type":          {"kind: Mapping\nname: m\nprefix: /\nservice: b\ntimeout_ms: soon\n---\n" + written, 2, "cannot unmarshal"},
		"no YAML":             {"\t: [", 0, "yaml"},
		"wrong expression":    {"kind: Mapping\nname: m\nprefix: /(\nprefix_regex: true\nservice: b\n", 0, "missing closing"},
		"header that must be": {"kind: Mapping\nname: m\nprefix: /\nservice: b\nheaders: {x: true}\n", 1, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mappings, err := Parse(test.annotation)
			if len(mappings) != test.want {
				t.Errorf("Parse found %d mappings, want %d", len(mappings), test.want)
			}
			if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("Parse error = %v, want one with %q", err, test.wrong)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(written)
	f.Add("kind: Mapping\nprefix: /\nservice: a:b:c\n")
	f.Fuzz(func(t *testing.T, annotation string) {
		mappings, _ := Parse(annotation)
		for _, mapping := range mappings {
			if mapping.Target == nil || mapping.Target.Host == "" || mapping.Prefix == "" && mapping.Regex == nil {
				t.Errorf("Parse(%q) made a mapping that leads nowhere: %+v", annotation, mapping)
			}
		}
	})
}
