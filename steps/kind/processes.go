package kind

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// dockerRunning tells whether a docker command that this process started for
// a cluster still runs. kind's library returns at the first of several nodes
// that fails and leaves the commands for the others running; a node may
// appear after its cluster was removed.
func dockerRunning(cluster string) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	self := strconv.Itoa(os.Getpid())
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// The name of the program, in parentheses, may hold blanks.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != self || string(fields[0]) == "Z" {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err == nil && isDockerRun(bytes.Split(line, []byte{0}), cluster) {
			return true
		}
	}
	return false
}

// isDockerRun recognises the command that makes a node of the cluster.
func isDockerRun(args [][]byte, cluster string) bool {
	return len(args) > 3 && filepath.Base(string(args[0])) == "docker" && string(args[1]) == "run" &&
		bytes.HasPrefix(args[3], []byte(cluster+"-"))
}
