package kind

import (
	"regexp"
	"strings"
)

// source picks texts of the evidence that a rule looks at.
type source func(evidence) string

func fromErr(e evidence) string        { return e.err }
func fromKubeadm(e evidence) string    { return e.err + "\n" + e.kubeadm }
func fromSerial(e evidence) string     { return e.serial }
func fromKubelet(e evidence) string    { return e.kubelet }
func fromPods(e evidence) string       { return e.pods }
func fromDaemon(e evidence) string     { return e.daemon }
func fromContainerd(e evidence) string { return e.containerd }

func from(sources ...source) source {
	return func(e evidence) string {
		var all strings.Builder
		for _, s := range sources {
			all.WriteString(s(e))
			all.WriteByte('\n')
		}
		return all.String()
	}
}

// rule names one cause. It fits when every pattern of need is found in its
// source; the lines that the last one found are the evidence.
type rule struct {
	cause string
	need  []need
	also  func(evidence) bool // a further condition; may be nil
	text  string
	hint  string
	// transient and invalid are those of [Failure].
	transient, invalid bool
}

type need struct {
	in      source
	pattern *regexp.Regexp
}

func find(in source, pattern string) need { return need{in, regexp.MustCompile(pattern)} }

func anywhere(e evidence) string {
	return from(fromErr, fromKubeadm, fromSerial, fromKubelet, fromContainerd, fromPods, fromDaemon)(e)
}

const maxEvidenceLines = 6

// diagnose finds the first rule that fits. The rules go from causes that
// stand alone to symptoms that many causes share.
func diagnose(e evidence, err error) *Failure {
	for _, r := range rules {
		if r.also != nil && !r.also(e) {
			continue
		}
		fits, lines := true, []string(nil)
		for _, n := range r.need {
			lines = matchingLines(n.in(e), n.pattern)
			fits = fits && len(lines) > 0
		}
		if !fits {
			continue
		}
		f := &Failure{Cause: r.cause, Text: r.text, Hint: r.hint, Transient: r.transient, Invalid: r.invalid, Err: err}
		f.Evidence = append(f.Evidence, lines...)
		f.Evidence = append(f.Evidence, e.context(r.cause)...)
		return f
	}
	f := &Failure{Cause: "unknown", Text: "the cluster could not be made, and the cause is not one that is known", Err: err,
		Hint: "keep the logs of the nodes (--logs-dir) and look into kubelet.log and journal.log"}
	f.Evidence = e.summary()
	return f
}

// context adds the facts that belong to a cause.
func (e evidence) context(cause string) []string {
	switch {
	case strings.HasPrefix(cause, "inotify"), strings.HasPrefix(cause, "node-boot"), strings.HasPrefix(cause, "out-of-memory"),
		strings.HasPrefix(cause, "control-plane"), strings.HasPrefix(cause, "cgroup"), strings.HasPrefix(cause, "node-exited"):
		return e.facts
	case cause == "not-ready":
		return errorLines(e.kubelet, 4)
	case cause == "daemon-gone":
		return tailLines(e.daemon, 15)
	}
	return nil
}

// summary is the end of each log, for a failure that no rule fits.
func (e evidence) summary() []string {
	var lines []string
	for _, part := range []struct{ name, text string }{
		{"kubeadm", e.kubeadm}, {"kubelet", e.kubelet}, {"node", e.serial}, {"docker daemon", e.daemon},
	} {
		for _, line := range tailLines(part.text, 3) {
			lines = append(lines, part.name+": "+line)
		}
	}
	return lines
}

var kubeletError = regexp.MustCompile(`^E\d{4} `)

// errorLines returns the last errors of the kubelet, shortened.
func errorLines(kubelet string, n int) []string {
	lines := matching(kubelet, kubeletError)
	return lines[max(0, len(lines)-n):]
}

func tailLines(text string, n int) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-n):]
}

// matchingLines returns the first distinct lines that match, shortened.
func matchingLines(text string, pattern *regexp.Regexp) []string {
	if !pattern.MatchString(text) {
		return nil
	}
	found := matching(text, pattern)
	if len(found) == 0 { // matched across lines
		return []string{strings.TrimSpace(firstLine(pattern.FindString(text)))}
	}
	return found[:min(len(found), maxEvidenceLines)]
}

// matching returns the distinct lines that match, shortened.
func matching(text string, pattern *regexp.Regexp) []string {
	var found []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); seen[line] || !pattern.MatchString(line) {
			continue
		}
		seen[line] = true
		if len(line) > maxLine {
			line = line[:maxLine] + "…"
		}
		found = append(found, line)
	}
	return found
}

const maxLine = 300 // bytes of a line that is shown as evidence

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
