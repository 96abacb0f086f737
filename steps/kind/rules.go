package kind

import "regexp"

const (
	bootPattern  = `could not find a log line that matches "Reached target`
	crashPattern = `the kubelet has been restarted`
	initPattern  = `failed to init node with kubeadm`
	cgroupAdvice = "the container of the docker daemon must own its cgroup: start the daemon through the cgroup wrapper of the kind-integration-test Task, on cgroup v2"
	inotifyHint  = "on the node (it is a sysctl of the machine, not a ulimit) set fs.inotify.max_user_instances=512 and fs.inotify.max_user_watches=524288, for example by a privileged DaemonSet that runs `sysctl -w`"
)

// rules are the failures that can be told apart, after the table of known
// failures of kind in a pod. Their order matters: see [diagnose].
var rules = []rule{
	{
		cause: "daemon-gone",
		need:  []need{find(fromErr, `.`)},
		also:  func(e evidence) bool { return e.daemonGone },
		text:  "the docker daemon is gone",
		hint:  "see the end of the daemon's log for why it ended; too little memory for its container is the usual reason",
	},
	// Out of watches is told in the words of a full disk.
	{
		cause: "inotify",
		need:  []need{find(anywhere, `(?i)inotify_add_watch [^\n]*no space left on device|no space left for inotify`)},
		text:  "the machine's inotify watches are used up",
		hint:  inotifyHint,
	},
	{
		cause: "disk-full",
		need:  []need{find(anywhere, `no space left on device`)},
		text:  "the disk is full",
		hint:  "give the volume of /var/lib/docker more room: 6 to 8 GiB for one node, and as much again as the images that are loaded",
	},
	// Without a plugin nothing else can be at fault, whatever else is in the logs.
	{
		cause: "no-network-plugin",
		need:  []need{find(fromErr, `(?i)cni plugin not initialized|network plugin is not ready|NetworkPluginNotReady|NetworkReady=false`)},
		also:  func(e evidence) bool { return e.ownNetwork && notReadyFor("node")(e) },
		text:  "no network plugin made the node ready",
		hint:  "disableDefaultCNI leaves the network to you: leave it out, or use a node image that brings its own in /etc/cni/net.d",
	},
	{
		cause: "port-taken", invalid: true,
		need: []need{find(fromErr, `(?i)port is already allocated|address already in use`)},
		text: "a host port of the configuration is taken",
		hint: "leave out hostPort, or set it to 0, so that a free port is chosen; from a step the node's own address and node port work too",
	},
	{
		cause: "name-taken", invalid: true,
		need: []need{find(fromErr, `already exist for a cluster with the name|is already in use by container`)},
		text: "a container of that name is there already",
		hint: "delete it with `kind-cluster delete`, pass --replace, or choose another --name",
	},
	{
		cause: "mount-path", invalid: true,
		need: []need{find(fromErr, `(?i)bind source path does not exist|invalid mount config|is not shared from|invalid volume specification|invalid mode: `)},
		text: "docker refuses an extraMounts path",
		hint: "hostPath is a path in the daemon's container, not in this step: mount the same volume at the same path in both",
	},
	{
		cause: "wrong-architecture", invalid: true,
		need: []need{find(from(fromErr, fromSerial), `exec format error`)},
		text: "the node image is made for another processor",
		hint: "use the digest of the image index, or of the image for this machine's architecture",
	},
	{
		cause: "client-version",
		need:  []need{find(fromErr, `client version .* is too (old|new)|requires API version`)},
		text:  "the docker command and the daemon do not understand each other",
		hint:  "use the docker command that comes with the daemon: let the daemon's container copy it to the shared volume and put that on PATH",
	},
	{
		cause: "no-docker-command",
		need:  []need{find(fromErr, `exec: "docker": executable file not found`)},
		text:  "there is no docker command on PATH, and kind's library needs one",
		hint:  "let the daemon's container copy its docker command next to the socket, and put that directory on PATH",
	},
	{
		cause: "pull-limit",
		need:  []need{find(fromErr, `(?i)toomanyrequests|pull rate limit`)},
		text:  "the registry limits how often images may be pulled",
		hint:  "pull through a mirror (the daemon's --registry-mirror), log in, or pin by digest an image that the machine has",
	},
	{
		cause: "iptables",
		need:  []need{find(from(fromErr, fromDaemon), `(?i)ip6?tables.*(No chain/target/match|CHAIN_ADD failed|Could not fetch rule set|table does not exist|can't initialize)`)},
		text:  "iptables does not work for the docker daemon",
		hint:  "mount /lib/modules into the daemon's container; if that does not help set DOCKER_IPTABLES_LEGACY=1 (or empty) there to pick the other variant",
	},
	{
		cause: "network",
		need:  []need{find(fromErr, `failed to ensure docker network|exhausted attempts trying to find a non-overlapping subnet|non-overlapping IPv4 address pool`)},
		text:  "the docker network of the cluster could not be made",
		hint:  "remove networks that are not used, or give the daemon --default-address-pool with addresses that nothing else has",
	},
	{
		cause: "cgroup-delegation",
		need:  []need{find(anywhere, `(?i)cannot enter cgroupv2|Structure needs cleaning|error adding pid .* to cgroups|domain controllers .* invalid state|needs /sys/fs/cgroup/cgroup.procs to be empty|cgroup-root \["kubelet"\] doesn't exist|cgroup \["kubelet"\] has some missing`)},
		text:  "the nodes may not manage their cgroups",
		hint:  cgroupAdvice,
	},
	{
		cause: "cgroup-v1-refused",
		need:  []need{find(fromKubelet, `(?i)kubelet is configured to not run on a host using cgroup v1`)},
		text:  "this kubelet does not run on cgroup v1",
		hint:  "use a machine with cgroup v2, a Kubernetes older than 1.35, or a KubeletConfiguration patch with failCgroupV1: false",
	},
	{
		cause: "telinit",
		need:  []need{find(fromSerial, `Couldn't find an alternative telinit implementation`)},
		text:  "the node's init does not run as process 1",
		hint:  "the daemon puts an init process into every container: remove \"init\": true from its configuration",
	},
	{
		cause: "inotify-boot",
		need:  []need{find(fromErr, bootPattern), find(fromSerial, `(?i)too many open files|Failed to (create|allocate|initialize).*(inotify|manager|control group)`)},
		text:  "a node did not boot: the machine's inotify instances are used up",
		hint:  inotifyHint,
	},
	{
		cause: "node-exited",
		need:  []need{find(fromErr, bootPattern+`|is not running|No such container`)},
		also: func(e evidence) bool {
			for _, n := range e.nodes {
				if !n.running {
					return true
				}
			}
			return false
		},
		text: "a node's container ended by itself",
		hint: "on cgroup v1 this is a cgroup namespace shared with the machine: use cgroup v2, or --cgroupns=private for the daemon's container; else see the node's own log",
	},
	{
		cause: "node-boot-slow", transient: true,
		need: []need{find(fromErr, bootPattern)},
		text: "a node did not boot within kind's 30 seconds; nothing in its log says why, so the machine was probably too busy",
		hint: "give the daemon's container more CPU, or run fewer of these at once; the sysctl fs.inotify.max_user_instances below 512 has the same effect",
	},
	{
		cause: "out-of-memory",
		need:  []need{find(anywhere, `(?i)oom-kill|OOMKilled|Memory cgroup out of memory`)},
		text:  "something in the cluster was killed for lack of memory",
		hint:  "give the daemon's container at least 3 GiB, or leave out what the cluster does not need",
	},
	{
		cause: "out-of-memory",
		need:  []need{find(fromErr, `.`)},
		also: func(e evidence) bool {
			for _, n := range e.nodes {
				if n.oomKilled {
					return true
				}
			}
			return false
		},
		text: "a node was killed for lack of memory",
		hint: "give the daemon's container at least 3 GiB",
	},
	{
		cause: "config-rejected", invalid: true,
		need: []need{find(fromErr, initPattern), find(fromKubeadm, `(?i)error: .*(unmarshal|strict decoding|unknown field|invalid configuration|unable to decode|validation|is not a valid)|couldn't (parse|load) .*config|found unknown field|strict decoding error`)},
		text: "kubeadm refuses the configuration",
		hint: "check the kubeadmConfigPatches: fields and their types must be those of the kubeadm version that the node image has",
	},
	{
		cause: "inotify",
		need:  []need{find(from(fromKubelet, fromPods, fromContainerd, fromKubeadm), `(?i)too many open files|inotify_init[^\n]*failed`)},
		text:  "the machine's inotify instances are used up",
		hint:  inotifyHint,
	},
	{
		cause: "kubelet-rootfs",
		need:  []need{find(fromKubelet, `(?i)failed to get rootfs info|stat failed on /dev/|unable to find data in memory cache.*rootfs`)},
		text:  "the kubelet cannot examine its file system",
		hint:  "put /var/lib/docker on an emptyDir or a plain disk; on Btrfs, ZFS or LVM the node needs /dev/mapper, which kind mounts only when the daemon's driver says so",
	},
	{
		cause: "kubelet-swap",
		need:  []need{find(fromKubelet, `(?i)running with swap on is not supported`)},
		text:  "the kubelet refuses to run with swap",
		hint:  "leave failSwapOn as kind sets it (false)",
	},
	{
		cause: "kubelet-config", invalid: true,
		need: []need{find(fromKubelet, `(?i)failed to (load|parse|validate) kubelet (flags|config)|unknown flag:|invalid (kubelet )?configuration`)},
		text: "the kubelet refuses its configuration",
		hint: "check the KubeletConfiguration and kubeletExtraArgs patches against the kubelet's version",
	},
	{
		cause: "containerd-config",
		need:  []need{find(from(fromErr, fromContainerd), `failed to detect containerd snapshotter|unknown containerd config version|failed to (load|unmarshal|decode) TOML|invalid plugin config|expected containerd config version`)},
		text:  "containerd in the node image and this version of kind, or a containerd patch, do not fit",
		hint:  "use a node image made for kind v0.32, and containerdConfigPatches of the configuration version that its containerd has",
	},
	{
		cause: "containerd-dead",
		need:  []need{find(fromKubelet, `validate CRI v1 runtime API for endpoint`), find(fromContainerd, `(?im)^.*(containerd: |level=fatal|failed with result).*$`)},
		text:  "containerd does not run in the node",
		hint:  "the lines of containerd say why; containerdConfigPatches that do not fit its configuration are the usual reason",
	},
	{
		cause: "slow-disk", transient: true,
		need: []need{find(fromErr, initPattern), find(fromPods, `(?i)slow fdatasync|apply request took too long|leader failed to send out heartbeat on time`)},
		text: "etcd could not write fast enough, so the control plane did not come up",
		hint: "do not pass --safe-etcd, keep /var/lib/docker on a faster disk, or run fewer of these at once",
	},
	{
		cause: "kubelet-dead",
		need:  []need{find(fromKubeadm, `(?i)\[kubelet-check\].*(10248/healthz'? failed|not healthy|isn't running)|kubelet is not (healthy|running)`), {fromKubelet, regexp.MustCompile(`(?m)^E\d{4}|"?(Failed to run kubelet|command failed)`)}},
		text:  "the kubelet does not run",
		hint:  "the first of these lines is the kubelet's own reason",
	},
	{
		cause: "kubelet-dead",
		need:  []need{find(fromErr, crashPattern), find(fromKubelet, `(?m)^E\d{4}|"?(Failed to run kubelet|command failed)`)},
		text:  "the kubelet ends again and again",
		hint:  "the first of these lines is the kubelet's own reason",
	},
	{
		cause: "control-plane-slow", transient: true,
		need: []need{find(fromErr, initPattern), find(fromKubeadm, `(?i)healthz|livez|control plane components? (is|are) not healthy|timed out waiting for the condition|context deadline exceeded`)},
		text: "the API server did not come up in kubeadm's four minutes",
		hint: "give the daemon's container at least 2 CPUs and 4 GiB, and its data a faster disk",
	},
	{
		cause: "worker-join",
		need:  []need{find(fromErr, `(?i)failed to join node with kubeadm|Joining worker nodes`)},
		text:  "a further node could not join",
		hint:  "use one node: several in a pod need more inotify instances, memory and time than most pods have",
	},
	{
		cause: "dns-loop",
		need:  []need{find(from(fromErr, fromPods), `asks itself|Loop \(.*\) detected|plugin/loop`)},
		also:  notReadyFor("DNS"),
		text:  "the cluster's DNS asks itself: a nameserver of its node is an address of the node itself or of the cluster's services",
		hint:  "set networking.serviceSubnet to addresses that the outer cluster does not use, such as 10.112.0.0/16, or dnsPolicy: Default for the pod; a resolvConf of the kubelet must name no 127.0.0.1",
	},
	{
		cause: "image-pull",
		need:  []need{find(fromKubelet, `(?i)ErrImagePull|ImagePullBackOff`)},
		also:  func(e evidence) bool { return len(e.missing) > 0 },
		text:  "an image that the control plane needs is not in the node image and cannot be pulled",
		hint:  "use a node image that holds the images of its own Kubernetes version",
	},
	{
		cause: "pod-network",
		need:  []need{find(fromErr, `did not become ready`), find(fromKubelet, `failed to setup network for sandbox`)},
		text:  "the node's network plugin cannot give pods a network",
		hint:  "the plugin that these lines name is missing or does not work in the node image: use another node image",
	},
	{
		cause: "not-ready", transient: false,
		need: []need{find(fromErr, `did not become ready`)},
		text: "the control plane runs, but the cluster did not become ready in time",
		hint: "give it more time with --timeout, or more CPU; the kept logs show what was slow",
	},
}

func notReadyFor(what string) func(evidence) bool {
	re := regexp.MustCompile(regexp.QuoteMeta(what))
	return func(e evidence) bool {
		for _, m := range e.missing {
			if re.MatchString(m) {
				return true
			}
		}
		return false
	}
}

// diagnosePull classifies an error of fetching a node image.
func diagnosePull(image string, err error) *Failure {
	f := &Failure{Cause: "pull", Text: "the node image " + image + " could not be pulled", Err: err, Transient: true,
		Hint: "check that the registry can be reached from the daemon"}
	text := err.Error()
	for _, r := range pullRules {
		if r.pattern.MatchString(text) {
			f.Cause, f.Hint, f.Transient, f.Invalid = r.cause, r.hint, r.transient, r.invalid
			break
		}
	}
	return f
}

var pullRules = []struct {
	pattern            *regexp.Regexp
	cause, hint        string
	transient, invalid bool
}{
	{regexp.MustCompile(`(?i)toomanyrequests|pull rate limit`), "pull-limit",
		"the registry limits pulls: use a mirror (the daemon's --registry-mirror) or log in", false, false},
	{regexp.MustCompile(`(?i)manifest unknown|not found|repository does not exist|no such image|invalid reference`), "pull-unknown",
		"check the name, tag and digest; an image that is only on this machine must be loaded into this daemon first", false, true},
	{regexp.MustCompile(`(?i)unauthorized|denied|authentication required`), "pull-denied",
		"log in to the registry (a docker configuration with credentials in DOCKER_CONFIG)", false, false},
	{regexp.MustCompile(`(?i)no space left on device`), "disk-full",
		"give the volume of /var/lib/docker more room", false, false},
	{regexp.MustCompile(`(?i)TLS handshake timeout|i/o timeout|context deadline exceeded|connection reset`), "pull-network",
		"if small answers pass and large ones hang, the daemon's MTU is larger than the pod network's: give the daemon --mtu of the pod's eth0", true, false},
	{regexp.MustCompile(`(?i)x509|certificate`), "pull-certificate",
		"the daemon does not trust the registry's certificate: mount its CA under /etc/docker/certs.d/REGISTRY/ca.crt", false, false},
	{regexp.MustCompile(`(?i)no such host|server misbehaving|temporary failure in name resolution`), "pull-dns",
		"the daemon cannot resolve the registry's name: check the pod's dnsPolicy", true, false},
}

// diagnoseLoad classifies an error of putting images into a node.
func diagnoseLoad(what, node string, err error) *Failure {
	f := &Failure{Cause: "load", Text: "could not load " + what + " into " + node, Err: err, Transient: true,
		Hint: "see the node's containerd.log among the kept logs"}
	text := err.Error() + "\n" + commandOutput(err)
	for _, r := range loadRules {
		if r.pattern.MatchString(text) {
			f.Cause, f.Hint, f.Transient, f.Invalid = r.cause, r.hint, r.transient, r.invalid
			break
		}
	}
	return f
}

var loadRules = []struct {
	pattern            *regexp.Regexp
	cause, hint        string
	transient, invalid bool
}{
	{regexp.MustCompile(`no space left on device`), "disk-full",
		"give the volume of /var/lib/docker more room", false, false},
	{regexp.MustCompile(`content digest \S+: not found`), "load-platforms",
		"the archive names platforms whose layers it does not hold: save it with --platform, start the daemon with --storage-driver=overlay2, or load it with --source=registry", false, true},
	{regexp.MustCompile(`(?i)unrecognized image format|invalid tar header|unexpected EOF|archive/tar`), "load-archive",
		"check that the archive is whole and was made by `docker save` or in the OCI layout", false, true},
}
