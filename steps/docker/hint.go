package docker

import (
	"regexp"
	"strings"
)

// advice pairs what an error or a daemon's log says with what to do.
type advice struct {
	inError, inLog *regexp.Regexp
	say            string
}

// advices go from the particular to the general; the first that fits is used.
// What the daemon's log says explains more than the error at its socket, so
// each is tried on both where it can appear in both.
var advices = func() []advice {
	both := func(pattern, say string) advice {
		re := regexp.MustCompile(pattern)
		return advice{re, re, say}
	}
	inError := func(pattern, say string) advice {
		return advice{regexp.MustCompile(pattern), nil, say}
	}
	return []advice{
		both(`(?i)too many open files|inotify_(add_watch|init)|inotify.*(limit|too many|no space)`, "the node's inotify limits are used up: raise the sysctls fs.inotify.max_user_instances (512) and fs.inotify.max_user_watches (524288) on the node"),
		both(`no space left on device`, "the disk that holds the daemon's data is full: give the volume of /var/lib/docker more room (6 to 8 GiB for one node)"),
		both(`(?i)unable to apply caps|operation not permitted.*(mount|cgroup|iptables)|you must be root`, "the daemon lacks privileges: its container needs securityContext.privileged: true"),
		both(`(?i)iptables.*(No chain/target/match|CHAIN_ADD failed|Could not fetch rule set|table does not exist|Permission denied|not found)|failed to (create|initialize) (NAT|network controller)|can't initialize iptables table|failed to initialize nft`, "iptables does not work for the daemon: mount /lib/modules into its container, or set DOCKER_IPTABLES_LEGACY=1 (or empty) there to pick the other variant"),
		both(`(?i)non-overlapping|pool overlaps|overlaps with other|fully subnetted`, "every address pool of the daemon clashes with a network that exists: give the daemon --default-address-pool, or remove networks that are not used"),
		both(`(?i)(cannot enter cgroupv2|Structure needs cleaning|error adding pid .* to cgroups|invalid state)`, "the daemon's container does not own its cgroup: start the daemon through the cgroup wrapper of the kind-integration-test Task"),
		both(`(?i)failed to mount overlay|overlay2.*not supported|driver not supported: overlay2|backing file ?system is unsupported`, "overlay2 cannot be used where the daemon keeps its data: put /var/lib/docker on an emptyDir or another disk, not on the container's own file system"),
		both(`(?i)pid file found|process with PID \d+ is still running`, "another daemon uses the same data or pid file: stop it, or give this one its own --data-root, --exec-root and --pidfile"),
		both(`(?i)\boom\b|oom-kill|OOMKilled|out of memory|cannot allocate memory`, "the daemon ran out of memory: raise the memory of its container"),
		inError(`has no (ca|cert|key)\.pem`, "that directory does not hold the certificates: check that whatever makes them, such as the daemon's sidecar, has the same volume, and that --docker-certs or DOCKER_CERT_PATH names the directory in it"),
		inError(`daemon ended`, "see the end of the daemon's log above for why it ended"),
		inError(`permission denied`, "let this user use the socket: run as root, add the socket's group (for a pod: fsGroup or supplementalGroups), or start the daemon with --group"),
		inError(`storage driver is vfs`, "put /var/lib/docker on a volume (an emptyDir will do) and start the daemon with --storage-driver=overlay2"),
		inError(`HTTP response to HTTPS client`, "the daemon speaks without TLS: unset DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH, or give the daemon --tlsverify"),
		inError(`HTTP request to an HTTPS server|malformed HTTP response "\\x15\\x03`, "the daemon wants TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the directory of ca.pem, cert.pem and key.pem"),
		inError(`malformed HTTP`, "what answers at that address speaks no HTTP, so it is no docker daemon: check the address and its port"),
		inError(`(?i)x509|certificate|\btls\b`, "the certificates of the daemon and of this step do not fit: check that DOCKER_CERT_PATH holds the ca.pem that signed the daemon's certificate, and that the certificate names the host"),
		inError(`(make|remove) a network`, "the daemon answers, but cannot manage networks, which containers need: see its log for its firewall (iptables, nftables), or for what else it waits for"),
		inError(`older than the`, "use docker 20.10 or later; docker:29-dind is what the Task brings"),
		inError(`client version|requires API version`, "the docker command and the daemon are too far apart: use the command that came with the daemon, or unset DOCKER_API_VERSION"),
		inError(`docker command is not there`, "let the container of the daemon copy its docker command next to the socket, and put that directory on PATH"),
	}
}()

// known is the first advice that fits, or "".
func known(err, log string) string {
	for _, a := range advices {
		if a.inError.MatchString(err) || (a.inLog != nil && a.inLog.MatchString(log)) {
			return a.say
		}
	}
	return ""
}

// Hint says what to try, from an error's text and the end of the daemon's
// log, either of which may be empty.
func Hint(err, log, host string) string {
	if say := known(err, log); say != "" {
		return say
	}
	switch {
	case strings.HasPrefix(host, "tcp://") && (strings.Contains(err, "refused") || strings.Contains(err, "no answer")):
		return "nothing answers at that address yet; a daemon on tcp without TLS sleeps 16 s before it starts, so use a unix socket in a shared volume where you can"
	case strings.Contains(err, "no such file"):
		return "no daemon made that socket: check that one runs (a sidecar, or --start) and that both see the same volume; --host or DOCKER_HOST names the socket"
	case strings.Contains(err, "refused"):
		return "the socket is there but nothing listens on it: the daemon has ended, or the socket is a leftover"
	}
	return "see the daemon's log for what it waits for; --timeout gives it more time"
}
