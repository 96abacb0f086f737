package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// attemptLog counts attempts and keeps each distinct error once.
type attemptLog struct {
	count  int
	errors []*attemptError
	others int   // attempts whose errors were too many to keep
	latest error // of the last attempt
}

// attemptError is one distinct error with when it was seen, as time since
// the waiting began.
type attemptError struct {
	err         error
	count       int
	first, last time.Duration
}

// maxDistinct bounds how many distinct errors are kept.
const maxDistinct = 20

func (l *attemptLog) add(err error, at time.Duration) {
	l.count++
	l.latest = err
	for _, e := range l.errors {
		if e.err.Error() == err.Error() {
			e.count++
			e.last = at
			return
		}
	}
	if len(l.errors) < maxDistinct {
		l.errors = append(l.errors, &attemptError{err, 1, at, at})
		return
	}
	l.others++
}

// mostTelling prefers the last attempt that got an answer of its own to one
// that the end of the waiting cut short, unless that one was about a network:
// the daemon had answered all else by then.
func (l *attemptLog) mostTelling(last error) error {
	if isFatal(last) || ofNetwork(last) || l.latest == nil {
		return last
	}
	return l.latest
}

// progress tells when the next line about waiting is due: after 2, 5, 10, 20
// seconds and then every 20.
type progress struct {
	started time.Time
	next    time.Duration
}

func newProgress(started time.Time) *progress { return &progress{started, 2 * time.Second} }

func (p *progress) due() bool {
	elapsed := time.Since(p.started)
	if elapsed < p.next {
		return false
	}
	for p.next <= elapsed {
		switch {
		case p.next < 5*time.Second:
			p.next = 5 * time.Second
		case p.next < 20*time.Second:
			p.next *= 2
		default:
			p.next += 20 * time.Second
		}
	}
	return true
}

const (
	logTailLines = 40
	logTailBytes = 64 << 10
)

// report lists what is known about a daemon that did not come up.
func (w *waiter) report(elapsed time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "docker was not ready after %.1fs and %d attempts\n", elapsed.Seconds(), w.attempts.count)
	fmt.Fprintf(&b, "  docker host: %s (from %s)%s\n", w.endpoint.Host, w.endpoint.Source, w.socketState())
	if w.endpoint.TLSSource != "" {
		fmt.Fprintf(&b, "  TLS certificates: %s\n", w.endpoint.TLSSource)
	}
	for _, e := range w.attempts.errors {
		fmt.Fprintf(&b, "  %4dx from %.1fs to %.1fs: %v\n", e.count, e.first.Seconds(), e.last.Seconds(), e.err)
	}
	if w.attempts.others > 0 {
		fmt.Fprintf(&b, "  %4dx others\n", w.attempts.others)
	}
	for _, fact := range HostFacts() {
		fmt.Fprintf(&b, "  %s\n", fact)
	}
	if w.LogFile != "" {
		tail, err := Tail(w.LogFile, logTailLines)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "  the daemon's log cannot be read: %v\n", err)
		case tail == "":
			fmt.Fprintf(&b, "  the daemon's log %s is empty\n", w.LogFile)
		default:
			fmt.Fprintf(&b, "  the end of the daemon's log %s:\n    %s\n", w.LogFile, strings.ReplaceAll(tail, "\n", "\n    "))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func (w *waiter) socketState() string {
	if w.endpoint.network() != "unix" {
		return ""
	}
	info, err := os.Stat(w.endpoint.address())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ", no such socket"
	case err != nil:
		return ", " + err.Error()
	case info.Mode()&os.ModeSocket == 0:
		return ", which is not a socket but " + info.Mode().String()
	}
	return fmt.Sprintf(", socket %s, made %s ago", info.Mode().Perm(), time.Since(info.ModTime()).Round(100*time.Millisecond))
}

// HostFacts lists facts about this machine that explain why a daemon or a
// cluster does not come up: inotify limits, cgroups, memory, how long work
// waits for what it needs, and the network's packet size.
func HostFacts() []string {
	var facts []string
	for _, name := range []string{"max_user_instances", "max_user_watches"} {
		if value, err := readSmall("/proc/sys/fs/inotify/" + name); err == nil {
			facts = append(facts, "inotify "+name+": "+value)
		}
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		facts = append(facts, "cgroup version: 2")
	} else {
		facts = append(facts, "cgroup version: 1")
	}
	if meminfo, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(meminfo)) {
			if name, value, ok := strings.Cut(line, ":"); ok && (name == "MemAvailable" || name == "MemTotal") {
				facts = append(facts, name+": "+strings.TrimSpace(value))
			}
		}
	}
	for _, resource := range []string{"cpu", "io", "memory"} {
		// Present where the kernel accounts for pressure.
		if value, err := readSmall("/proc/pressure/" + resource); err == nil {
			line, _, _ := strings.Cut(value, "\n")
			facts = append(facts, "pressure of "+resource+": "+line)
		}
	}
	if value, err := readSmall("/sys/class/net/eth0/mtu"); err == nil {
		facts = append(facts, "MTU of eth0: "+value)
	}
	return facts
}

// Tail returns the last lines of a file, reading only its end.
func Tail(path string, lines int) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(max(0, size-logTailBytes), io.SeekStart); err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(file, logTailBytes))
	if err != nil {
		return "", err
	}
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n"), nil
}

// readSmall reads a file of one value.
func readSmall(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 256))
	return strings.TrimSpace(string(data)), err
}

// hint says what to try about the error, from the error and the daemon's log.
// What is fatal explains itself, and the log of a daemon that runs has other
// troubles in it, unless all that is known is that the daemon has ended.
func (w *waiter) hint(err error) string {
	if isFatal(err) && w.daemonEnded() == nil {
		if say := known(err.Error(), ""); say != "" {
			return say
		}
	}
	log := ""
	if w.LogFile != "" {
		log, _ = Tail(w.LogFile, 200)
	}
	return Hint(errText(err), log, w.endpoint.Host)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
