package kind

import (
	"fmt"
	"strings"

	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"
)

// commandOutput is what the command behind an error of kind's library
// printed, "" when no command is behind it.
func commandOutput(err error) string {
	if run := kindexec.RunErrorForError(err); run != nil {
		return string(run.Output)
	}
	return ""
}

// commandError replaces kind's "command … failed with error: exit status 1"
// by what the command said last.
func commandError(err error) error {
	if err == nil {
		return nil
	}
	run := kindexec.RunErrorForError(err)
	if run == nil {
		return err
	}
	said := lastLines(string(run.Output), 3)
	if said == "" {
		return err
	}
	what := run.Command[0]
	if len(run.Command) > 1 {
		what += " " + run.Command[1]
	}
	context, _, found := strings.Cut(err.Error(), ": command ")
	if found {
		what = context + ": " + what
	}
	return &saidError{err: err, text: fmt.Sprintf("%s: %s", what, said)}
}

// saidError shows another text for an error it wraps.
type saidError struct {
	err  error
	text string
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.err }

// flatten lists the parts of an aggregate of kind's library.
func flatten(err error) []error {
	if parts := kinderrors.Errors(err); len(parts) > 0 {
		return parts
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-n):], "\n"))
}
