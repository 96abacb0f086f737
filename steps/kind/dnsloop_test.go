package kind

import (
	"strings"
	"testing"
)

// metrics are some of those of CoreDNS 1.12.
const metrics = `# HELP coredns_dns_requests_total Counter of DNS requests made per zone, protocol and family.
# TYPE coredns_dns_requests_total counter
coredns_dns_requests_total{family="1",proto="tcp",server="dns://:53",type="A",view="",zone="cluster.local."} 7
coredns_dns_requests_total{family="1",proto="tcp",server="dns://:53",type="TXT",view="",zone="."} 341
coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="TXT",view="",zone="."} 1
coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="other",view="",zone="."} 2
`

func TestCountQuestions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		metrics, record string
		want            float64
		err             string
	}{
		"of every protocol": {metrics, "TXT", 342, ""},
		"none":              {metrics, "MX", 0, ""},
		"not counted":       {"up 1\n", "TXT", 0, "does not count"},
		"no metrics":        {"<html>\n", "TXT", 0, "read the DNS server's metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := countQuestions(strings.NewReader(tc.metrics), tc.record)
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, %v, want %v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}
