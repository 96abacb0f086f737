package kind

import (
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Failure is a failure whose cause was named from the evidence.
type Failure struct {
	Cause     string   // a stable word for the cause, such as "node-boot-slow"
	Text      string   // what happened and why, one sentence
	Evidence  []string // the lines that say so
	Hint      string   // what to do
	Transient bool     // known to pass: trying again may help
	Invalid   bool     // the input is at fault, not the surroundings
	Err       error    // what was returned first
}

func (f *Failure) Error() string {
	text := f.Text
	if f.Err != nil {
		text += ": " + commandError(f.Err).Error()
	}
	lines := slices.DeleteFunc(slices.Clone(f.Evidence), func(line string) bool { return strings.Contains(text, line) })
	if len(lines) > 0 {
		text += "\n  evidence:\n    " + strings.Join(lines, "\n    ")
	}
	return text
}

func (f *Failure) Unwrap() error { return f.Err }

// wrap gives the failure its exit code and hint.
func (f *Failure) wrap() error {
	coded := step.Infra(f)
	if f.Invalid {
		coded = step.Invalid(f)
	}
	if f.Hint == "" {
		return coded
	}
	return step.WithHint(coded, f.Hint)
}
