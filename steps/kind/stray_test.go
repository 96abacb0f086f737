package kind

import (
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestStrayRules(t *testing.T) {
	t.Parallel()
	const (
		four = "iptables --wait --append FORWARD --destination 10.96.0.0/16 --jump REJECT && iptables --wait --append OUTPUT --destination 10.96.0.0/16 --jump REJECT"
		six  = "ip6tables --wait --append FORWARD --destination fd00:10:96::/112 --jump REJECT && ip6tables --wait --append OUTPUT --destination fd00:10:96::/112 --jump REJECT"
	)
	for name, tc := range map[string]struct {
		networking v1alpha4.Networking
		want       string
	}{
		"default":        {v1alpha4.Networking{}, four},
		"nftables":       {v1alpha4.Networking{KubeProxyMode: v1alpha4.NFTablesProxyMode}, four},
		"both families":  {v1alpha4.Networking{IPFamily: v1alpha4.DualStackFamily, ServiceSubnet: "10.96.0.0/16, fd00:10:96::/112"}, four + " && " + six},
		"IPv6":           {v1alpha4.Networking{IPFamily: v1alpha4.IPv6Family}, six},
		"virtual server": {v1alpha4.Networking{KubeProxyMode: v1alpha4.IPVSProxyMode}, ""},
		"no kube-proxy":  {v1alpha4.Networking{KubeProxyMode: noProxy}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strayRules(tc.networking); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
