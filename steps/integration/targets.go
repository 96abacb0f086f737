package integration

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"

	"github.com/model-delivery/model-delivery/steps/process"
)

// makefiles are the names under which make looks for what to do, in its order.
var makefiles = []string{"GNUmakefile", "makefile", "Makefile"}

// targets keeps those that the model's Makefile has and says which it has not.
// It is false when ctx ended, which counts as a failure of the named phase.
func (r *run) targets(ctx context.Context, name string, targets ...string) (there []string, ok bool) {
	for _, target := range targets {
		lacks := r.lacksTarget(ctx, target)
		switch {
		case r.stopped(ctx, name):
			return nil, false
		case lacks:
			r.say("[%s] left out: the model has no Makefile with the target %s", name, target)
		default:
			there = append(there, target)
		}
	}
	return there, true
}

// lacksTarget tells whether the model has no Makefile, or one without a rule for
// the target. A Makefile in which something else is wrong is for make to refuse.
func (r *run) lacksTarget(ctx context.Context, target string) bool {
	if !r.hasMakefile() {
		return true
	}
	// Its words, in its own language; and a make around this one does not matter.
	env := append(r.makeEnv(), "LC_ALL=C", "MAKELEVEL=0")
	var said tailBuffer
	err := process.Run(ctx, process.Command{Name: "make", Args: []string{"-C", r.paths.dir, "--dry-run", target}, Env: env, Stderr: &said})
	return err != nil && saysNoRule(said.Bytes(), target)
}

func (r *run) hasMakefile() bool {
	for _, name := range makefiles {
		if _, err := os.Stat(filepath.Join(r.paths.dir, name)); err == nil {
			return true
		}
	}
	return false
}

// saysNoRule tells whether make, and not one that it ran itself, complained that
// it has no rule for the target, and not that another one needs it.
func saysNoRule(output []byte, target string) bool {
	pattern := "(?m)^[^ \\[\\]]+: \\*\\*\\* No rule to make target [`']" + regexp.QuoteMeta(target) + `'\.`
	return regexp.MustCompile(pattern).Match(output)
}

// tailBuffer keeps the end of what is written to it: make complains last.
type tailBuffer struct{ bytes.Buffer }

const maxSaid = 64 << 10

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[max(0, len(p)-maxSaid):])
	if extra := b.Len() - maxSaid; extra > 0 {
		b.Next(extra)
	}
	return len(p), nil
}
