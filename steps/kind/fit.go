package kind

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// circumstances is what a configuration is fitted to.
type circumstances struct {
	image         nodeImage
	cgroupVersion string
	outer         outerCluster
	remoteHost    string // where the daemon's machine is; "" for this one
	fastEtcd      bool
}

// Patches that are put before those of the configuration, so that those win.
// None names an apiVersion: kind matches them to whichever it generates.
const (
	fastEtcdPatch = `kind: ClusterConfiguration
etcd:
  local:
    extraArgs:
      unsafe-no-fsync: "true"
`
	// By default the controller manager asks the API server for 20 things a second
	// after the first 30, and begins its some 40 controllers with three requests
	// each: it is six seconds until the last one runs, and none makes a pod for a
	// Deployment or DaemonSet before. Who asks for the lease too early asks again
	// two seconds later.
	fastStartPatch = `kind: ClusterConfiguration
controllerManager:
  extraArgs:
    kube-api-qps: "200"
    kube-api-burst: "400"
    leader-elect-retry-period: 500ms
scheduler:
  extraArgs:
    leader-elect-retry-period: 500ms
`
	// The scheduler fills its caches before it asks for the lease. It begins before
	// the API server does, and pauses longer after each try in vain. With a
	// configuration that says so, it asks for the lease first.
	schedulerPatch = `kind: ClusterConfiguration
scheduler:
  extraArgs:
    config: ` + schedulerFile + `
  extraVolumes:
  - name: configuration
    hostPath: ` + schedulerFile + `
    mountPath: ` + schedulerFile + `
    readOnly: true
    pathType: File
`
	// kubeadm's last phase restarts the kubelet, so that it renews its certificate
	// in a year: just when it is to start the pods of the network.
	skipPhasesPatch = `kind: InitConfiguration
skipPhases: [%s]
`
	// Keys of elliptic curves: of kubeadm's first two seconds one goes into making
	// some fifteen RSA keys.
	curvesPatch = `kind: ClusterConfiguration
encryptionAlgorithm: ECDSA-P256
`
	curvesPatchBeta3 = `kind: ClusterConfiguration
featureGates:
  PublicKeysECDSA: true
`
	// kind has kube-proxy wait for a second between two looks at the Services, so
	// that a model's Service leads nowhere for up to a second after it is there.
	proxyPatch = `kind: KubeProxyConfiguration
%s:
  minSyncPeriod: 100ms
`
	patchesPatch = `kind: InitConfiguration
patches:
  directory: ` + patchesDir + `
`
	cgroupV1Patch = `kind: KubeletConfiguration
failCgroupV1: false
`
	// With systemd's driver on cgroup v1, runc freezes a container to give it its
	// devices. On a machine with much to do that fails ("unable to freeze"), and the
	// kubelet tries again ten seconds later.
	cgroupDriverPatch = `kind: KubeletConfiguration
cgroupDriver: cgroupfs
`
	cgroupfsPatch = `[plugins.%q.containerd.runtimes.runc.options]
  SystemdCgroup = false
`
	certPatch = `kind: ClusterConfiguration
apiServer:
  certSANs: [localhost, 127.0.0.1, %q]
`
)

// runtimePlugins are the names of containerd's plugin that runs containers, by
// the version of its configuration.
var runtimePlugins = map[int]string{2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}

// serviceSubnets and podSubnets are tried in order when kind's default clashes
// with the outer cluster and the configuration does not say.
var (
	serviceSubnets = []string{"10.96.0.0/16", "10.112.0.0/16", "10.208.0.0/16", "10.176.0.0/16"}
	podSubnets     = []string{"10.244.0.0/16", "10.124.0.0/16", "10.220.0.0/16", "10.188.0.0/16"}
)

// fit changes a configuration to suit its circumstances, where it leaves
// that open, and says what it changed.
func fit(config *v1alpha4.Cluster, c circumstances) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	networking := &config.Networking
	if c.image.cni == nil && !networking.DisableDefaultCNI {
		networking.DisableDefaultCNI = true
		note("the node image brings no manifest for kind's own network, so its built-in one is left to do the work")
	}
	ipv4 := isIPv4(networking)
	if ipv4 && networking.ServiceSubnet == "" {
		if chosen, why := chooseSubnet(serviceSubnets, c.outer); why != "" {
			networking.ServiceSubnet = chosen
			note("serviceSubnet is %s, since the default holds %s of the outer cluster", chosen, why)
		}
	}
	// A network that the image brings itself has addresses of its own.
	if ipv4 && networking.PodSubnet == "" && c.image.cni != nil {
		if chosen, why := chooseSubnet(podSubnets, c.outer); why != "" {
			networking.PodSubnet = chosen
			note("podSubnet is %s, since the default holds %s of the outer cluster", chosen, why)
		}
	}
	if networking.DNSSearch == nil {
		// The search domains of a pod or a company are no business of a node.
		networking.DNSSearch = &[]string{}
	}
	patches := startPatches(config, c.image.kubernetesVersion)
	if c.fastEtcd {
		patches = append(patches, fastEtcdPatch)
	}
	if c.cgroupVersion == "1" && atLeast(c.image.kubernetesVersion, firstWithoutCgroupV1) {
		patches = append(patches, cgroupV1Patch)
		note("the kubelet is told to accept cgroup v1")
	}
	if plugin := runtimePlugins[c.image.containerdConfig]; c.cgroupVersion == "1" && plugin != "" && !mentions(config, "cgroupDriver", "SystemdCgroup") {
		patches = append(patches, cgroupDriverPatch)
		config.ContainerdConfigPatches = append([]string{fmt.Sprintf(cgroupfsPatch, plugin)}, config.ContainerdConfigPatches...)
	}
	if c.remoteHost != "" {
		if networking.APIServerAddress == "" {
			networking.APIServerAddress = "0.0.0.0"
		}
		if networking.APIServerPort == 0 {
			networking.APIServerPort = -1 // the daemon picks one of its machine
		}
		patches = append(patches, fmt.Sprintf(certPatch, c.remoteHost))
		note("the daemon is elsewhere: the API server listens on %s there and its certificate names %s", networking.APIServerAddress, c.remoteHost)
	}
	config.KubeadmConfigPatches = append(patches, config.KubeadmConfigPatches...)
	return notes
}

// startPatches let a control plane of a Kubernetes version start faster.
func startPatches(config *v1alpha4.Cluster, kubernetesVersion string) []string {
	skipped := strings.Join(skippedPhases(&config.Networking), ", ")
	curves := curvesPatchBeta3
	if atLeast(kubernetesVersion, firstBeta4) {
		curves = curvesPatch
	}
	patches := []string{fastStartPatch, patchesPatch, fmt.Sprintf(skipPhasesPatch, skipped), curves}
	if mode := translation(&config.Networking); mode != "" {
		patches = append(patches, fmt.Sprintf(proxyPatch, mode))
	}
	// A scheduler of which the configuration says something is left alone: that
	// might name the file's volume no longer.
	if atLeast(kubernetesVersion, firstWithSchedulerFile) && !mentions(config, "scheduler") {
		patches = append(patches, schedulerPatch)
	}
	return patches
}

// skippedPhases are the phases of kubeadm init that are left out: kind's own, for
// a patch replaces the whole list, and one more.
func skippedPhases(networking *v1alpha4.Networking) []string {
	phases := []string{"preflight", "kubelet-finalize"}
	if networking.KubeProxyMode == noProxy {
		phases = append(phases, "addon/kube-proxy")
	}
	return phases
}

// mentions tells whether a patch of a configuration has one of the words in it.
func mentions(config *v1alpha4.Cluster, words ...string) bool {
	texts := slices.Concat(config.KubeadmConfigPatches, config.ContainerdConfigPatches, config.ContainerdConfigPatchesJSON6902)
	for _, patch := range config.KubeadmConfigPatchesJSON6902 {
		texts = append(texts, patch.Patch)
	}
	for _, node := range config.Nodes {
		texts = append(texts, node.KubeadmConfigPatches...)
		for _, patch := range node.KubeadmConfigPatchesJSON6902 {
			texts = append(texts, patch.Patch)
		}
	}
	return slices.ContainsFunc(texts, func(text string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
	})
}

// isIPv4 tells whether a cluster has addresses of IPv4 alone, as by default.
func isIPv4(networking *v1alpha4.Networking) bool {
	return networking.IPFamily == "" || networking.IPFamily == v1alpha4.IPv4Family
}

// chooseSubnet returns the first candidate that clashes with nothing, and
// what the first one clashed with, "" when that one is chosen.
func chooseSubnet(candidates []string, outer outerCluster) (chosen, why string) {
	for _, candidate := range candidates {
		clash := outer.clash(netip.MustParsePrefix(candidate))
		if clash == "" {
			return candidate, why
		}
		if why == "" {
			why = clash
		}
	}
	return candidates[0], ""
}
